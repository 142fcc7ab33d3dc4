package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Execution is a run under way.
type Execution struct {
	p       *Pipeline
	run     Run
	cancel  context.CancelCauseFunc
	done    chan struct{}
	started time.Time

	mu      sync.Mutex
	current *attempt
	waiting bool // between two attempts
	final   *Report
	err     error
}

// Start starts a run and returns at once. What is wrong with the pipeline is
// returned by [Execution.Wait]. The run ends when ctx does.
func (p *Pipeline) Start(ctx context.Context) *Execution {
	id := p.must("Start", "").options.RunID
	if id == "" {
		id = newRunID()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	e := &Execution{
		p:       p,
		run:     Run{Pipeline: p.name, ID: id, Attempt: p.options.Attempt, Params: p.options.Params},
		cancel:  cancel,
		done:    make(chan struct{}),
		started: time.Now(),
	}
	go func() {
		defer close(e.done)
		defer cancel(nil)
		e.loop(ctx)
	}()
	return e
}

// Run runs the pipeline and waits for its end. The report is complete also when
// there is an error.
func (p *Pipeline) Run(ctx context.Context) (Report, error) { return p.Start(ctx).Wait() }

// Wait waits for the end of the run, all its attempts included. It may be called
// from several goroutines.
//
// The error is a [*StageError] (nothing was committed, or, with a [*CommitError]
// inside, what it says), a [*ValidationError] (nothing was moved), or a
// [*CancelledError].
func (e *Execution) Wait() (Report, error) {
	<-e.done
	return e.Progress(), e.err
}

// Cancel ends the run; everything is rolled back, unless its commit has begun.
// The cause, which may be nil, becomes part of the run's error: say who or what
// cancelled it. Cancel does not wait.
func (e *Execution) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	e.cancel(cause)
}

// RunID returns the ID of the run.
func (e *Execution) RunID() string { return e.run.ID }

// Progress returns how the run is going; after its end, how it went.
func (e *Execution) Progress() Report {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.final != nil {
		rep := *e.final
		rep.Stages = append([]StageReport(nil), rep.Stages...)
		return rep
	}
	return e.report()
}

// report is called with the lock held.
func (e *Execution) report() Report {
	rep := Report{Pipeline: e.p.name, RunID: e.run.ID, Attempt: e.run.Attempt, State: StatePending, StartedAt: e.started}
	if e.current != nil {
		e.current.fill(&rep)
	} else {
		rep.Stages = e.p.pending()
	}
	if e.waiting {
		rep.State = StateRetrying
	}
	return rep
}

// pending reports the stages of a run whose first attempt has not begun.
func (p *Pipeline) pending() []StageReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	stages := make([]StageReport, len(p.nodes))
	for i, n := range p.nodes {
		stages[i] = StageReport{Name: n.name, Kind: n.kind, Description: n.describe(), State: StatePending, Lanes: n.lanes}
	}
	return stages
}

// loop runs attempts until one succeeds, the error is permanent, or there are
// enough of them.
func (e *Execution) loop(ctx context.Context) {
	logger := e.p.options.Logger.With("pipeline", e.p.name, "run", e.run.ID)
	waits := e.p.options.Retry.waits()
	run := e.run
	e.p.event(run, Event{Kind: EventRunStarted})
	for tries := 1; ; tries++ {
		a, attemptCtx, stop := newAttempt(ctx, e.p, run)
		e.mu.Lock()
		e.current, e.waiting = a, false
		e.mu.Unlock()
		err := a.execute(attemptCtx)
		stop()
		err = e.verdict(ctx, err)
		if panicked, ok := errors.AsType[*PanicError](err); ok {
			logger.Error("a stage panicked", "attempt", run.Attempt, "panic", panicked.Value, "stack", string(panicked.Stack))
		}
		if err == nil || tries >= e.p.options.Retry.MaxAttempts || IsPermanent(err) {
			e.end(err)
			break
		}
		wait := waits.NextBackOff()
		logger.Warn("attempt failed, trying again", "attempt", run.Attempt, "in", wait, "error", err)
		e.mu.Lock()
		e.waiting = true
		e.mu.Unlock()
		if cause := sleep(ctx, wait); cause != nil {
			e.end(&CancelledError{Pipeline: e.p.name, Cause: cause})
			break
		}
		run.Attempt++
	}
	e.p.event(run, Event{Kind: EventRunEnded, State: e.final.State, Err: e.err, Report: *e.final})
	if e.err != nil {
		logger.Error("run ended", "state", e.final.State, "error", e.err)
	} else {
		logger.Info("run ended", "state", e.final.State, "rejects", e.final.Rejects, "took", e.final.EndedAt.Sub(e.final.StartedAt))
	}
}

// verdict gives the error of an attempt the form that callers see.
func (e *Execution) verdict(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var stage *StageError
	var invalid *ValidationError
	if errors.As(err, &stage) && stage.Pipeline == e.p.name || errors.As(err, &invalid) {
		return err
	}
	if ctx.Err() != nil {
		return &CancelledError{Pipeline: e.p.name, Cause: context.Cause(ctx)}
	}
	return &StageError{Pipeline: e.p.name, Err: err}
}

func (e *Execution) end(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = false
	rep := e.report()
	rep.State, rep.EndedAt = StateSucceeded, time.Now()
	if err != nil {
		rep.State, rep.Error = StateFailed, err.Error()
		var cancelled *CancelledError
		if errors.As(err, &cancelled) {
			rep.State = StateCancelled
		}
	}
	e.final, e.err = &rep, err
}
