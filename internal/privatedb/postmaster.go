package privatedb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// postmaster is a running server process.
type postmaster struct {
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed
}

// launch starts the command and waits for its end, both on one thread that is
// kept for it: withParent is about the end of the thread that started a child.
func launch(cmd *exec.Cmd) (*postmaster, error) {
	p := &postmaster{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		if p.err = cmd.Wait(); p.err == nil {
			p.err = errors.New("without an error")
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(ctx context.Context, pid int) ([]int, error) {
	if runtime.GOOS == "windows" {
		return nil, nil // they end by themselves when the postmaster has
	}
	if stats, _ := filepath.Glob("/proc/[0-9]*/stat"); len(stats) > 0 {
		return childrenInProc(stats, pid), nil
	}
	out, err := output(exec.CommandContext(ctx, "ps", "-A", "-o", "pid=,ppid="))
	if err != nil {
		return nil, err
	}
	var children []int
	for line := range strings.Lines(out) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err == nil && parent == pid {
			children = append(children, child)
		}
	}
	return children, nil
}

func childrenInProc(stats []string, pid int) []int {
	var children []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// "pid (name) state ppid ...", where the name can hold anything.
		var state string
		var child, parent int
		_, err1 := fmt.Sscan(string(text), &child)
		_, err2 := fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent)
		if err1 == nil && err2 == nil && parent == pid {
			children = append(children, child)
		}
	}
	return children
}
