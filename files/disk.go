package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// Disk is the file system of this machine, and the store where none is named. Names are paths, relative ones of the
// working directory; on Windows both separators are taken.
//
// A file that is written has the mode of the file that it replaces and, as far as this process may give it away, its
// owner. It is locked while its process lives, by which others tell what a dead one left.
type Disk struct{}

// List walks the folder that the prefix names, folders below it included; links to folders are not followed.
func (d Disk) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	root := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		root = prefix[:i+1]
	}
	root = filepath.FromSlash(root)
	return listed(prefix, func(add func(Info)) error {
		return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			name := filepath.ToSlash(path)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, fs.ErrNotExist): // it went meanwhile, or there is no such folder
				return nil
			case err != nil:
				return err
			case e.IsDir() && path != root && !strings.HasPrefix(name, prefix):
				return fs.SkipDir
			case e.IsDir() || !strings.HasPrefix(name, prefix) || strings.HasSuffix(name, draftSuffix):
				return nil
			}
			info, err := d.Stat(ctx, name)
			switch {
			case err == nil:
				add(info)
			case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errFolder):
				return err
			}
			return nil
		})
	})
}

// listed yields what a walk adds, sorted by name: a walk goes folder by folder, which is another order.
func listed(prefix string, walk func(add func(Info)) error) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var all []Info
		if err := walk(func(f Info) { all = append(all, f) }); err != nil {
			yield(Info{}, nameError(prefix, err))
			return
		}
		slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
		for _, f := range all {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// errFolder says that a name is a folder's.
var errFolder = errors.New("is a directory")

// Stat looks a file up. What is neither a file nor a folder, such as a pipe, has a size of -1.
func (Disk) Stat(_ context.Context, name string) (Info, error) {
	info, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return Info{}, nameError(name, err)
	}
	if info.IsDir() {
		return Info{}, nameError(name, pipeline.Permanent(errFolder))
	}
	f := Info{Name: name, Size: -1}
	if info.Mode().IsRegular() {
		f.Size, f.Modified, f.Version = info.Size(), info.ModTime(), diskVersion(info)
	}
	return f, nil
}

// diskVersion tells one state of a file from another, as well as a file system can: a file that is replaced is another
// one, and one that is written to has another time or size.
func diskVersion(info os.FileInfo) string {
	return fmt.Sprintf("%s%d-%d", inodeOf(info), info.Size(), info.ModTime().UnixNano())
}

// Open opens a file, or a named pipe, which is read as it comes.
func (Disk) Open(ctx context.Context, f Info, from, to int64) (io.ReadCloser, error) {
	path := filepath.FromSlash(f.Name)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nameError(f.Name, err)
	case info.IsDir():
		return nil, nameError(f.Name, pipeline.Permanent(errFolder))
	case !info.Mode().IsRegular():
		if from != 0 || to >= 0 {
			return nil, nameError(f.Name, pipeline.Permanent(errors.New("what is no regular file can be read only from its start to its end")))
		}
		pipe, err := openPipe(ctx, path)
		return pipe, nameError(f.Name, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nameError(f.Name, err)
	}
	r, err := newDiskReader(ctx, file, f, from, to)
	if err != nil {
		_ = file.Close()
		return nil, nameError(f.Name, err)
	}
	return r, nil
}

// diskReader reads a regular file, or a part of one, and sees to it that the file
// stays the same meanwhile.
type diskReader struct {
	*halted
	*io.SectionReader
	file   *os.File
	opened os.FileInfo
}

func newDiskReader(ctx context.Context, file *os.File, f Info, from, to int64) (*diskReader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if f.Version != "" && diskVersion(info) != f.Version {
		return nil, changed(f.Size, info)
	}
	if to < 0 {
		to = info.Size()
	}
	return &diskReader{
		halted: haltOn(ctx), file: file, opened: info,
		SectionReader: io.NewSectionReader(file, from, to-from),
	}, nil
}

// Read implements io.Reader. The end of the section is io.EOF only if nothing has changed.
func (r *diskReader) Read(p []byte) (int, error) {
	if err := r.stopped(); err != nil {
		return 0, err
	}
	n, err := r.SectionReader.Read(p)
	if isEOF(err) {
		if e := r.unchanged(); e != nil {
			err = e
		}
	}
	return n, err
}

// ReadAt reads at an offset within the section, for as long as the run goes on.
func (r *diskReader) ReadAt(p []byte, at int64) (int, error) {
	if err := r.stopped(); err != nil {
		return 0, err
	}
	return r.SectionReader.ReadAt(p, at)
}

func (r *diskReader) unchanged() error {
	now, err := r.file.Stat()
	if err != nil {
		return err
	}
	if now.Size() != r.opened.Size() || !now.ModTime().Equal(r.opened.ModTime()) {
		return changed(r.opened.Size(), now)
	}
	return nil
}

// Close closes the file.
func (r *diskReader) Close() error { return r.file.Close() }

func changed(was int64, now os.FileInfo) error {
	switch size := now.Size(); {
	case size < was:
		return &changedError{fmt.Sprintf("the file shrank while it was read, from %d to %d bytes", was, size)}
	case size > was:
		return &changedError{fmt.Sprintf("the file grew while it was read, from %d to %d bytes: it is still being written", was, size)}
	}
	return &changedError{"the file was written to or replaced while it was read"}
}

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

// isEOF tells the end of the input from a reader's error that has io.EOF as its
// cause: that input is torn.
func isEOF(err error) bool { return err == io.EOF }
