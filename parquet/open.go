package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// readBuffer is how much of a column is read at once, in bytes: in a store that is one request.
const readBuffer = 256 << 10

// An opened is a file whose footer was read.
type opened struct {
	*pq.File
	at    *at
	close func()
}

// open reads the footer of a file. Of its rows nothing is read yet.
func open(ctx context.Context, in files.Input, f files.File) (o opened, err error) {
	if f.Info.Size < 0 {
		return o, pipeline.Permanent(fmt.Errorf("%s: a Parquet file is read from its end: it must be a file", f.Name))
	}
	o.at = &at{ctx: ctx, size: f.Info.Size}
	o.close = func() {}
	if in.Store == nil || in.Store == (files.Disk{}) {
		contents, err := in.Open(ctx, f, nil)
		if err != nil {
			return o, err
		}
		o.close = contents.Close
		var ok bool
		if o.at.reader, o.at.size, ok = contents.At(); !ok {
			contents.Close()
			return o, pipeline.Permanent(fmt.Errorf("%s: it is packed as a whole, and a Parquet file is packed within", f.Name))
		}
	} else {
		o.at.open = func(from, to int64) (io.ReadCloser, error) { return in.Store.Open(ctx, f.Info, from, to) }
	}
	err = guarded(func() (err error) {
		o.File, err = pq.OpenFile(o.at, o.at.size, pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.OptimisticRead(true), pq.ReadBufferSize(readBuffer))
		return err
	})
	if err == nil {
		return o, nil
	}
	o.close()
	return o, o.at.blame(f.Name, err)
}

// guarded turns what the library does on meeting a damaged file, to panic, into an error.
func guarded(do func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			err = p
		default:
			err = fmt.Errorf("%v", p)
		}
	}()
	return do()
}

// at reads a file at any offset, and counts. It remembers an error of the place, so that it can be told from damage.
type at struct {
	ctx    context.Context                             //nolint:containedctx // io.ReaderAt takes none
	reader io.ReaderAt                                 // of a disk
	open   func(from, to int64) (io.ReadCloser, error) // of another store
	size   int64
	count  int64
	failed error
}

func (a *at) ReadAt(p []byte, off int64) (n int, err error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	if off < 0 || off > a.size {
		return 0, errors.New("it points behind its own end")
	}
	want := p[:min(int64(len(p)), a.size-off)]
	switch {
	case len(want) == 0:
	case a.reader != nil:
		n, err = a.reader.ReadAt(want, off)
	default:
		n, err = a.fetch(want, off)
	}
	a.count += int64(n)
	if n == len(want) {
		err = nil
		if len(want) < len(p) {
			err = io.EOF
		}
	} else if a.failed == nil {
		a.failed = err
	}
	return n, err
}

func (a *at) fetch(p []byte, off int64) (int, error) {
	r, err := a.open(off, off+int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.ReadFull(r, p)
}

// blame says whether the place or the file is at fault. Damage is met again at each attempt.
func (a *at) blame(name string, err error) error {
	if ctxErr := a.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	if a.failed != nil {
		if errors.Is(a.failed, files.ErrChanged) || pipeline.IsPermanent(a.failed) {
			return fmt.Errorf("%s: %w", name, a.failed)
		}
		return pipeline.Transient(fmt.Errorf("%s: %w", name, a.failed))
	}
	return pipeline.Permanent(fmt.Errorf("%s: it is no Parquet file, or damaged: %w", name, err))
}
