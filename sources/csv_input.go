package sources

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// csvInput is an opened input: unpacked bytes to read, and how many packed ones
// they were.
//
//	file ──▶ fileReader ─┐
//	                     ├─▶ unpack ──▶ Read
//	pipe ──▶ pump ───────┘
type csvInput struct {
	io.Reader
	raw   rawInput // knows how many bytes were read, as they lie in the file
	close func()
}

// plain returns the file that is read, and whether it is read as it lies there.
func (in *csvInput) plain() (*fileReader, bool) {
	file, _ := in.raw.(*fileReader)
	_, packed := in.Reader.(*unpacked)
	return file, file != nil && !packed
}

// openInput opens a file, standard input or what open returns. Its reads end with
// ctx. Before a read that may wait idle is called, if it is not nil.
func openInput(ctx context.Context, f csvFile, open func(context.Context) (io.ReadCloser, error), kind Compression, idle func() error) (*csvInput, error) {
	raw, err := openRaw(ctx, f, open, idle)
	if err != nil {
		return nil, err
	}
	in := &csvInput{Reader: raw, raw: raw, close: raw.close}
	if f.part != nil { // only plain files have parts
		return in, nil
	}
	unpacked, release, err := unpack(raw, kind.of(f.name))
	if err != nil {
		raw.close()
		return nil, err
	}
	in.Reader = unpacked
	in.close = func() {
		release()
		raw.close()
	}
	return in, nil
}

// rawInput is an input before unpacking.
type rawInput interface {
	io.Reader
	count() int64
	failure() error // the error of the last Read; nil if it was io.EOF or none
	close()
}

func openRaw(ctx context.Context, f csvFile, open func(context.Context) (io.ReadCloser, error), idle func() error) (rawInput, error) {
	switch {
	case open != nil:
		r, err := open(ctx)
		if err != nil {
			return nil, err
		}
		if r == nil {
			return nil, pipeline.Permanent(errors.New("neither a reader nor an error came from Open"))
		}
		return newPump(ctx, r, r.Close, idle), nil
	case f.path == stdinPath:
		r, err := takeStdin()
		if err != nil {
			return nil, err
		}
		return newPump(ctx, r, nil, idle), nil
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, pipeline.Permanent(errors.New("is a directory"))
	}
	if !info.Mode().IsRegular() {
		r, err := openPipe(ctx, f.path)
		if err != nil {
			return nil, err
		}
		return newPump(ctx, r, r.Close, idle), nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	r, err := newFileReader(ctx, file, f)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return r, nil
}

// stdin is the file that was last read as standard input.
var stdin struct {
	sync.Mutex
	taken *os.File
}

func takeStdin() (*os.File, error) {
	stdin.Lock()
	defer stdin.Unlock()
	if stdin.taken == os.Stdin {
		return nil, pipeline.Permanent(errors.New("it was read before, and can be read only once"))
	}
	stdin.taken = os.Stdin
	return os.Stdin, nil
}

// openPipe opens a named pipe, which waits for somebody to open its other end. When
// ctx ends first, it opens that itself for a moment, so that nothing is left waiting.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	ch := make(chan opened, 1)
	go func() {
		file, err := os.Open(path)
		ch <- opened{file, err}
	}()
	select {
	case o := <-ch:
		return o.file, o.err
	case <-ctx.Done():
	}
	// The other end cannot be opened before this one is being opened, hence again and
	// again; and not at all if the pipe is gone or may not be written to.
	for range 1000 {
		if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = w.Close() // nothing was written
		}
		select {
		case o := <-ch:
			if o.err == nil {
				_ = o.file.Close() // nothing was read
			}
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil, ctx.Err()
}

// fileReader reads a regular file, or a part of one, and sees to it that the file
// stays the same meanwhile.
type fileReader struct {
	*halted
	file    *os.File
	section *io.SectionReader
	opened  os.FileInfo
	size    int64 // of the section
	read    int64
	want    *newFile
	hash    hash.Hash // nil if want is
	err     error
}

func newFileReader(ctx context.Context, file *os.File, f csvFile) (*fileReader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	r := &fileReader{halted: haltOn(ctx), file: file, opened: info, want: f.want}
	from, to := int64(0), info.Size()
	if p := f.part; p != nil {
		if !os.SameFile(p.info, info) {
			return nil, errors.New("another file has taken its place while it was read")
		}
		from, to, r.opened = p.from, p.to, p.info
	}
	r.size = to - from
	r.section = io.NewSectionReader(file, from, r.size)
	if f.want != nil {
		if info.Size() != f.want.Size {
			return nil, f.want.changed()
		}
		r.hash = sha256.New()
	}
	return r, nil
}

// Read implements io.Reader. The end of the file is io.EOF only if nothing has
// changed.
func (r *fileReader) Read(p []byte) (int, error) {
	if r.err = r.stopped(); r.err != nil {
		return 0, r.err
	}
	n, err := r.section.Read(p)
	r.read += int64(n)
	if r.hash != nil {
		r.hash.Write(p[:n])
	}
	if isEOF(err) {
		if changed := r.unchanged(); changed != nil {
			err = changed
		}
	}
	if err != nil && !isEOF(err) {
		r.err = err
	}
	return n, err
}

// unchanged is asked at the end of the section.
func (r *fileReader) unchanged() error {
	now, err := r.file.Stat()
	if err != nil {
		return err
	}
	was := r.opened
	switch {
	case now.Size() < was.Size(), r.read < r.size:
		return fmt.Errorf("the file shrank while it was read, from %d to %d bytes", was.Size(), now.Size())
	case now.Size() > was.Size():
		return fmt.Errorf("the file grew while it was read, from %d to %d bytes: it is still being written", was.Size(), now.Size())
	case !now.ModTime().Equal(was.ModTime()):
		return errors.New("the file was written to while it was read")
	case r.hash != nil && hex.EncodeToString(r.hash.Sum(nil)) != r.want.SHA256:
		return r.want.changed()
	}
	return nil
}

func (r *fileReader) count() int64   { return r.read }
func (r *fileReader) failure() error { return r.err }
func (r *fileReader) close()         { _ = r.file.Close() }

// halted stands in for the context of a stage, which a struct should not hold.
type halted struct {
	done  <-chan struct{}
	cause func() error
}

func haltOn(ctx context.Context) *halted { return &halted{done: ctx.Done(), cause: ctx.Err} }

// stopped returns the reason once the context is done, nil before.
func (h *halted) stopped() error {
	select {
	case <-h.done:
		return h.cause()
	default:
		return nil
	}
}
