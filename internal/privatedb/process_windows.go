package privatedb

import (
	"errors"
	"os"
	"syscall"
)

// privileged: the server drops an administrator's rights by itself or says that
// it will not run; no other account can be used without its password.
func privileged() bool { return false }

const createNewProcessGroup = 0x00000200 // keeps Ctrl-C away

func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: createNewProcessGroup}
}

func as(*account) *syscall.SysProcAttr { return ownSession() }

func chown(string, *account) error { return nil }

// Windows has no signals: every stop is immediate, and recovered from.
const (
	signalFast      = syscall.SIGINT
	signalImmediate = syscall.SIGQUIT
)

func signalProcess(pid int, _ syscall.Signal) error { return kill(pid) }

func freeze(int) error { return nil }

func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil // it is gone
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
