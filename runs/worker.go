package runs

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
	"github.com/millrace/millrace/runs/internal/tables"
)

// Why a run is stopped from outside.
var (
	errShutdown  = errors.New("its worker shuts down")
	errCancelled = errors.New("cancelled")
	errLost      = errors.New("its worker lost its lease: another one may have taken over")
)

// cancelledByError is errCancelled with the name of who did it.
type cancelledByError struct{ by string }

func (e *cancelledByError) Error() string        { return "cancelled" + byWhom(e.by) }
func (e *cancelledByError) Is(target error) bool { return target == errCancelled }

// isStopped tells that err is a run's end for this reason from outside.
func isStopped(err, reason error) bool {
	stopped, ok := errors.AsType[*pipeline.CancelledError](err)
	return ok && errors.Is(stopped.Cause, reason) || errors.Is(err, reason)
}

// live is a run that this replica works.
type live struct {
	id         string
	attempt    int
	definition *definition
	job        *river.Job[jobArgs]
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

// worker works River jobs.
type worker struct {
	river.WorkerDefaults[jobArgs]
	service *Service
}

// Timeout implements river.Worker: River does not limit a run, Definition.Timeout does.
func (w *worker) Timeout(*river.Job[jobArgs]) time.Duration { return -1 }

// Work implements river.Worker. What becomes of the run is written into its row; for River the
// job is done in any case, unless the database could not be asked at all.
func (w *worker) Work(ctx context.Context, job *river.Job[jobArgs]) error {
	err := w.service.work(ctx, job)
	if errors.Is(err, errShutdown) {
		return river.JobSnooze(0)
	}
	if err != nil {
		w.service.config.Logger.Warn("a run could not be begun, it is tried again", "pipeline", job.Args.Pipeline, "run", job.Args.Run, "error", err)
		return river.JobSnooze(time.Second)
	}
	return nil
}

// claimed is what a worker learns of the run that it has got.
type claimed struct {
	attempt   int
	date      time.Time
	params    []byte
	elsewhere bool    // an earlier attempt may have committed in another database
	endsAs    *string // if set, this attempt only asks
	endsWhy   string
}

// claim takes the run for this worker, if the job is still the one that may begin it.
func (s *Service) claim(ctx context.Context, job *river.Job[jobArgs]) (c claimed, ok bool, err error) {
	err = s.control.QueryRow(ctx, s.db.Of(`
with run as (
    update {runs}
       set state = 'running', reason = '', version = version + 1, attempt = attempt + 1, worker = $3,
           lease_until = now() + $4::bigint * interval '1 microsecond',
           started_at = coalesce(started_at, now()), next_attempt_at = null
     where id = $1 and job_id = $2 and active and state in ('queued', 'retrying', 'lost')
    returning id, attempt, logical_date, params, elsewhere, ends_as, ends_why),
begun as (
    insert into {run_attempts} (run_id, attempt, worker, state) select id, attempt, $3, 'running' from run)
select attempt, logical_date, params, elsewhere, ends_as, ends_why from run`),
		job.Args.Run, job.ID, s.config.Name, s.config.Lease.Microseconds()).Scan(&c.attempt, &c.date, &c.params, &c.elsewhere, &c.endsAs, &c.endsWhy)
	if tables.IsNoRows(err) {
		return c, false, nil
	}
	return c, err == nil, err
}

func (s *Service) work(ctx context.Context, job *river.Job[jobArgs]) error {
	if s.stopping.Load() { // somebody else shall have it
		return errShutdown
	}
	c, ok, err := s.claim(ctx, job)
	if err != nil || !ok {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	l := &live{
		id: job.Args.Run, attempt: c.attempt, definition: s.definitions[job.Args.Pipeline], job: job,
		rejects: &keptRejects{again: c.attempt > 1}, stop: stop, started: make(chan struct{}),
	}
	l.log = s.logs.open(l.id, l.attempt)
	l.logger = s.loggerOf(l)
	s.enter(l)
	var report *pipeline.Report
	ended := s.attempt(ctx, l, c, &report)
	if ended == "" {
		l.logger.Warn("the attempt was given up: its lease is over", "attempt", l.attempt)
		s.losses.Add(1)
	}
	s.nudge(l.definition.Name) // before what is only told
	s.leave(l)
	if ended != "" { // else it is another's, who took it
		s.observe(ctx, l.id, ended, report)
	}
	return nil
}

// attempt does what there is to do and writes how it ended. It returns the state that the run got by it; none if it was
// not this worker's to the end.
func (s *Service) attempt(ctx context.Context, l *live, c claimed, report **pipeline.Report) State {
	if c.endsAs != nil {
		return s.settleAsked(ctx, l, c)
	}
	l.unasked = c.elsewhere
	p, err := s.build(ctx, l, c)
	if err == nil {
		*report, err = s.execute(ctx, l, c, p)
	}
	switch {
	case errors.Is(err, pipeline.ErrFenced) || isStopped(err, errLost):
		return ""
	case err == nil && !l.finishes && !(*report).AlreadyCommitted:
		return Succeeded // its end is committed
	case err != nil && l.unasked && p != nil:
		asked := errors.New("its worker shuts down")
		if ctx.Err() == nil || isStopped(err, errCancelled) {
			l.committed, asked = s.ask(context.WithoutCancel(ctx), l, s.elsewhere(p))
		}
		l.unasked = asked != nil
	}
	return s.settle(ctx, l, *report, err)
}

// build builds the pipeline of an attempt.
func (s *Service) build(ctx context.Context, l *live, c claimed) (*pipeline.Pipeline, error) {
	run := Run{Pipeline: l.definition.Name, ID: l.id, Attempt: c.attempt, LogicalDate: c.date.UTC()}
	if err := json.Unmarshal(c.params, &run.Params); err != nil {
		return nil, err
	}
	for _, p := range l.definition.Params { // a param that is newer than the run
		if _, ok := run.Params[p.Name]; !ok {
			run.Params[p.Name] = p.Default
		}
	}
	p, err := l.definition.build(ctx, run)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s: build: %w", l.definition.Name, err)
	}
	l.finishes = p.Finishes()
	return p.WithOptions(func(o *pipeline.Options) {
		o.RunID, o.Attempt, o.Retry = l.id, c.attempt, pipeline.Retry{}
		o.Params = run.Params
		o.Logger = l.logger
		o.State = &runState{ledger: s.db.Ledger(), service: s, live: l}
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
func (s *Service) execute(ctx context.Context, l *live, c claimed, p *pipeline.Pipeline) (*pipeline.Report, error) {
	if len(s.elsewhere(p)) > 0 && !c.elsewhere {
		tag, err := s.control.Exec(ctx, s.db.Of("update {runs} set elsewhere = true where id = $1 and attempt = $2 and worker = $3 and state = 'running'"), l.id, l.attempt, s.config.Name)
		if err == nil && tag.RowsAffected() == 0 {
			err = errLost
		}
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, err
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

// enter and leave keep the list of the runs that this replica works.
func (s *Service) enter(l *live) {
	s.mu.Lock()
	s.live[l.id] = l
	stopping := s.handBack
	s.mu.Unlock()
	if stopping {
		l.stop(errShutdown)
	}
}

func (s *Service) leave(l *live) {
	s.mu.Lock()
	if s.live[l.id] == l { // a later attempt of the same run may be here already
		delete(s.live, l.id)
	}
	s.mu.Unlock()
	l.log.close()
	s.forget(l)
}

// observe tells the observer of an end that this replica has written: that of an attempt, or of a run that had none. The
// run may have moved on since.
func (s *Service) observe(ctx context.Context, id string, ended State, report *pipeline.Report) {
	if s.config.Observe == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Lease)
	defer cancel()
	found, err := s.snapshots(ctx, []string{id})
	if err != nil {
		s.config.Logger.Warn("the end of an attempt could not be read, so that it is not counted", "run", id, "state", ended, "error", err)
		return
	}
	if snapshot, ok := found[id]; ok {
		snapshot.Record.State, snapshot.Record.Report = ended, report
		s.config.Observe(snapshot.Record)
	}
}

// working returns the runs that this replica works.
func (s *Service) working() []*live {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*live, 0, len(s.live))
	for _, l := range s.live {
		all = append(all, l)
	}
	return all
}
