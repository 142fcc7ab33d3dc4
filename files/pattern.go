package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/millrace/millrace/pipeline"
)

// hasMeta tells whether a path may be a pattern: * and ? stand for characters of a name, ** for folders, [ ] for one of
// some characters, { , } for one of some texts, \ takes the next character as it is.
func hasMeta(path string) bool {
	if runtime.GOOS == "windows" { // where \ separates
		return strings.ContainsAny(path, `*?[{`)
	}
	return strings.ContainsAny(path, `*?[{\`)
}

// match returns the files of a store that a path names, sorted by name. A file whose name merely looks like a pattern
// is found.
func match(ctx context.Context, store Store, path string) ([]Info, error) {
	if !hasMeta(path) {
		info, err := store.Stat(ctx, path)
		return []Info{info}, err
	}
	if info, err := store.Stat(ctx, path); err == nil {
		return []Info{info}, nil
	}
	if !doublestar.ValidatePattern(path) {
		return nil, pipeline.Permanent(notAPattern(path))
	}
	var found []Info
	var err error
	if _, ok := store.(Disk); ok {
		found, err = glob(ctx, path)
	} else {
		found, err = filter(ctx, store, path)
	}
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(f Info) bool { return isUnfinished(f.Name) })
	slices.SortFunc(found, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

func notAPattern(path string) error {
	return fmt.Errorf("%s: this is no pattern: a bracket or a brace is not closed", path)
}

// glob looks into those folders only that the pattern leads to.
func glob(ctx context.Context, pattern string) ([]Info, error) {
	paths, err := doublestar.FilepathGlob(pattern, doublestar.WithFilesOnly())
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("%s: %w", pattern, err))
	}
	var found []Info
	for _, path := range paths {
		info, err := Disk{}.Stat(ctx, path)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // it went meanwhile, or is a link that leads nowhere
			if _, there := os.Lstat(path); there != nil {
				continue
			}
			return nil, err
		case errors.Is(err, errFolder):
			continue
		case err != nil:
			return nil, err
		}
		found = append(found, info)
	}
	return found, nil
}

// filter lists what begins as the pattern does.
func filter(ctx context.Context, store Store, pattern string) ([]Info, error) {
	var found []Info
	for f, err := range store.List(ctx, fixedPrefix(pattern)) {
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return nil, pipeline.Permanent(fmt.Errorf("%s: this store cannot list files, so that no pattern can be read from it: name the file: %w", pattern, err))
		case err != nil:
			return nil, err
		}
		if doublestar.MatchUnvalidated(pattern, f.Name) {
			found = append(found, f)
		}
	}
	return found, nil
}

// fixedPrefix is what all names begin with that a pattern matches.
func fixedPrefix(pattern string) string {
	i := strings.IndexAny(pattern, `*?[{\`)
	return pattern[:i]
}

// fixedFolder is the part of a pattern before its first folder with a wildcard, '/' at its end; of a plain name its folder.
func fixedFolder(path string) string {
	path = filepath.ToSlash(path)
	if i := strings.IndexAny(path, `*?[{\`); i >= 0 {
		path = path[:i]
	}
	return path[:strings.LastIndexByte(path, '/')+1]
}
