package sources

import (
	"context"
	"errors"
	"io"

	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// csvReading is a file that is being read into records of type T.
type csvReading[T any] struct {
	name      string
	in        *csvInput
	scan      *csvcodec.Scanner
	decode    *csvcodec.Decoder[T]
	header    []string
	maxRecord int
}

// start opens f and holds its header against T. The caller closes r.in.
func (c CSV[T]) start(ctx context.Context, f csvFile, idle func() error) (r *csvReading[T], err error) {
	defer func() {
		if err != nil {
			err = startError(ctx, f.name, err)
		}
	}()
	in, err := openInput(ctx, f, c.Open, c.Compression, idle)
	if err != nil {
		return nil, err
	}
	r = &csvReading[T]{name: f.name, in: in, maxRecord: c.MaxRecord}
	if err = c.plan(r, f.part); err != nil {
		in.close()
		return nil, err
	}
	return r, nil
}

// plan reads the header, unless it is known, and makes the decoder.
func (c CSV[T]) plan(r *csvReading[T], part *csvPart) (err error) {
	o := c.scanOptions()
	if part != nil {
		o.StartOffset, o.StartLine = part.from, part.line
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
		if line > 0 {
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
	named := fileError(name, err)
	if errors.As(err, &header) || errors.As(err, &record) || errors.As(err, &input) || errors.Is(err, csvcodec.ErrEmpty) || pipeline.IsPermanent(err) {
		return pipeline.Permanent(named)
	}
	return named
}

// checkFile reads the header of f, if that can be done twice.
func (c CSV[T]) checkFile(ctx context.Context, f csvFile) error {
	if c.Open == nil && !rereadable(f.path) {
		return nil
	}
	r, err := c.start(ctx, f, nil)
	if err != nil {
		return err
	}
	r.in.close()
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
			n := r.in.raw.count()
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
	if err != nil {
		return err
	}
	defer r.in.close()
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

// isEOF tells the end of the input from a reader's error that has io.EOF as its
// cause: that input is torn.
func isEOF(err error) bool {
	return err == io.EOF
}
