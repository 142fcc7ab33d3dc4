package sources

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/files"
)

// minPart is the least that is worth a lane of its own, in bytes.
const minPart = 1 << 20

// finer is how many pieces make a lane's share of several files.
const finer = 8

// A piece is a file of some form, or a part of one, and its size in bytes.
type piece[F any] struct {
	file F
	size int64
}

// whole is a file in one piece.
func whole[F any](file F, f files.File) []piece[F] { return []piece[F]{{file, max(0, f.Info.Size)}} }

// onDisk tells whether ranges of a file can be read side by side at no cost.
func onDisk(store files.Store) bool {
	_, disk := store.(files.Disk)
	return disk || store == nil
}

// shareOut gives each of at most n lanes about as many bytes, and no lane nothing. cut makes about so many pieces of a file.
func shareOut[F any](found []files.File, n int, cut func(f files.File, cuts int) ([]piece[F], error)) ([][]F, error) {
	total := int64(0)
	for _, f := range found {
		total += max(0, f.Info.Size)
	}
	// Rounded up, or else a file of an odd size would be cut into one piece more than there
	// are lanes. Several files are cut finer, so that the pieces add up to even lanes.
	share := (total + int64(n) - 1) / int64(n)
	if len(found) > 1 {
		share = (share + finer - 1) / finer
	}
	share = max(share, minPart)
	var pieces []piece[F]
	for _, f := range found {
		more, err := cut(f, int((f.Info.Size+share-1)/share))
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, more...)
	}
	slices.SortStableFunc(pieces, func(a, b piece[F]) int { return cmp.Compare(b.size, a.size) })
	lanes := make([][]F, min(n, len(pieces)))
	load := make([]int64, len(lanes))
	for i, p := range pieces {
		least := i
		if i >= len(lanes) {
			least = slices.Index(load, slices.Min(load))
		}
		lanes[least] = append(lanes[least], p.file)
		load[least] += p.size
	}
	return lanes, nil
}
