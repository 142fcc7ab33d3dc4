package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// unit is a file that a run writes: a unit of work of its own.
//
//	Create      nobody sees it
//	Prepare     sales.csv.millrace-RUN-ATTEMPT.tmp     durable, whole
//	Commit      sales.csv                              moved
//
// Commits of files come after those of databases. When a process dies between the two, the prepared file is all there is
// of the run's output: it stays until the run's retry moves it ([finish]). Its name carries the attempt, so that
// one which was thought dead and goes on cannot put its file in the place of its successor's.
type unit struct {
	store  Writable
	name   string // of the target as the user wrote it, for messages
	target string
	temp   string
	run    pipeline.Run
	ledger bool
	draft  Draft

	taken    atomic.Bool // a sink writes it
	prepared bool
	moved    bool
	written  int64 // in bytes
}

// unitKey is the key of a file's unit: two paths to one file are one key.
type unitKey struct {
	store  Writable
	target string
}

// join begins the unit for a path. A file has one writer in a run.
func join(ctx context.Context, store Writable, path string) (*unit, error) {
	target, err := resolve(store, path)
	if err != nil {
		return nil, err
	}
	u, err := pipeline.Join(ctx, unitKey{store, target}, func(ctx context.Context) (*unit, error) {
		return begin(ctx, store, path, target)
	})
	if err != nil {
		return nil, err
	}
	if u.taken.Swap(true) {
		return nil, pipeline.Permanent(fmt.Errorf("%s: another sink of this run writes the same file", withoutSecrets(path)))
	}
	return u, nil
}

// resolve returns the one name that a file has.
func resolve(store Writable, path string) (string, error) {
	if d, ok := store.(Disk); ok {
		return d.resolve(path)
	}
	return path, nil
}

func begin(ctx context.Context, store Writable, path, target string) (*unit, error) {
	run, _ := pipeline.RunFrom(ctx)
	u := &unit{
		store: store, name: withoutSecrets(path), target: target, temp: tempName(target, run), run: run,
		ledger: pipeline.StateFrom(ctx) != nil,
	}
	logger := pipeline.LoggerFrom(ctx)
	tidy(ctx, store, target, run, drafts, func(name string, err error) {
		logger.Debug("removed what a dead run had left", "file", name, "error", err)
	})
	var err error
	if d, ok := store.(Disk); ok {
		u.draft, err = d.create(u.temp, target)
	} else {
		u.draft, err = store.Create(ctx, u.temp)
	}
	if err != nil {
		return nil, u.fail(err)
	}
	return u, nil
}

// Write appends to the file.
func (u *unit) Write(p []byte) (int, error) {
	n, err := u.draft.Write(p)
	u.written += int64(n)
	return n, u.fail(err)
}

// fail says which file an error is about, once.
func (u *unit) fail(err error) error {
	if e, ok := errors.AsType[*fileError](err); ok && e == err { //nolint:errorlint // one that is named already, not one that holds such
		err = e.err
	}
	return nameError(u.name, err)
}

// Name implements pipeline.Unit.
func (u *unit) Name() string { return "file " + u.name }

// Phase implements pipeline.Unit.
func (u *unit) Phase() pipeline.Phase { return pipeline.PhaseFiles }

// Prepare makes the file durable, so that what is left to do is to move it.
func (u *unit) Prepare(context.Context) error {
	if _, ok := u.store.(Disk); ok {
		if info, err := os.Stat(u.target); err == nil && info.IsDir() {
			return u.fail(errFolder)
		}
	}
	u.prepared = true // from here on Remove, not Abort, undoes it
	return u.fail(u.draft.Close())
}

// Commit gives the file its name.
func (u *unit) Commit(ctx context.Context) error {
	err := u.store.Move(ctx, u.temp, u.target)
	if errors.Is(err, fs.ErrNotExist) {
		err = u.finishedByAnother(ctx, err)
	}
	if err != nil {
		return u.fail(err)
	}
	u.moved = true
	tidy(ctx, u.store, u.target, u.run, ofAll, func(string, error) {})
	return nil
}

// finishedByAnother asks whether a retry of this run has moved the file already, which can be only where a ledger tells
// a retry of this attempt's commit.
func (u *unit) finishedByAnother(ctx context.Context, err error) error {
	if info, e := u.store.Stat(ctx, u.target); e == nil && u.ledger && info.Size == u.written {
		return nil
	}
	return fmt.Errorf("its temporary file %s is gone: %w", baseOf(u.temp), err)
}

// Rollback removes the file, and leaves the target as it was. If the ledger's commit may have gone through, the
// prepared file stays: then the retry needs it.
func (u *unit) Rollback(ctx context.Context) error {
	switch {
	case u.moved:
		return nil
	case u.prepared && u.ledger && pipeline.MayBeCommitted(ctx):
		held.release(u.temp) // nobody here works on it any more
		return nil
	case !u.prepared:
		return u.fail(u.draft.Abort())
	}
	return u.fail(errors.Join(u.draft.Abort(), u.store.Remove(ctx, u.temp)))
}

// finish completes the commit of an attempt whose process died, or went on too slowly, after the ledger's commit. The
// context's run is that attempt.
func finish(ctx context.Context, store Writable, path string) error {
	target, err := resolve(store, path)
	if err != nil {
		return err
	}
	run, _ := pipeline.RunFrom(ctx)
	err = store.Move(ctx, tempName(target, run), target)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was moved, perhaps by an attempt that came no further
		tidy(ctx, store, target, run, ofRun, func(string, error) {})
		return nil
	case err != nil:
		return nameError(withoutSecrets(path), err)
	}
	tidy(ctx, store, target, run, ofAll, func(string, error) {})
	pipeline.LoggerFrom(ctx).Info("completed the commit of an earlier attempt", "file", withoutSecrets(path))
	return nil
}

// leftoverAge is how old a temporary file must be before it is taken for one that a dead run left, where no lock tells.
const leftoverAge = 7 * 24 * time.Hour

// stale is what is known to be older than the target.
type stale int

const (
	drafts stale = iota // what never was prepared: no ledger has it
	ofRun               // and what the run's other attempts had prepared: one of them has committed
	ofAll               // and what other runs had: the target has been replaced just now
)

// tidy removes what dead runs left of a target. What an attempt has prepared may belong to a commit that is still to be
// completed, or still on its way to the server. It goes when it is known to be stale, on a disk if its process is dead;
// elsewhere, where that cannot be told, what other runs left goes when it is older than leftoverAge.
func tidy(ctx context.Context, store Writable, target string, run pipeline.Run, known stale, told func(name string, err error)) {
	prefix := tempPrefix(target)
	if d, ok := store.(Disk); ok {
		d.removeDead(target, func(base string) bool {
			return known == ofAll || strings.HasSuffix(base, draftSuffix) || known == ofRun && isOfRun(base, baseOf(prefix), run)
		}, told)
		return
	}
	for info, err := range store.List(ctx, prefix) {
		if err != nil {
			return
		}
		old := !info.Modified.IsZero() && time.Since(info.Modified) > leftoverAge
		if isUnfinished(info.Name) && (old || known >= ofRun && isOfRun(info.Name, prefix, run)) {
			told(info.Name, store.Remove(ctx, info.Name))
		}
	}
}

// isOfRun tells whether a name is that of what an attempt of the run has prepared.
func isOfRun(name, prefix string, run pipeline.Run) bool {
	attempt, ok := strings.CutPrefix(name, prefix+safeName(run.ID, maxRunName)+"-")
	_, err := strconv.Atoi(strings.TrimSuffix(attempt, tempSuffix))
	return ok && err == nil // a run a-1 is none of run a
}
