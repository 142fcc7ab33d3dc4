package sources

import (
	"cmp"
	"context"
	"slices"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// minPart is the least that is worth a lane of its own, in bytes.
const minPart = 1 << 20

// finer is how many pieces make a lane's share of several files.
const finer = 8

// Split makes at most n parts of about the same size. Plain files of a disk are cut between two
// records, which takes a pass over them that looks for quotes; all others, and those
// of NewFiles, stay whole.
func (c CSV[T]) Split(ctx context.Context, n int) ([]pipeline.Source[T], error) {
	if err := c.check(); err != nil {
		return nil, pipeline.Permanent(err)
	}
	found, err := c.input().Files(ctx)
	if err != nil {
		return nil, err
	}
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
	var pieces []csvPiece
	for _, f := range found {
		cuts := int((f.Info.Size + share - 1) / share)
		if cuts < 2 || c.NewFiles || !c.onDisk() {
			pieces = append(pieces, csvPiece{csvFile{File: f}, max(0, f.Info.Size)})
			continue
		}
		cut, err := c.cut(ctx, csvFile{File: f}, cuts)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, cut...)
	}
	var parts []pipeline.Source[T]
	for _, lane := range shareOut(pieces, n) {
		parts = append(parts, csvLane[T]{c, lane})
	}
	if len(parts) == 0 { // no new file
		parts = append(parts, csvLane[T]{source: c})
	}
	return parts, nil
}

// csvPiece is a file or a part of one, and its size in bytes.
type csvPiece struct {
	file csvFile
	size int64
}

// cut makes about n pieces of a file, or one if it is packed.
func (c CSV[T]) cut(ctx context.Context, f csvFile, n int) ([]csvPiece, error) {
	r, err := c.start(ctx, f, nil)
	if c.passesOver(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.in.Close()
	at, size, ok := r.in.At()
	if !ok {
		return []csvPiece{{f, f.Info.Size}}, nil
	}
	o := c.scanOptions()
	o.Dialect.Delimiter = r.scan.Delimiter()
	o.StartOffset, o.StartLine = r.scan.Offset(), r.scan.Line()
	points, err := csvcodec.SplitPoints(at, size, n, o)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fileError(f.Name, err)
	}
	pieces := make([]csvPiece, len(points))
	for i, point := range points {
		end := size
		if i+1 < len(points) {
			end = points[i+1].Offset
		}
		part := f
		part.From, part.To, part.part = point.Offset, end, &csvPart{line: point.Line, header: r.header, delimiter: o.Dialect.Delimiter}
		pieces[i] = csvPiece{part, end - point.Offset}
	}
	return pieces, nil
}

// onDisk tells whether ranges of a file can be read side by side at no cost.
func (c CSV[T]) onDisk() bool {
	_, disk := c.Store.(files.Disk)
	return disk || c.Store == nil
}

// shareOut gives each lane about as many bytes, and no lane nothing.
func shareOut(pieces []csvPiece, n int) [][]csvFile {
	slices.SortStableFunc(pieces, func(a, b csvPiece) int { return cmp.Compare(b.size, a.size) })
	lanes := make([][]csvFile, min(n, len(pieces)))
	load := make([]int64, len(lanes))
	for i, p := range pieces {
		least := i
		if i >= len(lanes) {
			least = slices.Index(load, slices.Min(load))
		}
		lanes[least] = append(lanes[least], p.file)
		load[least] += p.size
	}
	return lanes
}

// csvLane is what one lane reads.
type csvLane[T any] struct {
	source CSV[T]
	files  []csvFile
}

func (l csvLane[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	for _, f := range l.files {
		if err := l.source.extract(ctx, f, out); err != nil {
			return err
		}
	}
	return nil
}
