package sources

import (
	"context"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

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
	lanes, err := shareOut(found, n, func(f files.File, cuts int) ([]piece[csvFile], error) {
		if cuts < 2 || c.NewFiles || !onDisk(c.Store) {
			return whole(csvFile{File: f}, f), nil
		}
		return c.cut(ctx, csvFile{File: f}, cuts)
	})
	if err != nil {
		return nil, err
	}
	var parts []pipeline.Source[T]
	for _, lane := range lanes {
		parts = append(parts, csvLane[T]{c, lane})
	}
	if len(parts) == 0 { // no new file
		parts = append(parts, csvLane[T]{source: c})
	}
	return parts, nil
}

// cut makes about n pieces of a file, or one if it is packed.
func (c CSV[T]) cut(ctx context.Context, f csvFile, n int) ([]piece[csvFile], error) {
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
		return whole(f, f.File), nil
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
	pieces := make([]piece[csvFile], len(points))
	for i, point := range points {
		end := size
		if i+1 < len(points) {
			end = points[i+1].Offset
		}
		part := f
		part.From, part.To, part.part = point.Offset, end, &csvPart{line: point.Line, header: r.header, delimiter: o.Dialect.Delimiter}
		pieces[i] = piece[csvFile]{part, end - point.Offset}
	}
	return pieces, nil
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
