package privatedb

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// account is whom server binaries run as when the caller is root, as which they
// refuse to run. A nil *account is the caller.
type account struct {
	name     string
	uid, gid uint32
}

func unprivileged() (*account, error) {
	if !privileged() {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New(`the server does not run as root, and there is no user "postgres" or "nobody" to run it as`)
}

// temporaryFolder makes a folder that belongs to the account and nobody else.
func temporaryFolder(who *account, inMemory bool) (string, error) {
	base := os.TempDir()
	if memory, ok := MemoryFolder(); ok && inMemory {
		base = memory
	} else if who != nil {
		for _, candidate := range []string{base, "/tmp", "/var/tmp"} {
			if passable(candidate) {
				base = candidate
				break
			}
		}
	}
	dir, err := os.MkdirTemp(base, "millrace-devdb-")
	if err != nil {
		return "", err
	}
	if err := chown(dir, who); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// passable reports whether every user may pass through the folder.
func passable(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}
