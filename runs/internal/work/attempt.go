package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/riverqueue/river"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/queue"
)

// Why a run is stopped from outside.
var (
	errShutdown  = errors.New("its worker shuts down")
	errCancelled = errors.New("cancelled")
	errLost      = errors.New("its worker lost its lease: another one may have taken over")
)

// cancelledByError is errCancelled with the name of who did it.
type cancelledByError struct{ by string }

func (e *cancelledByError) Error() string        { return "cancelled" + life.ByWhom(e.by) }
func (e *cancelledByError) Is(target error) bool { return target == errCancelled }

// isStopped tells that err is a run's end for this reason from outside.
func isStopped(err, reason error) bool {
	stopped, ok := errors.AsType[*pipeline.CancelledError](err)
	return ok && errors.Is(stopped.Cause, reason) || errors.Is(err, reason)
}

// live is a run that this replica works.
type live struct {
	work       *Work
	id         string
	attempt    int
	definition Definition
	job        *river.Job[queue.JobArgs]
	finishes   bool
	rejects    *keptRejects
	logger     hclog.Logger
	log        *runLog
	stop       context.CancelCauseFunc

	mu        sync.Mutex
	execution *pipeline.Execution // nil until it has started
	started   chan struct{}       // closed when it has

	// Of its own goroutine, after the stages have ended.
	unasked   bool // whether it is committed elsewhere, nobody knows
	committed bool // it is committed elsewhere

	committing atomic.Bool // its row is locked: no more progress is written

	// Of the goroutine that writes progress.
	tick     int64
	reported []byte
}

// progress returns how the run is going. It waits for the start of the execution, which is imminent.
func (l *live) progress() pipeline.Report {
	<-l.started
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.execution.Progress()
}

// Worker works River jobs.
type Worker struct {
	river.WorkerDefaults[queue.JobArgs]
	work *Work
}

// Worker returns what Start lets River call.
func (w *Work) Worker() *Worker { return &Worker{work: w} }

// Timeout implements river.Worker: River does not limit a run, Definition.Timeout does.
func (w *Worker) Timeout(*river.Job[queue.JobArgs]) time.Duration { return -1 }

// Work implements river.Worker. What becomes of the run is written into its row; for River the
// job is done in any case, unless the database could not be asked at all.
func (w *Worker) Work(ctx context.Context, job *river.Job[queue.JobArgs]) error {
	err := w.work.do(ctx, job)
	if errors.Is(err, errShutdown) {
		return river.JobSnooze(0)
	}
	if err != nil {
		w.work.DB.Logger.Warn("a run could not be begun, it is tried again",
			"pipeline", job.Args.Pipeline, "run", job.Args.Run, "error", err)
		return river.JobSnooze(time.Second)
	}
	return nil
}

func (w *Work) do(ctx context.Context, job *river.Job[queue.JobArgs]) error {
	if w.Ending() { // somebody else shall have it
		return errShutdown
	}
	c, ok, err := w.runs.Claim(ctx, w.control, job.Args.Run, job.ID, w.Config.Worker, w.Lease)
	if err != nil || !ok {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	l := &live{
		work: w, id: job.Args.Run, attempt: c.Attempt, definition: w.Definitions[job.Args.Pipeline], job: job,
		rejects: &keptRejects{again: c.Attempt > 1}, stop: stop, started: make(chan struct{}),
	}
	l.log = w.logs.open(l.id, l.attempt)
	l.logger = w.loggerOf(l)
	w.enter(l)
	ended := l.try(ctx, c)
	if ended.State == "" {
		l.logger.Warn("the attempt was given up: its lease is over", "attempt", l.attempt)
		w.losses.Add(1)
	}
	w.leave(l)
	if ended.State != "" { // else it is another's, who took it
		w.Ended(ended)
	}
	return nil
}

// try does what there is to do and writes how it ended. It returns that end; one without a state if the run was not
// this worker's to the end.
func (l *live) try(ctx context.Context, c life.Claimed) life.Ended {
	ended := life.Ended{Run: l.id, Pipeline: l.definition.Name}
	if c.Ask != nil {
		ended.State = l.settleAsked(ctx, c)
		return ended
	}
	l.unasked = c.Elsewhere
	p, err := l.build(ctx, c)
	if err == nil {
		ended.Report, err = l.execute(ctx, c, p)
	}
	switch {
	case errors.Is(err, pipeline.ErrFenced) || isStopped(err, errLost):
		return ended
	case err == nil && !l.finishes && !ended.Report.AlreadyCommitted: // its end is committed
		ended.State = life.Succeeded
		return ended
	case err != nil && l.unasked && p != nil && (ctx.Err() == nil || isStopped(err, errCancelled)):
		var failed error
		l.committed, failed = l.ask(context.WithoutCancel(ctx), l.elsewhere(p))
		l.unasked = failed != nil
	}
	ended.State = l.settle(ctx, ended.Report, err)
	return ended
}

// build builds the pipeline of an attempt.
func (l *live) build(ctx context.Context, c life.Claimed) (*pipeline.Pipeline, error) {
	t := Task{Run: l.id, Attempt: c.Attempt, Date: c.Date.UTC()}
	if err := json.Unmarshal(c.Params, &t.Params); err != nil {
		return nil, err
	}
	for name, value := range l.definition.Defaults {
		if _, ok := t.Params[name]; !ok {
			t.Params[name] = value
		}
	}
	p, err := l.definition.Build(ctx, t)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s: build: %w", l.definition.Name, err)
	}
	l.finishes = p.Finishes()
	return p.WithOptions(func(o *pipeline.Options) {
		o.RunID, o.Attempt, o.Retry = l.id, c.Attempt, pipeline.Retry{}
		o.Params = t.Params
		o.Logger = l.logger
		o.State = &state{ledger: l.work.DB.Ledger(), live: l}
		if l.definition.Timeout > 0 {
			o.Timeout = l.definition.Timeout
		}
		theirs := o.OnReject
		o.OnReject = func(r pipeline.Reject) {
			l.rejects.add(r)
			if theirs != nil {
				theirs(r)
			}
		}
	}), nil
}

// execute runs the pipeline.
func (l *live) execute(ctx context.Context, c life.Claimed, p *pipeline.Pipeline) (*pipeline.Report, error) {
	if len(l.elsewhere(p)) > 0 && !c.Elsewhere {
		mine, err := l.work.runs.Elsewhere(ctx, l.work.control, l.id, l.hold())
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, err
		case !mine:
			return nil, errLost
		}
		l.unasked = true
	}
	l.mu.Lock()
	l.execution = p.Start(ctx)
	l.mu.Unlock()
	close(l.started)
	report, err := l.execution.Wait()
	return &report, err
}

func (l *live) hold() life.Hold { return life.Hold{Attempt: l.attempt, Worker: l.work.Config.Worker} }
