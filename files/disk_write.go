package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/millrace/millrace/pipeline"
)

// draftSuffix marks a file that is being written. It is locked while its process lives.
const draftSuffix = ".draft" + tempSuffix

// Create begins a file. Its folder must be there.
func (d Disk) Create(_ context.Context, name string) (Draft, error) {
	draft, err := d.create(name, name)
	if err != nil {
		return nil, nameError(name, err)
	}
	return draft, nil
}

// create begins a file that will take the place of target.
func (Disk) create(name, target string) (*diskDraft, error) {
	name, target = filepath.FromSlash(name), filepath.FromSlash(target)
	path := strings.TrimSuffix(name, tempSuffix)
	if path == name {
		path += tempMark
	} else {
		path += "-"
	}
	for tries := 0; ; tries++ {
		d := &diskDraft{name: name, path: path + strings.ToLower(rand.Text()[:8]) + draftSuffix}
		var err error
		if d.file, err = os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
			return nil, err
		}
		err = d.adopt(target)
		if err == nil {
			return d, nil
		}
		err = errors.Join(err, d.Abort())
		if !errors.Is(err, errRemoved) || tries == 10 {
			return nil, err
		}
	}
}

// errLocked says that another process holds a file's lock.
var errLocked = errors.New("another process has locked it")

// errRemoved says that another run took a file for a dead one's: between its creation and its lock it looks like that.
var errRemoved = errors.New("other runs keep removing its temporary file")

// diskDraft is a file that is being written.
type diskDraft struct {
	name string
	path string // what it is called so far
	file *os.File
	done bool

	written, onItsWay int64 // bytes; the rest of them, from onItsWay, the system may still keep to itself
}

// adopt locks the file, which tells other processes that this one lives, and gives it what the target has: its mode and,
// where allowed, its owner.
func (d *diskDraft) adopt(target string) error {
	if _, err := lockFile(d.file); errors.Is(err, errLocked) {
		return errRemoved // another run is about to remove it
	} else if err != nil {
		return err
	}
	if !same(d.file, d.path) {
		return errRemoved
	}
	old, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	keepOwner(d.file, old)
	return d.file.Chmod(old.Mode().Perm())
}

// writebackSize is after how many bytes the system is told to write them to the disk.
// Without that it waits for some seconds, and the sync at the end for all of them.
const writebackSize = 8 << 20

// Write appends to the file.
func (d *diskDraft) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	if d.written += int64(n); d.written-d.onItsWay >= writebackSize {
		startWriteback(d.file, d.onItsWay, d.written-d.onItsWay)
		d.onItsWay = d.written
	}
	return n, err
}

// Close takes the file to the disk and gives it its name. One that is to be moved stays locked until then.
func (d *diskDraft) Close() error {
	if err := d.file.Sync(); err != nil {
		return err
	}
	if info, err := os.Stat(d.name); err == nil && info.IsDir() {
		return errFolder
	}
	if !same(d.file, d.path) {
		return fmt.Errorf("its temporary file %s is gone: %w", filepath.Base(d.path), fs.ErrNotExist)
	}
	if closesBeforeRename {
		_ = d.file.Close() // synced before
	}
	if err := os.Rename(d.path, d.name); err != nil {
		return err
	}
	d.done = true
	if isUnfinished(filepath.ToSlash(d.name)) && !closesBeforeRename {
		held.keep(d.name, d.file)
	} else {
		_ = d.file.Close() // synced before
	}
	return syncFolder(d.name)
}

// Abort removes the file.
func (d *diskDraft) Abort() error {
	if d.done {
		return nil
	}
	d.done = true
	defer d.file.Close()
	if !same(d.file, d.path) {
		return nil
	}
	if closesBeforeRename {
		_ = d.file.Close() // its content is not wanted
	}
	return os.Remove(d.path)
}

// held are the files of this process that are ready to be moved. They stay open, because their locks do only then.
var held heldFiles

type heldFiles struct {
	mu    sync.Mutex
	files map[string]*os.File
}

func (h *heldFiles) keep(name string, f *os.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files == nil {
		h.files = map[string]*os.File{}
	}
	if old := h.files[name]; old != nil {
		_ = old.Close() // another has its name
	}
	h.files[name] = f
}

func (h *heldFiles) release(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.files[name]; f != nil {
		_ = f.Close()
		delete(h.files, name)
	}
}

// Move renames a file and takes the new name to the disk.
func (Disk) Move(_ context.Context, from, to string) error {
	source, target := filepath.FromSlash(from), filepath.FromSlash(to)
	if err := os.Rename(source, target); err != nil {
		if e, ok := errors.AsType[*os.LinkError](err); ok {
			err = e.Err
		}
		return nameError(from, err)
	}
	held.release(source)
	return nameError(to, syncFolder(target))
}

// Remove deletes a file.
func (Disk) Remove(_ context.Context, name string) error {
	path := filepath.FromSlash(name)
	held.release(path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nameError(name, err)
	}
	return nil
}

// removeDead removes the temporary files of a target that ok accepts and whose process is dead. What cannot be removed
// stays; told hears of each.
func (Disk) removeDead(target string, ok func(base string) bool, told func(name string, err error)) {
	folder, prefix := filepath.Split(filepath.FromSlash(tempPrefix(filepath.ToSlash(target))))
	entries, err := os.ReadDir(filepath.Clean(folder + "."))
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !isUnfinished(e.Name()) || !e.Type().IsRegular() || !ok(e.Name()) {
			continue
		}
		path := filepath.Join(folder, e.Name())
		if removed, err := removeUnlocked(path); removed || err != nil {
			told(path, err)
		}
	}
}

// removeUnlocked removes a temporary file if its process is dead: nobody holds its lock.
func removeUnlocked(path string) (removed bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), err
	}
	locked, err := lockFile(f)
	if !locked || err != nil || !same(f, path) {
		_ = f.Close()
		if errors.Is(err, errLocked) { // its process lives
			err = nil
		}
		return false, err
	}
	if err := removeOpen(f, path); err != nil {
		return false, err
	}
	return true, nil
}

// same tells whether path still leads to f.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

// checkTarget finds what would keep a file from being written, as far as that
// can be told without writing.
func (d Disk) checkTarget(path string) error {
	target, err := d.resolve(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	switch {
	case err == nil && info.IsDir():
		return pipeline.Permanent(fmt.Errorf("%s: is a directory", path))
	case err == nil && !info.Mode().IsRegular():
		// Renaming over a device or a pipe would put a file in its place.
		return pipeline.Permanent(fmt.Errorf("%s: is no regular file; for standard output use -", path))
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return nameError(path, err)
}

// resolve returns the absolute path of a file that may not be there yet,
// with symbolic links resolved, so that a rename replaces the file and not a link to it.
func (Disk) resolve(path string) (string, error) {
	abs, err := filepath.Abs(filepath.FromSlash(path))
	if err != nil {
		return "", nameError(path, err)
	}
	if _, err := os.Stat(abs); err == nil {
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			return real, nil
		}
		return abs, nil // /dev/stdout, say, whose link leads nowhere that has a name
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: the folder %s is not there: %w", path, filepath.Dir(path), fs.ErrNotExist)
	}
	if err != nil {
		return "", nameError(path, err)
	}
	return filepath.Join(folder, filepath.Base(abs)), nil
}
