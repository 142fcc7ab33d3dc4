package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// FS is the store of a file system of Go: embedded files, a zip archive, an fstest.MapFS.
func FS(fsys fs.FS) Store { return fsStore{fsys} }

type fsStore struct{ fsys fs.FS }

func (s fsStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	root := "."
	if i := strings.LastIndexByte(prefix, '/'); i > 0 {
		root = prefix[:i]
	}
	return listed(prefix, func(add func(Info)) error {
		return fs.WalkDir(s.fsys, root, func(name string, e fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case name == root && errors.Is(err, fs.ErrNotExist):
				return fs.SkipAll
			case err != nil:
				return err
			case e.IsDir() || !strings.HasPrefix(name, prefix):
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			add(infoOf(name, info))
			return nil
		})
	})
}

func infoOf(name string, info fs.FileInfo) Info {
	f := Info{Name: name, Size: info.Size(), Modified: info.ModTime()}
	if !f.Modified.IsZero() {
		f.Version = fmt.Sprintf("%d-%d", f.Size, f.Modified.UnixNano())
	}
	return f
}

func (s fsStore) Stat(_ context.Context, name string) (Info, error) {
	info, err := fs.Stat(s.fsys, name)
	if err != nil {
		return Info{}, nameError(name, err)
	}
	if info.IsDir() {
		return Info{}, nameError(name, pipeline.Permanent(errFolder))
	}
	return infoOf(name, info), nil
}

func (s fsStore) Open(_ context.Context, f Info, from, to int64) (io.ReadCloser, error) {
	file, err := s.fsys.Open(f.Name)
	if err != nil {
		return nil, nameError(f.Name, err)
	}
	r, err := s.section(file, f, from, to)
	if err != nil {
		_ = file.Close()
		return nil, nameError(f.Name, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, file}, nil
}

func (s fsStore) section(file fs.File, f Info, from, to int64) (io.Reader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if now := infoOf(f.Name, info); f.Version != "" && now.Version != f.Version {
		return nil, ErrChanged
	}
	if from > 0 {
		if at, ok := file.(io.ReaderAt); ok {
			return io.NewSectionReader(at, from, lengthOf(from, to, info.Size())), nil
		}
		if seeker, ok := file.(io.Seeker); ok {
			_, err = seeker.Seek(from, io.SeekStart)
		} else {
			_, err = io.CopyN(io.Discard, file, from)
		}
		if err != nil && !isEOF(err) {
			return nil, err
		}
	}
	if to < 0 {
		return file, nil
	}
	return io.LimitReader(file, to-from), nil
}

func lengthOf(from, to, size int64) int64 {
	if to < 0 {
		to = size
	}
	return max(0, to-from)
}
