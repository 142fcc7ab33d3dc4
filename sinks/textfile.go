package sinks

import (
	"context"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// writeAt is how much is gathered, in bytes, before it is written.
const writeAt = 64 << 10

// textFile is a file of lines that is being written: a form appends records to buf.
type textFile[T any] struct {
	buf     []byte
	w       *files.Writer
	in      *pipeline.Reader[T] // is told of the bytes
	counted int64
}

func createText[T any](ctx context.Context, output files.Output, in *pipeline.Reader[T]) (*textFile[T], error) {
	w, err := output.Create(ctx)
	if err != nil {
		return nil, err
	}
	return &textFile[T]{buf: make([]byte, 0, writeAt+writeAt/4), w: w, in: in}, nil
}

// passWhenFull writes what was gathered if that is enough.
func (f *textFile[T]) passWhenFull() error {
	if len(f.buf) < writeAt {
		return nil
	}
	return f.pass()
}

func (f *textFile[T]) pass() error {
	_, err := f.w.Write(f.buf)
	f.buf = f.buf[:0]
	f.count()
	return err
}

func (f *textFile[T]) count() {
	f.in.AddBytes(f.w.Bytes() - f.counted)
	f.counted = f.w.Bytes()
}

// close writes the rest, and makes the file durable.
func (f *textFile[T]) close() error {
	if err := f.pass(); err != nil {
		return err
	}
	if err := f.w.Close(); err != nil {
		return err
	}
	f.count()
	return nil
}
