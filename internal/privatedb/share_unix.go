//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package privatedb

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// sharedLock is a lock on a socket's name. It is a file beside the socket that
// is there only while it is needed.
type sharedLock struct {
	file *os.File
	keep bool // leave the file: a keeper listens, who removes it
}

func lockShared(socket string) (*sharedLock, error) {
	path := socket + ".lock"
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		for {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
			if !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		// Whoever held the lock may have removed the file: then it locks nothing.
		held, err1 := f.Stat()
		there, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(held, there) {
			return &sharedLock{file: f}, nil
		}
		_ = f.Close()
	}
}

func (l *sharedLock) release() {
	if !l.keep {
		_ = os.Remove(l.file.Name())
	}
	_ = l.file.Close()
}

// ownFolder refuses a folder that somebody else could have prepared.
func ownFolder(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%s: is not a folder of this user alone", dir)
	}
	return nil
}
