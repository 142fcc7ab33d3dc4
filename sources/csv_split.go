package sources

import (
	"cmp"
	"context"
	"io"
	"os"
	"slices"

	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// minPart is the least that is worth a lane of its own, in bytes.
const minPart = 1 << 20

// finer is how many pieces make a lane's share of several files.
const finer = 8

// Split makes at most n parts of about the same size. Plain files are cut between two
// records, which takes a pass over them that looks for quotes; packed files, and those
// of NewFiles, stay whole; what is no regular file is read in one part.
func (c CSV[T]) Split(ctx context.Context, n int) ([]pipeline.Source[T], error) {
	if err := c.check(); err != nil {
		return nil, pipeline.Permanent(err)
	}
	files, err := c.filesOf(ctx)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	sizes := make([]int64, len(files))
	for i, f := range files {
		if c.Open != nil || !rereadable(f.path) {
			continue
		}
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, fileError(f.name, err)
		}
		sizes[i] = info.Size()
		total += info.Size()
	}
	// Rounded up, or else a file of an odd size would be cut into one piece more than there
	// are lanes. Several files are cut finer, so that the pieces add up to even lanes.
	share := (total + int64(n) - 1) / int64(n)
	if len(files) > 1 {
		share = (share + finer - 1) / finer
	}
	share = max(share, minPart)
	var pieces []csvPiece
	for i, f := range files {
		cuts := int((sizes[i] + share - 1) / share)
		if cuts < 2 || c.NewFiles {
			pieces = append(pieces, csvPiece{f, sizes[i]})
			continue
		}
		cut, err := c.cut(ctx, f, cuts)
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
	if err != nil {
		return nil, err
	}
	defer r.in.close()
	file, plain := r.in.plain()
	if !plain {
		return []csvPiece{{f, file.opened.Size()}}, nil
	}
	o := c.scanOptions()
	if !c.NoHeader {
		o.StartOffset, o.StartLine = r.scan.Offset(), r.scan.Line()
	}
	size := file.opened.Size()
	points, err := csvcodec.SplitPoints(haltedReaderAt{file.halted, file.file}, size, n, o)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fileError(f.name, err)
	}
	pieces := make([]csvPiece, len(points))
	for i, point := range points {
		end := size
		if i+1 < len(points) {
			end = points[i+1].Offset
		}
		part := f
		part.part = &csvPart{from: point.Offset, to: end, line: point.Line, header: r.header, info: file.opened}
		pieces[i] = csvPiece{part, end - point.Offset}
	}
	return pieces, nil
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

// haltedReaderAt ends a long pass over a file with the run.
type haltedReaderAt struct {
	*halted
	io.ReaderAt
}

func (r haltedReaderAt) ReadAt(p []byte, at int64) (int, error) {
	if err := r.stopped(); err != nil {
		return 0, err
	}
	return r.ReaderAt.ReadAt(p, at)
}
