package runs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/rivertype"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/lease"
)

// modelled is a run as the model has it.
type modelled struct {
	state            State
	attempt          int
	failures, losses int
	active           bool // it has a place
	job              bool // it may be claimed
	cancel           bool // somebody wants it cancelled
	committed        bool
	place            int
}

// model is what runs are to do, without a database.
type model struct {
	runs   map[string]*modelled
	places int
}

const (
	modelActive   = 2
	modelAttempts = 2
)

func (m *model) add(id string) {
	m.places++
	m.runs[id] = &modelled{state: Queued, place: m.places}
}

// admit gives free places to those that have waited longest.
func (m *model) admit() {
	busy := 0
	var waiting []*modelled
	for _, r := range m.runs {
		if r.active {
			busy++
		} else if r.state == Queued {
			waiting = append(waiting, r)
		}
	}
	slices.SortFunc(waiting, func(a, b *modelled) int { return a.place - b.place })
	for _, r := range waiting[:max(0, min(len(waiting), modelActive-busy))] {
		r.active, r.job = true, true
	}
}

func (r *modelled) end(s State) { r.state, r.active, r.job, r.cancel = s, false, false, false }

// mayBeClaimed tells whether a worker may begin an attempt.
func (r *modelled) mayBeClaimed() bool {
	return r.active && r.job && (r.state == Queued || r.state == Retrying || r.state == Lost)
}

// attempted is an attempt that a worker brings to its end.
func (r *modelled) attempted(how string) {
	r.attempt++
	switch {
	case r.committed || how == "succeeds":
		r.committed = true
		r.end(Succeeded)
	case how == "fails" && r.failures+1 < modelAttempts:
		r.state, r.job, r.failures, r.losses = Retrying, false, r.failures+1, 0
	default:
		r.end(Failed)
	}
}

// died is what the reaper does.
func (r *modelled) died() {
	switch {
	case r.committed:
	case r.cancel:
		r.end(Cancelled)
		return
	case r.losses+1 >= MaxLosses:
		r.end(Failed)
		return
	}
	r.state, r.job, r.cancel, r.losses = Lost, true, false, r.losses+1
}

// cancelled tells whether a cancellation is taken.
func (r *modelled) cancelled() bool {
	switch {
	case r.state.Ended() || r.committed:
		return false
	case r.state == Running:
		r.cancel = true
	default:
		r.end(Cancelled)
	}
	return true
}

func (r *modelled) retried(m *model) bool {
	if r.state != Failed && r.state != Cancelled {
		return false
	}
	m.places++
	*r = modelled{state: Queued, attempt: r.attempt, place: m.places}
	return true
}

// walk is a model beside a service whose loops do not run: what would happen at some time happens when the walk says so.
type walk struct {
	model
	t    *testing.T
	r    *rapid.T
	s    *Service
	pool *pgxpool.Pool

	mu  sync.Mutex
	how map[string]string // what becomes of the next attempt of a run
}

