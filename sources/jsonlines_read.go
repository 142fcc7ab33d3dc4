package sources

import (
	"context"
	"errors"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/jsoncodec"
	"github.com/millrace/millrace/pipeline"
)

// jsonFile is one input of a JSONLines source, or a range of one that begins with a line.
type jsonFile struct {
	files.File
	line int // of From
}

// start opens f. The caller closes in.
func (j JSONLines[T]) start(ctx context.Context, f jsonFile, idle func() error) (in *files.Contents, scan *jsoncodec.Scanner, err error) {
	if in, err = j.input().Open(ctx, f.File, idle); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, nil, err
	}
	o := j.scanOptions()
	o.StartOffset, o.StartLine = f.From, f.line
	if scan, err = jsoncodec.NewScanner(in, o); err == nil {
		err = scan.Begin()
	}
	if err != nil && !isEOF(err) {
		in.Close()
		return nil, nil, j.fail(ctx, f, err)
	}
	return in, scan, nil
}

// fail says which file an error is about, and tells what another attempt would meet again from what may pass.
func (JSONLines[T]) fail(ctx context.Context, f jsonFile, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	named := fileError(f.Name, err)
	if _, ok := errors.AsType[*jsoncodec.InputError](err); ok {
		return pipeline.Permanent(named)
	}
	return named
}

// checkFile looks at the beginning of f, if that can be done twice.
func (j JSONLines[T]) checkFile(ctx context.Context, f files.File) error {
	if !j.input().Again(f) {
		return nil
	}
	in, _, err := j.start(ctx, jsonFile{File: f}, nil)
	if err == nil {
		in.Close()
	}
	return err
}

// extract reads one file, or a part of one.
func (j JSONLines[T]) extract(ctx context.Context, f jsonFile, out *pipeline.Writer[T]) error {
	var (
		batch   []T
		in      *files.Contents
		counted int64
	)
	pass := func() error {
		if in != nil {
			n := in.Bytes()
			out.AddBytes(n - counted)
			counted = n
		}
		if len(batch) == 0 {
			return nil
		}
		full := batch
		batch = nil
		return out.WriteBatch(full)
	}
	decode, err := j.decoder()
	if err != nil {
		return pipeline.Permanent(err)
	}
	in, scan, err := j.start(ctx, f, pass)
	if err != nil {
		return err
	}
	defer in.Close()
	origin := pipeline.OriginField[T]()
	for {
		rec, err := scan.Next()
		if err == nil {
			if len(batch) == cap(batch) {
				if err := pass(); err != nil {
					return err
				}
				batch = out.NewBatch()
			}
			n := len(batch)
			batch = batch[:n+1]
			if err = decode.Decode(rec, &batch[n]); err == nil {
				if origin != nil {
					*origin(&batch[n]) = pipeline.Origin{Source: f.Name, Line: int64(rec.Line()), Offset: rec.Offset()}
				}
				continue
			}
			batch = batch[:n]
		}
		bad, ok := errors.AsType[*jsoncodec.Error](err)
		switch {
		case ok:
			if err := out.Reject(jsonReject(f.Name, bad)); err != nil {
				return err
			}
		case isEOF(err):
			return pass()
		default:
			return j.fail(ctx, f, err)
		}
	}
}

// jsonReject makes a reject of what was wrong with a record. A record that was cut is left out: it must not be taken for
// one that can be mended.
func jsonReject(name string, e *jsoncodec.Error) pipeline.Reject {
	r := pipeline.Reject{Source: name, Line: int64(e.Line), Offset: e.Offset, Column: e.Path, Value: e.Value, Reason: e.Reason}
	if e.Cut {
		r.Reason += " (the record is too long to be kept)"
	} else {
		r.Raw = append(e.Raw, '\n')
	}
	return r
}

// Split makes at most n parts of about the same size. Plain files of lines on a disk are cut between two lines, which
// takes a pass over them that counts lines; all others, and those of NewFiles, stay whole.
func (j JSONLines[T]) Split(ctx context.Context, n int) ([]pipeline.Source[T], error) {
	if err := j.check(); err != nil {
		return nil, pipeline.Permanent(err)
	}
	found, err := j.input().Files(ctx)
	if err != nil {
		return nil, err
	}
	lanes, err := shareOut(found, n, func(f files.File, cuts int) ([]piece[jsonFile], error) {
		if cuts < 2 || j.NewFiles || !onDisk(j.Store) {
			return whole(jsonFile{File: f}, f), nil
		}
		return j.cut(ctx, jsonFile{File: f}, cuts)
	})
	if err != nil {
		return nil, err
	}
	var parts []pipeline.Source[T]
	for _, lane := range lanes {
		parts = append(parts, jsonLane[T]{j, lane})
	}
	if len(parts) == 0 { // no new file
		parts = append(parts, jsonLane[T]{source: j})
	}
	return parts, nil
}

// cut makes about n pieces of a file, or one if it is packed or a document.
func (j JSONLines[T]) cut(ctx context.Context, f jsonFile, n int) ([]piece[jsonFile], error) {
	in, scan, err := j.start(ctx, f, nil)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	at, size, ok := in.At()
	if !ok || !scan.Lines() {
		return whole(f, f.File), nil
	}
	points, err := jsoncodec.SplitPoints(at, size, n, jsoncodec.SplitPoint{Offset: scan.Offset(), Line: scan.Line()})
	if err != nil {
		return nil, j.fail(ctx, f, err)
	}
	pieces := make([]piece[jsonFile], len(points))
	for i, point := range points {
		end := size
		if i+1 < len(points) {
			end = points[i+1].Offset
		}
		part := f
		part.From, part.To, part.line = point.Offset, end, point.Line
		pieces[i] = piece[jsonFile]{part, end - point.Offset}
	}
	return pieces, nil
}

// jsonLane is what one lane reads.
type jsonLane[T any] struct {
	source JSONLines[T]
	files  []jsonFile
}

func (l jsonLane[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	for _, f := range l.files {
		if err := l.source.extract(ctx, f, out); err != nil {
			return err
		}
	}
	return nil
}
