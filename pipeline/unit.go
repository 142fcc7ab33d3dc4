package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Unit is a unit of work of one run: what was done through it becomes visible
// together or not at all. A database transaction is one, a file that is written
// beside its target and renamed is another.
//
// After every stage succeeded the runner calls Prepare on all units and then
// Commit on each, one after the other; otherwise Rollback on all. The calls do not
// overlap. Commit and Rollback get a context that does not end with the run's, and
// must bound their own time.
type Unit interface {
	// Name says what it is, without secrets: `database "airflowdb"`.
	Name() string
	// Phase says when it commits.
	Phase() Phase
	// Prepare does all that can still fail: deferred constraints, syncing a file.
	Prepare(ctx context.Context) error
	// Commit makes the work visible. An error that wraps [ErrOutcomeUnknown] says
	// that it may have been.
	Commit(ctx context.Context) error
	// Rollback leaves everything as it was before. It is also called after a Commit
	// or Prepare that failed, and then releases what the unit holds.
	Rollback(ctx context.Context) error
}

type undecidedKey struct{}

// MayBeCommitted is for Rollback: it tells whether a unit before this one has committed, or may have. With a ledger a
// retry then completes what this unit has prepared ([Finisher]); without one nobody does.
func MayBeCommitted(ctx context.Context) bool {
	undecided, _ := ctx.Value(undecidedKey{}).(bool)
	return undecided
}

// Phase orders the commits of the units of one run; within a phase they commit in
// the order in which they were joined.
type Phase int

// The phases. The unit that holds the ledger commits after all other databases, so that
// a run counts as committed only when everything before it is; what comes after
// can be completed by a [Finisher].
const (
	PhaseData   Phase = iota // databases
	PhaseLedger              // the database that holds the ledger
	PhaseFiles               // renames
)

// ErrOutcomeUnknown says that a commit's answer was lost and could not be found
// out.
var ErrOutcomeUnknown = errors.New("the outcome of the commit is unknown")

// ErrAlreadyCommitted is returned by [State].Commit, or by a unit, when an
// earlier attempt of the same run turns out to have committed after all. The
// runner rolls back and asks [State].Begin again.
var ErrAlreadyCommitted = errors.New("an earlier attempt of this run has committed")

// ErrFenced is returned by [State].Commit when a newer attempt of the same run
// has begun: this one was thought dead and must not commit. It is permanent.
var ErrFenced = errors.New("a newer attempt of this run has begun; this one may not commit")

// Join returns the run's unit of work for key, which begin makes when it is
// asked for first. All stages of a run that join the same key share the unit;
// begin's context ends with the attempt, not with the stage. If begin fails,
// every stage that joins gets its error.
//
// A key is compared by ==; use a pointer, or a type of your own package.
func Join[U Unit](ctx context.Context, key any, begin func(ctx context.Context) (U, error)) (U, error) {
	var none U
	s := scopeFrom(ctx)
	if s == nil || s.attempt == nil {
		return none, errors.New("pipeline.Join: this context is not of a running pipeline")
	}
	u, err := s.attempt.units.join(ctx, key, func() (Unit, error) { return begin(s.attempt.scopedContext()) })
	if err != nil {
		return none, err
	}
	typed, ok := u.(U)
	if !ok {
		return none, fmt.Errorf("pipeline.Join: the unit for this key is a %T, not a %T", u, none)
	}
	return typed, nil
}

// unitSet holds the units of one attempt.
type unitSet struct {
	mu    sync.Mutex
	byKey map[any]*joinedUnit
	all   []Unit
}

type joinedUnit struct {
	ready chan struct{} // closed when unit and err are set
	unit  Unit
	err   error
}

func (s *unitSet) join(ctx context.Context, key any, begin func() (Unit, error)) (Unit, error) {
	s.mu.Lock()
	j, ok := s.byKey[key]
	if !ok {
		j = &joinedUnit{ready: make(chan struct{})}
		s.byKey[key] = j
	}
	s.mu.Unlock()
	if ok {
		select {
		case <-j.ready:
			return j.unit, j.err
		case <-ctx.Done():
			return nil, &stopError{cause: context.Cause(ctx)}
		}
	}
	defer close(j.ready)
	j.err = protect(func() (err error) {
		j.unit, err = begin()
		return err
	})
	if j.err != nil {
		return nil, j.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, j.unit)
	return j.unit, nil
}

// ordered returns the units in the order of their commits.
func (s *unitSet) ordered() []Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	units := slices.Clone(s.all)
	slices.SortStableFunc(units, func(a, b Unit) int { return int(a.Phase() - b.Phase()) })
	return units
}

// rollbackTimeout bounds how long a failed run waits for one unit to be rolled
// back. A server that cannot be reached rolls back by itself.
const rollbackTimeout = 15 * time.Second

func (s *unitSet) rollback(ctx context.Context, failed func(Unit, error)) {
	units := s.ordered()
	for _, u := range slices.Backward(units) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		err := protect(func() error { return u.Rollback(bounded) })
		cancel()
		if err != nil {
			failed(u, err)
		}
	}
}
