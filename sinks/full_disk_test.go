//go:build linux

package sinks_test

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

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// fullDisk says to a child process how its disk is to be full.
const fullDisk = "MILLRACE_TEST_FULL_DISK"

// TestFullDisk runs in a process of its own, on a file system of its own of 256 KiB
// where the system lets us mount one, and under a limit on the size of files,
// which every system knows, in any case.
func TestFullDisk(t *testing.T) {
	if how := os.Getenv(fullDisk); how != "" {
		writeToAFullDisk(t, how)
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

func writeToAFullDisk(t *testing.T, how string) {
	folder := t.TempDir()
	want := "no space left on device"
	if how == "mount" {
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatalf("cannot mount: %v", err)
		}
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=256k"); err != nil {
			t.Fatalf("cannot mount: %v", err)
		}
		defer func() { check(t, syscall.Unmount(folder, 0)) }()
	} else {
		want = "file too large"
		signal.Ignore(syscall.SIGXFSZ)
		check(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200 << 10, Max: 200 << 10}))
	}
	all := make([]total, 50_000)
	state := uint64(1)
	for i := range all {
		state = state*6364136223846793005 + 1442695040888963407 // so that it does not pack well
		all[i] = total{"tea", int(state >> 33)}
	}
	for _, name := range []string{"out.csv", "out.csv.gz", "out.csv.zst"} {
		path := put(t, filepath.Join(folder, name), "old")
		_, err := write(t, pipeline.Options{}, records(all...), sinks.CSV[total]{Path: path})
		if message := "test: load: " + path + ": " + want; err == nil || !strings.HasPrefix(err.Error(), message) {
			t.Errorf("got %v, want %s", err, message)
		}
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EFBIG) {
			t.Errorf("the cause is lost: %v", err)
		}
		if got := content(t, path); got != "old" {
			t.Errorf("the target is %q", got)
		}
	}
	wantOnly(t, folder, "out.csv", "out.csv.gz", "out.csv.zst")
	// With the temporary files gone there is room again.
	_, err := write(t, pipeline.Options{}, tea(), sinks.CSV[total]{Path: filepath.Join(folder, "out.csv")})
	check(t, err)
}