// A walk over random events: whatever happens, and in whatever order, the history is what the model says.
func TestWhateverHappensToRunsIsWhatTheModelSays(t *testing.T) {
	checks := 15
	if os.Getenv("MILLRACE_PROOF") == "full" {
		checks = 400
	}
	if err := flag.Set("rapid.checks", fmt.Sprint(checks)); err != nil {
		t.Fatal(err)
	}
	pool := database(t)
	w := &walk{t: t, pool: pool}
	d := writes("items", pool, 1, func(ctx context.Context) error {
		run, _ := pipeline.RunFrom(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		switch w.how[run.ID] {
		case "fails":
			return errors.New("it may help to try again")
		case "fails for good":
			return pipeline.Permanent(errors.New("it does not help"))
		}
		return nil
	})
	d.MaxActive, d.Retry = modelActive, pipeline.Retry{MaxAttempts: modelAttempts, Backoff: time.Hour, MaxBackoff: time.Hour}
	w.s = service(t, Config{Pool: pool, Workers: -1, Lease: time.Hour}, d)
	if err := w.s.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.s.control = pool
	w.s.leases = &lease.Leases{DB: w.s.db, Queue: w.s.queue, Control: pool, Worker: "gone", For: time.Hour, Ended: w.s.ends.Follow}
	w.s.queue.Use(pool)
	w.s.work.Use(pool, w.s.leases)
	events := 0
	rapid.Check(t, func(r *rapid.T) {
		w.exec("truncate items, millrace.runs, millrace.run_attempts, millrace.commits, millrace.attempts, millrace.river_job, millrace.pruned_runs")
		w.r, w.model, w.how = r, model{runs: map[string]*modelled{}}, map[string]string{}
		r.Repeat(map[string]func(*rapid.T){
			"trigger":             func(*rapid.T) { w.add(trigger(t, w.s, "items").ID) },
			"an attempt succeeds": func(*rapid.T) { w.attempts("succeeds") },
			"an attempt fails":    func(*rapid.T) { w.attempts("fails") },
			"one fails for good":  func(*rapid.T) { w.attempts("fails for good") },
			"a worker claims":     func(*rapid.T) { w.claims() },
			"it commits":          func(*rapid.T) { w.commits() },
			"it beats":            func(*rapid.T) { w.beats() },
			"it dies":             func(*rapid.T) { w.dies() },
			"cancel":              func(*rapid.T) { w.cancels() },
			"retry":               func(*rapid.T) { w.retries() },
			"a wait is over":      func(*rapid.T) { w.waitIsOver() },
			"prune":               func(*rapid.T) { w.prunes() },
			"": func(*rapid.T) {
				events++
				w.check()
			},
		})
	})
	t.Logf("%d events", events)
}

func (w *walk) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// some draws a run of those that are asked for; the event is skipped if there is none.
func (w *walk) some(ok func(*modelled) bool) (string, *modelled) {
	var ids []string
	for id, r := range w.runs {
		if ok(r) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		w.r.Skip("none")
	}
	slices.Sort(ids)
	id := rapid.SampledFrom(ids).Draw(w.r, "run")
	return id, w.runs[id]
}

func anyRun(*modelled) bool { return true }

func isRunning(r *modelled) bool { return r.state == Running }

// jobOf returns the job by which a run may be claimed.
func (w *walk) jobOf(id string) *rivertype.JobRow {
	w.t.Helper()
	job := &rivertype.JobRow{Kind: "run:items", Queue: "millrace", MaxAttempts: 1, State: rivertype.JobStateAvailable}
	err := w.pool.QueryRow(w.t.Context(), "select j.id, j.args, j.created_at from millrace.runs r join millrace.river_job j on j.id = r.job_id where r.id = $1", id).
		Scan(&job.ID, &job.EncodedArgs, &job.CreatedAt)
	if err != nil {
		w.r.Fatalf("run %s may be claimed, but has no job: %v", id, err)
	}
	return job
}

func (w *walk) attempts(how string) {
	id, r := w.some((*modelled).mayBeClaimed)
	w.mu.Lock()
	w.how[id] = how
	w.mu.Unlock()
	fetches(w.t, w.s, w.jobOf(id))
	r.attempted(how)
}

func (w *walk) claims() {
	id, r := w.some((*modelled).mayBeClaimed)
	c, ok, err := w.s.moves.Claim(w.t.Context(), w.pool, id, w.jobOf(id).ID, "gone", time.Hour)
	if err != nil || !ok || c.Attempt != r.attempt+1 {
		w.r.Fatalf("the claim is %+v, %v, %v", c, ok, err)
	}
	r.state, r.attempt = Running, r.attempt+1
}

// commits is the commit of a worker whose run has work left after it.
func (w *walk) commits() {
	id, r := w.some(func(r *modelled) bool { return isRunning(r) && !r.committed })
	w.exec("insert into millrace.commits (pipeline, run_id, attempt, rows) values ('items', $1, $2, 1)", id, r.attempt)
	r.committed = true
}

func (w *walk) beats() {
	id, r := w.some(anyRun)
	news, err := w.s.leases.Renew(w.t.Context(), []lease.Held{{ID: id, Attempt: r.attempt}})
	if n := news[id]; err != nil || n.Lost != !isRunning(r) || (n.CancelBy != nil) != (isRunning(r) && r.cancel) {
		w.r.Fatalf("a heartbeat of run %+v learns %+v, %v", *r, n, err)
	}
}

func (w *walk) dies() {
	id, r := w.some(isRunning)
	w.exec("update millrace.runs set lease_until = now() - interval '1 second' where id = $1", id)
	if err := w.s.leases.Reap(w.t.Context()); err != nil {
		w.r.Fatal(err)
	}
	r.died()
}

func (w *walk) cancels() {
	id, r := w.some(anyRun)
	_, err := w.s.Cancel(w.t.Context(), id, "a test")
	w.taken("cancel", err, r.cancelled())
}

func (w *walk) retries() {
	id, r := w.some(anyRun)
	_, err := w.s.Retry(w.t.Context(), id, "a test")
	w.taken("retry", err, r.retried(&w.model))
}

func (w *walk) taken(what string, err error, taken bool) {
	if taken && err != nil || !taken && !errors.Is(err, ErrConflict) {
		w.r.Fatalf("%s: %v, taken by the model: %v", what, err, taken)
	}
}

func (w *walk) waitIsOver() {
	id, r := w.some(func(r *modelled) bool { return r.state == Retrying && !r.job })
	w.exec("update millrace.runs set next_attempt_at = now() where id = $1", id)
	if err := w.s.queue.RetryDue(w.t.Context()); err != nil {
		w.r.Fatal(err)
	}
	r.job = true
}

func (w *walk) prunes() {
	if _, err := w.s.Prune(w.t.Context(), Prune{OlderThan: time.Now().Add(time.Hour)}); err != nil {
		w.r.Fatal(err)
	}
	for id, r := range w.runs {
		if r.state.Ended() {
			delete(w.runs, id)
		}
	}
}

// check holds the history against the model.
func (w *walk) check() {
	w.t.Helper()
	if err := w.s.queue.AdmitAll(w.t.Context()); err != nil {
		w.r.Fatal(err)
	}
	w.admit()
	rows, _ := w.pool.Query(w.t.Context(), `
select r.id::text, r.state, r.attempt, r.failures, r.losses, r.active, r.cancel_by is not null,
       (select count(*) from items i where i.run = r.id::text), (select count(*) from millrace.commits c where c.run_id = r.id::text)
  from millrace.runs r`)
	found := 0
	var id string
	var got modelled
	var written, commits int
	_, err := pgx.ForEachRow(rows, []any{&id, &got.state, &got.attempt, &got.failures, &got.losses, &got.active, &got.cancel, &written, &commits}, func() error {
		found++
		want, ok := w.runs[id]
		if !ok {
			return fmt.Errorf("run %s is not in the model", id)
		}
		got.job, got.place, got.committed = want.job, want.place, commits == 1
		if got != *want {
			return fmt.Errorf("run %s is %+v, want %+v", id, got, *want)
		}
		if commits == 0 && written > 0 || commits > 1 || commits == 1 && (got.state == Failed || got.state == Cancelled) {
			return fmt.Errorf("run %s is %s with %d rows and %d commits", id, got.state, written, commits)
		}
		return nil
	})
	if err != nil || found != len(w.runs) {
		w.r.Fatalf("%d runs of %d: %v", found, len(w.runs), err)
	}
}
