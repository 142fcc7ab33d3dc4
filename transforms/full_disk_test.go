//go:build linux

package transforms_test

import (
	"bytes"
	"errors"
	"os"
	process "os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fullDisk says to a child process how its disk is to be full.
const fullDisk = "MILLRACE_TEST_FULL_DISK"

// TestFullDisk runs in a process of its own, on a file system of its own of 256 KiB
// where the system lets us mount one, and under a limit on the size of files,
// which every system knows, in any case.
func TestFullDisk(t *testing.T) {
	if how := os.Getenv(fullDisk); how != "" {
		spillToAFullDisk(t, how)
		return
	}
	child := func(how string, attr *syscall.SysProcAttr) (output []byte, err error) {
		cmd := process.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), fullDisk+"="+how)
		cmd.SysProcAttr = attr
		return cmd.CombinedOutput()
	}
	if output, err := child("limit", nil); err != nil || !bytes.Contains(output, []byte("--- PASS: TestFullDisk")) {
		t.Errorf("under a limit: %v\n%s", err, output)
	}
	output, err := child("mount", &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
	if err != nil && os.Getuid() == 0 { // root may mount where user namespaces are forbidden
		output, err = child("mount", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS})
	}
	switch {
	case err == nil:
	case bytes.Contains(output, []byte("cannot mount")), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL):
		t.Logf("no file system of our own here, so the limit has to do: %v", err)
	default:
		t.Errorf("on a full file system: %v\n%s", err, output)
	}
}

func spillToAFullDisk(t *testing.T, how string) {
	folder := t.TempDir()
	want := "no space left on device"
	if how == "mount" {
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
	} else {
		want = "file too large"
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100 << 10, Max: 100 << 10}); err != nil {
			t.Fatal(err)
		}
	}
	for _, stage := range tightStages() {
		err := stage.run(t.Context(), folder, emit(1_000_000, func(n *int, i int) { *n = i }))
		place := ": stage: spill folder " + filepath.Join(folder, "millrace-spill-")
		if err == nil || !strings.Contains(err.Error(), place) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: got %v, want %s…: %s", stage.name, err, place, want)
		}
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%s: the cause is lost: %v", stage.name, err)
		}
		checkNothingLeft(t, folder)
	}
}
