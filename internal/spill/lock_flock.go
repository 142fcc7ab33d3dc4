//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package spill

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Here a folder belongs to whoever has a lock on it, which ends with the process.
// Not by process number: containers that share a folder do not share those.

// lockFolder returns errTaken when another process took the folder for a dead one.
func lockFolder(path string) (*os.File, error) {
	folder, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	err = flock(folder)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errTaken
	} else if err != nil {
		err = nil // a file system without locks; removeIfDead will not get one either
	} else if now, gone := os.Stat(path); gone != nil || !same(folder, now) {
		err = errTaken
	}
	if err != nil {
		_ = folder.Close()
		return nil, err
	}
	return folder, nil
}

func removeIfDead(path string) {
	folder, err := os.Open(path)
	if err != nil {
		return
	}
	defer folder.Close()
	if flock(folder) == nil {
		_ = os.RemoveAll(path)
	}
}

func flock(folder *os.File) error {
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func same(folder *os.File, now fs.FileInfo) bool {
	then, err := folder.Stat()
	return err == nil && os.SameFile(then, now)
}
