package sources

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// csvFile is one input of a CSV source, or one part of it.
type csvFile struct {
	files.File
	part *csvPart // nil for all of it
}

// csvPart is about a range of a plain file that begins with a record, behind the header.
type csvPart struct {
	line      int      // of its beginning
	delimiter string   // which the first line may have said
	header    []string // the names of the columns
}

// csvReading is a file that is being read into records of type T.
type csvReading[T any] struct {
	name      string
	in        *files.Contents
	scan      *csvcodec.Scanner
	decode    *csvcodec.Decoder[T]
	header    []string
	maxRecord int
}

// start opens f and holds its header against T. The caller closes r.in.
func (c CSV[T]) start(ctx context.Context, f csvFile, idle func() error) (r *csvReading[T], err error) {
	in, err := c.input().Open(ctx, f.File, idle)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	r = &csvReading[T]{name: f.Name, in: in, maxRecord: c.MaxRecord}
	if err = c.plan(r, f); err != nil {
		in.Close()
		return nil, startError(ctx, f.Name, err)
	}
	return r, nil
}

// plan reads the header, unless it is known, and makes the decoder.
func (c CSV[T]) plan(r *csvReading[T], f csvFile) (err error) {
	o, part := c.scanOptions(), f.part
	if part != nil {
		o.Dialect.Delimiter = part.delimiter
		o.StartOffset, o.StartLine = f.From, part.line
	}
	if r.scan, err = csvcodec.NewScanner(r.in, o); err != nil {
		return err
	}
	if r.header, err = c.columns(); err != nil {
		return err
	}
	line := 0
	switch {
	case part != nil:
		r.header = part.header
		r.scan.KeepBlank(len(r.header) == 1)
	case r.header != nil:
		if err = r.scan.Identify(); err != nil {
			return err
		}
		r.scan.KeepBlank(len(r.header) == 1)
	default:
		if r.header, err = csvcodec.ReadHeader(r.scan); err != nil {
			return err
		}
		line = r.scan.Line() - 1
	}
	if r.decode, err = csvcodec.NewDecoder[T](r.header, c.decodeOptions()); err == nil {
		return nil
	}
	// It is the struct, the options or the header: another attempt meets it again.
	err = pipeline.Permanent(err)
	if e, ok := errors.AsType[*csvcodec.HeaderError](err); ok {
		e.Line = line
		if line > 0 && f.Info.Size >= 0 { // more of what is typed or sent may never come
			csvcodec.HintHeader(r.scan, e)
		}
	}
	return err
}

// startError says which file it is about, and tells what another attempt would
// meet again from what may pass.
func startError(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var (
		header *csvcodec.HeaderError
		record *csvcodec.Error
		input  *csvcodec.InputError
	)
	if errors.Is(err, csvcodec.ErrEmpty) {
		err = fmt.Errorf("%w; AllowEmpty passes over such files", err)
	}
	named := fileError(name, err)
	if errors.As(err, &header) || errors.As(err, &record) || errors.As(err, &input) || errors.Is(err, csvcodec.ErrEmpty) || pipeline.IsPermanent(err) {
		return pipeline.Permanent(named)
	}
	return named
}

// passesOver tells whether an error is a file without anything that may be so.
func (c CSV[T]) passesOver(err error) bool { return c.AllowEmpty && errors.Is(err, csvcodec.ErrEmpty) }

// eachError prefixes each of the errors that were joined.
func eachError(prefix string, err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i := range all {
		all[i] = fmt.Errorf("%s%w", prefix, all[i])
	}
	return errors.Join(all...)
}

// checkFile reads the header of f, if that can be done twice.
func (c CSV[T]) checkFile(ctx context.Context, f files.File) error {
	if !c.input().Again(f) {
		return nil
	}
	r, err := c.start(ctx, csvFile{File: f}, nil)
	if c.passesOver(err) {
		return nil
	}
	if err != nil {
		return err
	}
	r.in.Close()
	return nil
}

// extract reads one file, or a part of one.
func (c CSV[T]) extract(ctx context.Context, f csvFile, out *pipeline.Writer[T]) error {
	var (
		batch   []T
		r       *csvReading[T]
		counted int64
	)
	pass := func() error {
		if r != nil {
			n := r.in.Bytes()
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
	r, err := c.start(ctx, f, pass)
	if c.passesOver(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.in.Close()
	origin := pipeline.OriginField[T]()
	for {
		rec, err := r.scan.Next()
		if err == nil {
			if len(batch) == cap(batch) {
				if err := pass(); err != nil {
					return err
				}
				batch = out.NewBatch()
			}
			n := len(batch)
			batch = batch[:n+1]
			if err = r.decode.Decode(rec, &batch[n]); err == nil {
				if origin != nil {
					*origin(&batch[n]) = pipeline.Origin{Source: r.name, Line: int64(rec.Line()), Offset: rec.Offset()}
				}
				continue
			}
			batch = batch[:n]
		}
		bad, ok := errors.AsType[*csvcodec.Error](err)
		switch {
		case ok:
			if err := out.Reject(r.reject(bad, rec)); err != nil {
				return err
			}
		case isEOF(err):
			return pass()
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			return fileError(r.name, err)
		}
	}
}

// fileError says which file an error is about.
func fileError(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// isEOF tells the end of the input from a reader's error that has io.EOF as its
// cause: that input is torn.
func isEOF(err error) bool {
	return err == io.EOF
}
