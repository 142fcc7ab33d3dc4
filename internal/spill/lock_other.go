//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package spill

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Here a folder belongs to the process whose number is in its name. A number that was given
// anew keeps what is left of the old process until a later start.

func lockFolder(string) (*os.File, error) { return nil, nil }

func removeIfDead(path string) {
	number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), Prefix), "-")
	pid, err := strconv.Atoi(number)
	if err != nil || pid == os.Getpid() {
		return
	}
	process, err := os.FindProcess(pid)
	if err != nil { // on Windows: there is none
		_ = os.RemoveAll(path)
		return
	}
	_ = process.Release()
}
