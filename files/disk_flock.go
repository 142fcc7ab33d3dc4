//go:build unix && !solaris && !aix

package files

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// lockFile takes the lock of a temporary file, for as long as it stays open, and
// tells whether it did. It does not wait: if another process has it, that is errLocked. Where the file system knows no
// locks it reports false: nobody can then tell a dead run's file, and all of them stay.
func lockFile(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, errLocked
	case errors.Is(err, syscall.ENOLCK),
		errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
		return false, nil
	}
	return false, err
}

// removeOpen removes a file while its lock is held, and closes it.
func removeOpen(f *os.File, path string) error {
	defer f.Close()
	return os.Remove(path)
}

// closesBeforeRename: an open file can be renamed and removed here.
const closesBeforeRename = false

// keepOwner gives a file the owner of another one, if this process may.
func keepOwner(f *os.File, like os.FileInfo) {
	if s, ok := like.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(s.Uid), int(s.Gid)) // only root can; for others the file is theirs, as with any editor
	}
}

// syncFolder takes the names in a file's folder to the disk.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // which says that this file system need not
		return err
	}
	return nil
}
