package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// stdinPath is the Path of standard input.
const stdinPath = "-"

// csvFile is one input of a CSV source, or one part of it.
type csvFile struct {
	name string // in messages and rejects
	path string // of a file; empty for Open
	want *newFile

	part *csvPart // nil for all of it
}

// csvPart is a range of a plain file that begins with a record, behind the header.
type csvPart struct {
	from, to int64
	line     int         // of from
	header   []string    // the names of the columns
	info     os.FileInfo // of the file when it was split
}

// files lists what Path or Open stand for.
func (c CSV[T]) files() ([]csvFile, error) {
	switch {
	case c.Open != nil:
		return []csvFile{{name: c.name()}}, nil
	case c.Path == stdinPath:
		return []csvFile{{name: "standard input", path: stdinPath}}, nil
	}
	paths, err := c.matches()
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no file matches", c.Path)
	}
	files := make([]csvFile, len(paths))
	for i, p := range paths {
		files[i] = csvFile{name: p, path: p}
	}
	return files, nil
}

// matches returns the files that Path names, sorted; one that is no pattern is
// returned whether it is there or not.
func (c CSV[T]) matches() ([]string, error) {
	if !isPattern(c.Path) {
		return []string{c.Path}, nil
	}
	all, err := filepath.Glob(c.Path)
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("%s: %w", c.Path, err))
	}
	paths := all[:0]
	for _, p := range all {
		if info, err := os.Stat(p); err == nil && info.IsDir() || isUnfinished(p) {
			continue
		}
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths, nil
}

// checkPath names what Path does not understand, rather than to look for a file of that name.
func checkPath(path string) error {
	scheme, _, url := strings.Cut(path, "://")
	elements := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == filepath.Separator })
	braces := strings.Contains(path, "{") && strings.Contains(path, "}")
	if !url && !braces && !slices.Contains(elements, "**") {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return nil // a file of that very name
	}
	switch {
	case url:
		return fmt.Errorf("the Path is a URL (%s://...), which it cannot read: give the bytes by Open, and their name by Name", scheme)
	case braces:
		return fmt.Errorf("the Path %q: braces are not expanded: use *, ? or [ ], or a source for each and Merge", path)
	}
	return fmt.Errorf("the Path %q: ** does not reach through folders: write a * for each level", path)
}

// isPattern tells a pattern from a file whose name has its characters.
func isPattern(path string) bool {
	if !hasMeta(path) {
		return false
	}
	_, err := os.Lstat(path)
	return err != nil
}

func hasMeta(path string) bool {
	if runtime.GOOS == "windows" { // where \ separates
		return strings.ContainsAny(path, `*?[`)
	}
	return strings.ContainsAny(path, `*?[\`)
}

// isUnfinished recognises what a CSV sink has not committed.
func isUnfinished(path string) bool {
	base := filepath.Base(path)
	return strings.Contains(base, ".millrace-") && strings.HasSuffix(base, ".tmp")
}

// fixedFolder is the part of a pattern before its first folder with a wildcard;
// of a plain path its folder.
func fixedFolder(path string) string {
	dir := filepath.Dir(path)
	if !isPattern(path) {
		return dir
	}
	for hasMeta(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}

// rereadable tells whether a file can be opened for a look at its header and
// again for the rest; what cannot even be looked up is for the opening to report.
func rereadable(path string) bool {
	if path == stdinPath {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || info.IsDir() || info.Mode().IsRegular()
}

func kindOf(info os.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "a folder"
	case mode&os.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&os.ModeSocket != 0:
		return "a socket"
	case mode&os.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}

// fileError says what is wrong with a file, its name first and once.
func fileError(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
