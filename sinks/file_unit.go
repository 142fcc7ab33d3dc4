package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/millrace/millrace/pipeline"
)

// fileUnit is a file that a run writes: a unit of work of its own.
//
//	begin      sales.csv.millrace-RUN-ATTEMPT.tmp   beside the target, locked while its process lives
//	Prepare    sales.csv.millrace-RUN.ready.tmp     synced; only where the run has a ledger
//	Commit     sales.csv                            renamed, the folder synced
//
// Commits of files come after those of databases. When a process dies between the two,
// the ready file is all there is of the run's output: it stays until the run's
// retry renames it ([finishFile]) or a later run has replaced the target.
// Without a ledger there is no retry that could know, and no ready file.
type fileUnit struct {
	name   string // of the target as the user wrote it, for messages
	target string // with symbolic links resolved
	temp   string // what the file is called so far
	ready  string // what Prepare calls it; empty without a ledger
	file   *os.File
	mine   os.FileInfo // of file, to know it by

	taken    atomic.Bool // a sink writes it
	prepared bool
	renamed  bool

	written  int64 // bytes; the rest of them, from onItsWay, the system may still keep to itself
	onItsWay int64
}

// fileKey is the key of a file's unit: two paths to one file are one key.
type fileKey struct{ target string }

// joinFile begins the unit for a path. A file has one writer in a run.
func joinFile(ctx context.Context, path string) (*fileUnit, error) {
	target, err := resolveTarget(path)
	if err != nil {
		return nil, err
	}
	u, err := pipeline.Join(ctx, fileKey{target}, func(ctx context.Context) (*fileUnit, error) {
		return beginFile(ctx, path, target)
	})
	if err != nil {
		return nil, err
	}
	if u.taken.Swap(true) {
		return nil, pipeline.Permanent(fmt.Errorf("%s: another sink of this run writes the same file", path))
	}
	return u, nil
}

func beginFile(ctx context.Context, path, target string) (*fileUnit, error) {
	run, _ := pipeline.RunFrom(ctx)
	u := &fileUnit{name: path, target: target, temp: tempName(target, run)}
	if pipeline.StateFrom(ctx) != nil {
		u.ready = readyName(target, run)
	}
	logger := pipeline.LoggerFrom(ctx)
	removeStale(target, isTemp, func(path string, err error) {
		logger.Debug("removed what a dead run had left", "file", path, "error", err)
	})
	var err error
	if u.file, err = createLocked(u.temp); err != nil {
		return nil, u.fail(err)
	}
	if err := u.adopt(); err != nil {
		_ = u.file.Close()
		_ = os.Remove(u.temp)
		return nil, u.fail(err)
	}
	return u, nil
}

