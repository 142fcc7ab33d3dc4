package sinks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// The names of files that are not committed yet. They end in .tmp, so that no
// *.csv finds them, and sources pass them over.
const (
	tempMark    = ".millrace-"
	tempSuffix  = ".tmp"
	readySuffix = ".ready" + tempSuffix

	maxBaseName = 100 // bytes of the target's name in that of its temporary file
	maxRunName  = 60
)

func tempName(target string, run pipeline.Run) string {
	return fmt.Sprintf("%s%s-%d%s", tempPrefix(target), safeName(run.ID, maxRunName), run.Attempt, tempSuffix)
}

func readyName(target string, run pipeline.Run) string {
	return tempPrefix(target) + safeName(run.ID, maxRunName) + readySuffix
}

// tempPrefix is what the names of all temporary files of a target begin with.
func tempPrefix(target string) string {
	folder, base := filepath.Split(target)
	if len(base) > maxBaseName {
		base = strings.ToValidUTF8(base[:maxBaseName], "") + "-" + shortHash(base)
	}
	return filepath.Join(folder, base+tempMark)
}

// safeName returns s if it can be part of a file's name as it is, and otherwise
// something like it that no other text gives.
func safeName(s string, limit int) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
	if safe == s && len(s) <= limit && s != "" {
		return s
	}
	return safe[:min(len(safe), limit-17)] + "-" + shortHash(s)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func isReady(name string) bool { return strings.HasSuffix(name, readySuffix) }
func isTemp(name string) bool  { return strings.HasSuffix(name, tempSuffix) && !isReady(name) }

// createLocked makes a file that is not there yet and locks it, which tells other
// processes that this one lives.
func createLocked(path string) (*os.File, error) {
	for range 10 {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			if removed, _ := removeDead(path); removed {
				continue
			}
			return nil, fmt.Errorf("%s is there: the same attempt of the same run is under way in another process, or was killed on another machine",
				filepath.Base(path))
		}
		if err != nil {
			return nil, err
		}
		_, err = lockFile(f)
		if err != nil {
			_ = f.Close()
			_ = os.Remove(path)
			return nil, err
		}
		// Between its creation and the lock the file looked like a dead one.
		if same(f, path) {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, fmt.Errorf("%s: other processes keep removing it", filepath.Base(path))
}

// removeStale removes the temporary files of a target that kind accepts and whose
// process is dead. What cannot be removed stays; told, if not nil, hears of each.
func removeStale(target string, kind func(name string) bool, told func(path string, err error)) {
	prefix := tempPrefix(target)
	folder, base := filepath.Split(prefix)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base) || !kind(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(folder, e.Name())
		if removed, err := removeDead(path); (removed || err != nil) && told != nil {
			told(path, err)
		}
	}
}

// removeDead removes a temporary file if its process is dead: nobody holds its lock.
func removeDead(path string) (removed bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), err
	}
	locked, err := lockFile(f)
	if !locked || err != nil || !same(f, path) {
		_ = f.Close()
		return false, err
	}
	if err := removeOpen(f, path); err != nil {
		return false, err
	}
	return true, nil
}

// same tells whether path still leads to f.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}
