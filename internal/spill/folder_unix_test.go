//go:build linux || darwin

package spill

import (
	"bufio"
	"fmt"
	"os"
	process "os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// spillThere makes this test program a process that spills to a folder and is then killed.
const spillThere = "MILLRACE_TEST_SPILL_THERE"

func TestNothingStaysOfAProcessThatWasKilled(t *testing.T) {
	write := func(t *testing.T, folder *Folder) {
		t.Helper()
		parts := NewPartitions(folder, must(NewCodec[string]())(t), 0)
		for i := range 10_000 {
			text := fmt.Sprint("record number ", i)
			check(t, parts.Write(uint64(i)<<56, uint64(i), &text))
		}
		check(t, parts.Flush())
	}
	if parent := os.Getenv(spillThere); parent != "" {
		write(t, NewFolder(parent, 1<<20))
		fmt.Println("written")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until killed
		return
	}

	parent := t.TempDir()
	mine := NewFolder(parent, 1<<20)
	write(t, mine)
	cmd := process.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingStaysOfAProcessThatWasKilled$")
	cmd.Env = append(os.Environ(), spillThere+"="+parent)
	in, err := cmd.StdinPipe()
	check(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "written\n" {
		t.Fatalf("the process said %q, error %v", line, err)
	}
	if got := names(t, parent); len(got) != 2 {
		t.Fatalf("the folders are %q", got)
	}
	check(t, cmd.Process.Kill())
	_ = cmd.Wait()
	check(t, filepath.WalkDir(parent, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s stays", path)
		}
		return err
	}))

	// The next to spill removes the empty folder, and not that of one who lives.
	next := NewFolder(parent, 1<<20)
	write(t, next)
	check(t, next.Close())
	got := names(t, parent)
	if len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprintf("%s%d-", Prefix, os.Getpid())) {
		t.Errorf("left are %q, want the folder of this process", got)
	}
	write(t, mine)
	check(t, mine.Close())
	if got := names(t, parent); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
}

func TestAFolderThatWasTakenForADeadOneIsMadeAgain(t *testing.T) {
	if _, err := lockFolder(filepath.Join(t.TempDir(), "gone")); err != errTaken { //nolint:errorlint // it is never wrapped
		t.Errorf("a folder that is gone: %v", err)
	}
	held := t.TempDir()
	lock := must(lockFolder(held))(t)
	defer lock.Close()
	if _, err := lockFolder(held); err != errTaken { //nolint:errorlint // it is never wrapped
		t.Errorf("a folder that another one holds: %v", err)
	}
	removeIfDead(held)
	if _, err := os.Stat(held); err != nil {
		t.Errorf("a folder that is held was removed: %v", err)
	}
}
