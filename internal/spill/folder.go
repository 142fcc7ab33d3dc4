package spill

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Prefix is what the names of all spill folders begin with.
const Prefix = "millrace-spill-"

// Folder is where one stage keeps its files during one run. It is made when the
// first file is.
type Folder struct {
	parent string
	block  int
	fanIn  int

	mu     sync.Mutex
	path   string // "" until it is made
	lock   *os.File
	files  map[*file]struct{}
	closed bool
}

// NewFolder returns the folder of one stage, to be made within parent,
// os.TempDir() if that is empty. It must be closed. memory is what its owner may hold,
// in bytes: buffers are made to be small beside it. Nothing is done yet.
func NewFolder(parent string, memory int64) *Folder {
	if parent == "" {
		parent = os.TempDir()
	}
	// Sixteen partitions have a block each, merging one for each run.
	block := min(max(memory/64, 512), 64<<10)
	return &Folder{
		parent: parent,
		block:  int(block),
		fanIn:  int(min(max(memory/(4*block), 4), 256)),
		files:  map[*file]struct{}{},
	}
}

// Close removes the folder with everything in it. Using it afterwards is an error.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.path == "" {
		return nil
	}
	for file := range f.files {
		_ = file.os.Close()
	}
	clear(f.files)
	// Removed before the lock is let go: nobody else may take it for a dead one.
	err := os.RemoveAll(f.path)
	if f.lock != nil {
		_ = f.lock.Close()
	}
	f.path = ""
	if err != nil {
		return fmt.Errorf("spill folder %s: %w", f.parent, bare(err))
	}
	return nil
}

// create makes a new empty file.
func (f *Folder) create() (*file, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("spill folder %s: %w", f.parent, fs.ErrClosed)
	}
	if f.path == "" {
		removeDead(f.parent)
		if err := f.make(); err != nil {
			return nil, fmt.Errorf("spill folder %s: %w", f.parent, bare(err))
		}
	}
	opened, err := os.CreateTemp(f.path, "")
	if err != nil {
		return nil, fmt.Errorf("spill folder %s: %w", f.path, bare(err))
	}
	made := &file{folder: f, path: f.path, os: opened}
	// Where an open file cannot be removed, it goes when it is closed.
	made.stays = os.Remove(opened.Name()) != nil
	f.files[made] = struct{}{}
	return made, nil
}

// make makes the folder and locks it. Between the two another process may take it for
// one of the dead; then there is a next.
func (f *Folder) make() error {
	for range 100 {
		path, err := os.MkdirTemp(f.parent, fmt.Sprintf("%s%d-", Prefix, os.Getpid()))
		if err != nil {
			return err
		}
		lock, err := lockFolder(path)
		if err == nil {
			f.path, f.lock = path, lock
			return nil
		}
		if !errors.Is(err, errTaken) {
			_ = os.Remove(path)
			return err
		}
	}
	return errTaken
}

var errTaken = errors.New("other processes keep removing it")

// removeDead removes the folders whose processes are gone. That it cannot is no
// reason not to work.
func removeDead(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, entry := range entries {
		if path := filepath.Join(parent, entry.Name()); entry.IsDir() && strings.HasPrefix(entry.Name(), Prefix) {
			removeIfDead(path)
		}
	}
}

// bare takes operation and path off an error: whoever adds the folder's name has said them.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
