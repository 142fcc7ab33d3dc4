package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/millrace/millrace/pipeline"
)

// rawInput is an input before unpacking.
//
//	a regular file of Disk ──▶ rawFile ─┐
//	                                    ├─▶ unpack ──▶ decode ──▶ Read
//	all else ──▶ pump ──────────────────┘
type rawInput interface {
	io.Reader
	count() int64                   // bytes read so far, as they lie in the store
	failure() error                 // the error of the last Read; nil if it was io.EOF or none
	at() (io.ReaderAt, int64, bool) // the whole of it, if it can be read at any offset
	close()
}

func (in Input) openRaw(ctx context.Context, f File, idle func() error) (rawInput, error) {
	if f.Info.Name == Standard && in.Store == nil {
		r, err := takeStdin()
		if err != nil {
			return nil, nameError(f.Name, err)
		}
		return newPump(ctx, r, nil, idle), nil
	}
	from, to := f.From, f.To
	if to == 0 {
		to = -1
	}
	r, err := in.store().Open(ctx, f.Info, from, to)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, nameError(f.Name, pipeline.Permanent(errors.New("the store returned neither a reader nor an error")))
	}
	if d, ok := r.(*diskReader); ok {
		raw := &rawFile{diskReader: d, want: f.want}
		if f.want != nil && f.want.SHA256 != "" {
			raw.sum = sha256.New()
		}
		return raw, nil
	}
	var read io.Reader = r
	if f.want != nil && f.want.SHA256 != "" {
		read = &summed{r, f.want, sha256.New()}
	}
	p := newPump(ctx, read, r.Close, idle)
	if at, ok := r.(io.ReaderAt); ok && f.Info.Size >= 0 {
		return &pumpAt{p, at, f.Info.Size}, nil
	}
	if f.Info.Size >= 0 && f.To == 0 {
		open := func(from, to int64) (io.ReadCloser, error) { return in.store().Open(ctx, f.Info, from, to) }
		return &pumpAt{p, &storeAt{open: open, size: f.Info.Size}, f.Info.Size}, nil
	}
	return p, nil
}

// rawFile is a file of the disk, read without a goroutine in between.
type rawFile struct {
	*diskReader
	want *newFile
	sum  hash.Hash
	read int64
	err  error
}

func (r *rawFile) Read(p []byte) (int, error) {
	n, err := r.diskReader.Read(p)
	r.read += int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
		if isEOF(err) && hex.EncodeToString(r.sum.Sum(nil)) != r.want.SHA256 {
			err = r.want.changed()
		}
	}
	r.err = nil
	if err != nil && !isEOF(err) {
		r.err = err
	}
	return n, err
}

func (r *rawFile) count() int64                   { return r.read }
func (r *rawFile) failure() error                 { return r.err }
func (r *rawFile) at() (io.ReaderAt, int64, bool) { return r.diskReader, r.Size(), true }
func (r *rawFile) close()                         { _ = r.diskReader.Close() }

// summed holds what is read against what the run has to read.
type summed struct {
	io.Reader
	want *newFile
	sum  hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.sum.Write(p[:n])
	if isEOF(err) && hex.EncodeToString(s.sum.Sum(nil)) != s.want.SHA256 {
		err = s.want.changed()
	}
	return n, err
}

// pumpAt is a pump over what can also be read at any offset.
type pumpAt struct {
	*pump
	reader io.ReaderAt
	size   int64
}

func (p *pumpAt) at() (io.ReaderAt, int64, bool) { return p.reader, p.size, true }

// storeBlock is how much of a file in a store is asked for at once, in bytes.
const storeBlock = 1 << 20

// storeAt reads a file of a store at any offset, block by block. It is for archives, which are read from their end,
// and then from the start to the end: one block is kept.
type storeAt struct {
	open  func(from, to int64) (io.ReadCloser, error)
	size  int64
	block []byte
	from  int64 // of block
}

// ReadAt implements io.ReaderAt for one goroutine.
func (s *storeAt) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		if at >= s.size {
			return n, io.EOF
		}
		if at < s.from || at >= s.from+int64(len(s.block)) {
			if err := s.load(at); err != nil {
				return n, err
			}
		}
		k := copy(p[n:], s.block[at-s.from:])
		n, at = n+k, at+int64(k)
	}
	return n, nil
}

func (s *storeAt) load(at int64) error {
	r, err := s.open(at, min(at+storeBlock, s.size))
	if err != nil {
		return err
	}
	defer r.Close()
	s.from, s.block = at, make([]byte, min(storeBlock, s.size-at))
	if _, err := io.ReadFull(r, s.block); err != nil {
		s.block = nil
		return err
	}
	return nil
}
