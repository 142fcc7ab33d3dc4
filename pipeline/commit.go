package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// execute carries an attempt from its first look at the ledger to its commit or
// rollback.
func (a *attempt) execute(ctx context.Context) error {
	err := a.prepareAndRun(ctx)
	if err == nil {
		return nil
	}
	if a.undecided {
		ctx = context.WithValue(ctx, undecidedKey{}, true)
	}
	a.units.rollback(ctx, func(u Unit, err error) {
		a.logger.Warn("rollback failed; what was not committed is not visible", "unit", u.Name(), "error", err)
	})
	return err
}

func (a *attempt) prepareAndRun(ctx context.Context) error {
	done, err := a.recover(ctx)
	if err != nil || done {
		return err
	}
	if err := a.p.validate(ctx); err != nil {
		return err
	}
	if err := a.fixRanges(ctx); err != nil {
		return err
	}
	a.setState(StateRunning)
	if err := a.open(ctx); err != nil {
		return err
	}
	a.logger.Info("run started", "stages", len(a.nodes))
	progressing, stop := context.WithCancel(ctx)
	told := a.progress(progressing)
	err = a.runStages(ctx)
	stop()
	<-told
	if err != nil {
		return err
	}
	a.setState(StateCommitting)
	return a.commit(ctx)
}

// recover asks the ledger whether this run has been committed, and if so
// completes what comes after a commit. It fetches cursors and ranges too.
func (a *attempt) recover(ctx context.Context) (done bool, err error) {
	state := a.p.options.State
	if state == nil {
		return false, nil
	}
	var sources []string
	for _, r := range a.incremental() {
		sources = append(sources, r.node.name)
	}
	known, err := state.Begin(ctx, a.run, sources)
	if err != nil {
		return false, &StageError{Pipeline: a.p.name, Err: fmt.Errorf("state: %w", err)}
	}
	a.fence = known.Fence
	for name, rng := range known.Ranges {
		a.ranges[name] = rng
	}
	if known.Committed == nil {
		for _, r := range a.incremental() {
			if _, fixed := a.ranges[r.node.name]; !fixed {
				a.ranges[r.node.name] = Range{From: known.Cursors[r.node.name]}
			}
		}
		return false, nil
	}
	a.logger.Info("nothing to do: this run was committed before", "committed_attempt", known.Committed.Attempt, "rows", known.Committed.Rows)
	a.mu.Lock()
	a.already = true
	a.mu.Unlock()
	run := a.run
	run.Attempt = known.Committed.Attempt
	committed := context.WithValue(ctx, scopeKey{}, &scope{run: run, state: state, attempt: a, logger: a.logger})
	for _, r := range a.nodes {
		r.skip()
		if f, ok := r.node.value.(Finisher); ok {
			if err := protect(func() error { return f.Finish(committed) }); err != nil {
				return false, &StageError{Pipeline: a.p.name, Stage: r.node.name, Err: err}
			}
		}
	}
	return true, nil
}

// incremental returns the stages that read from a cursor.
func (a *attempt) incremental() (runs []*nodeRun) {
	for _, r := range a.nodes {
		if c, ok := r.node.value.(Cursored); ok && c.Incremental() {
			runs = append(runs, r)
		}
	}
	return runs
}

// fixRanges asks each incremental source that has no range yet for its bound, and
// records the answers before anything is read.
func (a *attempt) fixRanges(ctx context.Context) error {
	fixed := map[string]Range{}
	for _, r := range a.incremental() {
		rng := a.ranges[r.node.name]
		if rng.To != nil {
			continue
		}
		// Not the whole scope of the stage, which does not read yet; only its logger.
		scoped := context.WithValue(ctx, scopeKey{}, &scope{run: a.run, state: a.p.options.State, attempt: a, logger: r.logger})
		to, err := r.node.value.(Cursored).Bound(scoped, rng.From)
		if err != nil {
			return &StageError{Pipeline: a.p.name, Stage: r.node.name, Err: err}
		}
		if to == nil { // the source will report it
			continue
		}
		rng.To = to
		fixed[r.node.name] = rng
	}
	if len(fixed) == 0 {
		return nil
	}
	maps.Copy(a.ranges, fixed)
	if err := a.p.options.State.Fix(ctx, a.run, fixed); err != nil {
		return &StageError{Pipeline: a.p.name, Err: fmt.Errorf("state: %w", err)}
	}
	return nil
}

// commit makes the attempt visible: the ledger's row first, into the transaction of
// its database; then all that can still fail; then unit after unit.
func (a *attempt) commit(ctx context.Context) error {
	if a.p.options.State != nil {
		record := Commit{Attempt: a.run.Attempt, Rows: a.rowsLoaded(), Ranges: a.rangesRead(), Fence: a.fence}
		if err := a.p.options.State.Commit(ctx, a.run, record); err != nil {
			return a.commitProblem("the ledger", err)
		}
	}
	units := a.units.ordered()
	for _, u := range units {
		if err := protect(func() error { return u.Prepare(ctx) }); err != nil {
			return a.commitProblem(u.Name(), err)
		}
	}
	if ctx.Err() != nil { // the last moment at which a cancellation still undoes everything
		return context.Cause(ctx)
	}
	var committed []string
	for _, u := range units {
		err := protect(func() error { return u.Commit(context.WithoutCancel(ctx)) })
		if err != nil {
			return a.commitFailure(u, committed, err)
		}
		committed = append(committed, u.Name())
	}
	a.event(Event{Kind: EventCommitted})
	return nil
}

// rangesRead is what the incremental sources have read, those left out of which nobody knows how far they came.
func (a *attempt) rangesRead() map[string]Range {
	a.mu.Lock()
	defer a.mu.Unlock()
	read := map[string]Range{}
	for name, rng := range a.ranges {
		if moved, ok := a.moved[name]; ok {
			rng.To = moved
		}
		if rng.To != nil {
			read[name] = rng
		}
	}
	return read
}

func (a *attempt) commitProblem(name string, err error) error {
	if errors.Is(err, ErrFenced) {
		err = Permanent(err)
	}
	if errors.Is(err, ErrAlreadyCommitted) {
		err = Transient(err)
	}
	return &StageError{Pipeline: a.p.name, Err: fmt.Errorf("%s: %w", name, err)}
}

// commitFailure says what a failed commit means. With a ledger another attempt finds
// out what is left to do; without one it could do a thing twice.
func (a *attempt) commitFailure(u Unit, committed []string, err error) error {
	e := &CommitError{Committed: committed, Failed: u.Name(), Err: err, Unknown: errors.Is(err, ErrOutcomeUnknown)}
	var marked error = e
	if len(committed) > 0 || e.Unknown {
		a.undecided = true
		if a.p.options.State != nil {
			marked = Transient(e)
		} else {
			marked = Permanent(fmt.Errorf("%w; set Options.State so that a retry can find out and complete it", e))
		}
	}
	return &StageError{Pipeline: a.p.name, Err: marked}
}

// rowsLoaded is what went into the sinks.
func (a *attempt) rowsLoaded() (n int64) {
	for _, r := range a.nodes {
		if r.node.kind == KindSink {
			n += r.report().RecordsIn
		}
	}
	return n
}
