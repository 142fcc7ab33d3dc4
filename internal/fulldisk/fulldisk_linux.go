package fulldisk

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// The ways a disk is full, as an environment variable tells a child process.
const (
	variable = "MILLRACE_TEST_FULL_DISK"
	byLimit  = "limit"
	byMount  = "mount"
)

// fileLimit is the largest file in bytes where a limit stands for a full disk.
const fileLimit = 100 << 10

// Test runs work in processes of their own, in an empty folder where some 256 KiB,
// and 100 KiB to a file, are more than there is room for. full is what the
// system then answers: [syscall.ENOSPC], or [syscall.EFBIG] under a limit. Room comes
// back with the files that are removed. It must be called first in a top-level test, with
// nothing that is costly before it: the test begins once more in each process.
func Test(t *testing.T, work func(t *testing.T, folder string, full error)) {
	t.Helper()
	if how := os.Getenv(variable); how != "" {
		within(t, how, work)
		return
	}
	if output, err := child(t, byLimit, nil); err != nil {
		t.Errorf("under a limit: %v\n%s", err, output)
	}
	output, err := child(t, byMount, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
	if err != nil && os.Getuid() == 0 { // root may mount where user namespaces are forbidden
		output, err = child(t, byMount, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS})
	}
	switch {
	case err == nil:
	case bytes.Contains(output, []byte("cannot mount")), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL):
		t.Logf("no file system of our own here, so the limit has to do: %v", err)
	default:
		t.Errorf("on a full file system: %v\n%s", err, output)
	}
}

// child runs the test again in a process that is told how its disk is full.
func child(t *testing.T, how string, attr *syscall.SysProcAttr) (output []byte, err error) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+how)
	cmd.SysProcAttr = attr
	output, err = cmd.CombinedOutput()
	if err == nil && !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
		err = errors.New("the test did not run")
	}
	return output, err
}

// within is the child's part.
func within(t *testing.T, how string, work func(t *testing.T, folder string, full error)) {
	folder := t.TempDir()
	if how == byLimit {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: fileLimit, Max: fileLimit}); err != nil {
			t.Fatal(err)
		}
		work(t, folder, syscall.EFBIG)
		return
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("cannot mount: %v", err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("cannot mount: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	}()
	work(t, folder, syscall.ENOSPC)
}