// adopt gives the new file what the target has: its mode and, where allowed, its
// owner.
func (u *fileUnit) adopt() (err error) {
	old, err := os.Stat(u.target)
	switch {
	case err == nil:
		keepOwner(u.file, old)
		if err := u.file.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	u.mine, err = u.file.Stat()
	return err
}

// writebackSize is after how many bytes the system is told to write them to the disk.
// Without that it waits for some seconds, and the sync at the end for all of them.
const writebackSize = 8 << 20

// Write appends to the file.
func (u *fileUnit) Write(p []byte) (int, error) {
	n, err := u.file.Write(p)
	if u.written += int64(n); u.written-u.onItsWay >= writebackSize {
		startWriteback(u.file, u.onItsWay, u.written-u.onItsWay)
		u.onItsWay = u.written
	}
	return n, u.fail(err)
}

// fail says which file an error is about.
func (u *fileUnit) fail(err error) error { return fileError(u.name, err) }

// Name implements pipeline.Unit.
func (u *fileUnit) Name() string { return "file " + u.name }

// Phase implements pipeline.Unit.
func (u *fileUnit) Phase() pipeline.Phase { return pipeline.PhaseFiles }

// Prepare takes the file to the disk, name included, so that what is left to do is a
// rename.
func (u *fileUnit) Prepare(context.Context) error {
	if err := u.file.Sync(); err != nil {
		return u.fail(err)
	}
	if info, err := os.Stat(u.target); err == nil && info.IsDir() {
		return u.fail(errors.New("is a directory"))
	}
	if u.ready != "" {
		if err := u.rename(u.ready); err != nil {
			return u.fail(err)
		}
	}
	if err := syncFolder(u.target); err != nil {
		return u.fail(err)
	}
	u.prepared = true
	return nil
}

// Commit gives the file its name.
func (u *fileUnit) Commit(context.Context) error {
	err := u.rename(u.target)
	if err != nil && !u.finishedByAnother() {
		return u.fail(err)
	}
	u.renamed = true
	if err := syncFolder(u.target); err != nil {
		return u.fail(err)
	}
	u.file.Close() //nolint:errcheck // synced before
	// What earlier runs had ready is older than what stands there now.
	removeStale(u.target, isReady, nil)
	return nil
}

// rename moves the file, unless another process has put its own in its place.
func (u *fileUnit) rename(to string) error {
	if !u.isAt(u.temp) {
		return fmt.Errorf("its temporary file %s is gone: %w", filepath.Base(u.temp), fs.ErrNotExist)
	}
	if runtime.GOOS == "windows" { // which does not rename an open file
		u.file.Close() //nolint:errcheck // synced before
	}
	if err := os.Rename(u.temp, to); err != nil {
		return err
	}
	u.temp = to
	return nil
}

// isAt tells whether path is this file and no other of that name.
func (u *fileUnit) isAt(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && os.SameFile(info, u.mine)
}

// finishedByAnother tells whether a retry of this run has renamed the file already.
func (u *fileUnit) finishedByAnother() bool { return u.isAt(u.target) }

// Rollback removes the file, and leaves the target as it was. A file that is
// ready stays: the ledger's commit may have gone through although it seemed not
// to, and then the retry needs it.
func (u *fileUnit) Rollback(context.Context) error {
	defer u.file.Close()
	if u.renamed || u.prepared && u.ready != "" || !u.isAt(u.temp) {
		return nil
	}
	if runtime.GOOS == "windows" { // which does not remove an open file
		u.file.Close() //nolint:errcheck // its content is not wanted
	}
	return u.fail(os.Remove(u.temp))
}

// finishFile completes the commit of a run whose process died, or went on too
// slowly, after the ledger's commit.
func finishFile(ctx context.Context, path string) error {
	target, err := resolveTarget(path)
	if err != nil {
		return err
	}
	run, _ := pipeline.RunFrom(ctx)
	removeStale(target, isTemp, nil)
	ready := readyName(target, run)
	if err := os.Rename(ready, target); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was renamed, or a later run has replaced the target
		}
		return fileError(path, err)
	}
	pipeline.LoggerFrom(ctx).Info("completed the commit of an earlier attempt", "file", path)
	return fileError(path, syncFolder(target))
}

// checkTarget finds what would keep a file from being written, as far as that
// can be told without writing.
func checkTarget(path string) error {
	if path == "" {
		return pipeline.Permanent(errors.New("no Path is set"))
	}
	target, err := resolveTarget(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	switch {
	case err == nil && info.IsDir():
		return pipeline.Permanent(fmt.Errorf("%s: is a directory", path))
	case err == nil && !info.Mode().IsRegular():
		// Renaming over a device or a pipe would put a file in its place.
		return pipeline.Permanent(fmt.Errorf("%s: is no regular file; for standard output use -", path))
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fileError(path, err)
}

// resolveTarget returns the absolute path of a file that may not be there yet,
// with symbolic links resolved, so that a rename replaces the file and not a link to it.
func resolveTarget(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fileError(path, err)
	}
	if _, err := os.Stat(abs); err == nil {
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			return real, nil
		}
		return abs, nil // /dev/stdout, say, whose link leads nowhere that has a name
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: the folder %s is not there: %w", path, filepath.Dir(path), fs.ErrNotExist)
	}
	if err != nil {
		return "", fileError(path, err)
	}
	return filepath.Join(folder, filepath.Base(abs)), nil
}

// fileError says what is wrong with a file, its name first and once.
func fileError(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
