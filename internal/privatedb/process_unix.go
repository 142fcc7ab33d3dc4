//go:build unix

package privatedb

import (
	"errors"
	"os"
	"syscall"
)

// privileged reports whether server binaries would refuse to run.
func privileged() bool { return os.Geteuid() == 0 }

// ownSession keeps the terminal's signals away.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// as makes a command run as the account, in a session of its own.
func as(who *account) *syscall.SysProcAttr {
	attr := ownSession()
	if who != nil {
		attr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
	return attr
}

func chown(path string, who *account) error {
	if who == nil {
		return nil
	}
	return os.Lchown(path, int(who.uid), int(who.gid))
}

const (
	signalFast      = syscall.SIGINT  // of a postmaster: roll back, save, end
	signalImmediate = syscall.SIGQUIT // of a postmaster: end
)

func signalProcess(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// freeze stops a process without ending it, so that it starts no child.
func freeze(pid int) error { return signalProcess(pid, syscall.SIGSTOP) }

func kill(pid int) error { return signalProcess(pid, syscall.SIGKILL) }
