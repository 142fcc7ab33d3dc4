//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package privatedb

import "errors"

// Without flock processes do not share a server: each test process has its own.
type sharedLock struct{ keep bool }

func lockShared(string) (*sharedLock, error) {
	return nil, errors.New("no file locks on this system")
}

func (*sharedLock) release() {}

func ownFolder(string) error { return errors.New("no shared folder on this system") }
