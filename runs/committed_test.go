package runs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// What is committed is never failed nor cancelled: every place that ends a run, with every answer of the ledger.

// stubborn is a sink whose work after the commit fails, for good, a number of times.
type stubborn struct {
	pipeline.SinkFunc[item]
	left *atomic.Int64
}

func (s stubborn) Finish(context.Context) error {
	if s.left.Add(-1) >= 0 {
		return pipeline.Permanent(errors.New("the folder is gone"))
	}
	return nil
}

// unnamed is a unit of work that fails after the databases have committed.
type unnamed struct{}

func (unnamed) Name() string                   { return "file" }
func (unnamed) Phase() pipeline.Phase          { return pipeline.PhaseFiles }
func (unnamed) Prepare(context.Context) error  { return nil }
func (unnamed) Rollback(context.Context) error { return nil }
func (unnamed) Commit(context.Context) error   { return errors.New("the folder is gone") }

// publishes writes an item, and something that is not published until left is used up.
func publishes(pool *pgxpool.Pool, left *atomic.Int64) Definition {
	d := writes("items", pool, 1, nil)
	d.Retry = pipeline.Retry{Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
	inner := d.Build
	d.Build = func(ctx context.Context, run Run) (*pipeline.Pipeline, error) {
		p, err := inner(ctx, run)
		if err != nil {
			return nil, err
		}
		in := pipeline.From(p, "again", pipeline.SourceFunc[item](func(context.Context, *pipeline.Writer[item]) error { return nil }))
		pipeline.To(in, "publish", stubborn{left: left, SinkFunc: func(ctx context.Context, in *pipeline.Reader[item]) error {
			if _, err := pipeline.Join(ctx, unnamed{}, func(context.Context) (unnamed, error) { return unnamed{}, nil }); err != nil {
				return err
			}
			for _, err := range in.All() {
				if err != nil {
					return err
				}
			}
			return nil
		}})
		return p, nil
	}
	return d
}

func TestWhatIsCommittedIsBegunAgainUntilItIsPublished(t *testing.T) {
	pool := database(t)
	var left atomic.Int64
	left.Store(MaxLosses + 3) // Retry allows one attempt
	s := start(t, Config{Pool: pool}, publishes(pool, &left))
	r := awaitState(t, s, trigger(t, s, "items").ID, Succeeded, Failed, Cancelled)
	if r.State != Succeeded || r.Attempt != MaxLosses+5 || count(t, pool, r.ID) != 1 {
		t.Errorf("the record is %+v", r)
	}
	if first := r.Attempts[1]; first.State != Failed || first.Reason != "a part of it is committed; attempt 3 completes it" {
		t.Errorf("the second attempt is %+v", first)
	}
}

func TestWhatIsCommittedAndWaitsCannotBeCancelled(t *testing.T) {
	pool := database(t)
	s := service(t, Config{Pool: pool}, writes("items", pool, 1, nil))
	if err := s.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, state := range []State{Queued, Retrying, Lost, Running} {
		run := trigger(t, s, "items")
		if state != Queued && state != Running { // which only a running one becomes
			if _, err := pool.Exec(t.Context(), "alter table millrace.runs disable trigger refuse_move"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := pool.Exec(t.Context(), `
with c as (insert into millrace.commits (pipeline, run_id, attempt, rows) values ('items', $1::text, 1, 1))
update millrace.runs
   set state = $2, attempt = 1, worker = 'w', active = true, job_id = 1, started_at = now(),
       lease_until = case when $2 = 'running' then now() + interval '1 hour' end,
       next_attempt_at = case when $2 = 'retrying' then now() + interval '1 hour' end
 where id = $1::text::uuid`, run.ID, state); err != nil {
			t.Fatal(err)
		}
		_, err := s.Cancel(t.Context(), run.ID, "Ada")
		is(t, err, ErrConflict, "is committed")
		if r, err := s.Get(t.Context(), run.ID); err != nil || r.State != state {
			t.Errorf("%s: %+v, %v", state, r, err)
		}
	}
}

// apart is a run whose data is in another database, of which the history's knows nothing, and whose attempts stand at a
// gate before they write.
func apart(t *testing.T) (home, data *pgxpool.Pool, d Definition, g *gate) {
	t.Helper()
	home, data = database(t), database(t)
	g = newGate()
	d = writes("items", data, 1, g.wait)
	d.Retry = pipeline.Retry{Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
	// The data's database has its ledger once a run has committed there.
	before := start(t, Config{Pool: home, Name: "before"}, writes("items", data, 1, nil))
	if r := awaitState(t, before, trigger(t, before, "items").ID, Succeeded, Failed); r.State != Succeeded {
		t.Fatalf("the record is %+v", r)
	}
	stop(t, before)
	return home, data, d, g
}

// commitThere makes the run committed in the other database, as an attempt does that dies before the history's commit.
func commitThere(t *testing.T, data *pgxpool.Pool, run string) {
	t.Helper()
	if _, err := data.Exec(t.Context(), `
with row as (insert into items values ($1, 0)) insert into millrace.commits (pipeline, run_id, attempt, rows) values ('items', $1, 1, 1)`, run); err != nil {
		t.Fatal(err)
	}
}

func TestARunWhoseDataIsElsewhereEndsOnceThatWasAsked(t *testing.T) {
	for _, c := range []struct {
		name      string
		committed bool
		lost      bool   // its worker dies, else it lives
		then      string // what is set beside
		cancel    bool
		want      State
		reason    string
	}{
		{"its workers died, nothing is there", false, true, "losses = 4", false, Failed, "lost: its worker died 5 times in a row"},
		{"its workers died, it is there", true, true, "losses = 4", false, Succeeded, ""},
		{"it was to be cancelled when its worker died, nothing is there", false, true, "cancel_by = 'Ada'", false, Cancelled, "cancelled by Ada"},
		{"it was to be cancelled when its worker died, it is there", true, true, "cancel_by = 'Ada'", false, Succeeded, ""},
		{"it is cancelled, nothing is there", false, false, "", true, Cancelled, "cancelled by Ada"},
		{"it is cancelled, it is there", true, false, "", true, Succeeded, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			home, data, d, g := apart(t)
			s := start(t, Config{Pool: home, Workers: 4, Name: "worker", Heartbeat: 50 * time.Millisecond}, d)
			run := trigger(t, s, "items")
			g.awaits(t)
			if c.committed {
				commitThere(t, data, run.ID)
			}
			switch {
			case c.cancel:
				if _, err := s.Cancel(t.Context(), run.ID, "Ada"); err != nil {
					t.Fatal(err)
				}
			default:
				await(t, "the loss", func() bool {
					if _, err := home.Exec(t.Context(), "update millrace.runs set lease_until = now() - interval '1 second', "+c.then+" where attempt = 1 and state = 'running' and id = $1", run.ID); err != nil {
						t.Fatal(err)
					}
					s.wakeKeeper()
					now, err := s.Get(t.Context(), run.ID)
					return err == nil && (now.Attempt > 1 || now.State != Running)
				})
			}
			if c.committed {
				close(g.open)
			}
			r := awaitState(t, s, run.ID, Succeeded, Failed, Cancelled)
			rows := 0
			if c.committed {
				rows = 1
			} else {
				close(g.open)
			}
			if r.State != c.want || !contains(r.Reason, c.reason) || count(t, data, run.ID) != rows {
				t.Errorf("%d rows, the record is %+v", count(t, data, run.ID), r)
			}
		})
	}
}

func TestARunThatWaitsAndMayBeElsewhereIsCancelledOnceThatWasAsked(t *testing.T) {
	for _, committed := range []bool{false, true} {
		home, data, _, _ := apart(t)
		s := service(t, Config{Pool: home}, writes("items", data, 1, nil))
		if err := s.register(t.Context()); err != nil {
			t.Fatal(err)
		}
		run := trigger(t, s, "items")
		if _, err := home.Exec(t.Context(), `
update millrace.runs set state = 'running', attempt = 1, worker = 'w', active = true, job_id = 1, started_at = now(), lease_until = now(), elsewhere = true where id = $1`, run.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := home.Exec(t.Context(), "update millrace.runs set state = 'retrying', job_id = null, lease_until = null, next_attempt_at = now() + interval '1 hour' where id = $1", run.ID); err != nil {
			t.Fatal(err)
		}
		want := Cancelled
		if committed {
			commitThere(t, data, run.ID)
			want = Succeeded
		}
		if r, err := s.Cancel(t.Context(), run.ID, "Ada"); err != nil || r.State != Retrying || r.Reason != "is being cancelled by Ada, unless it is committed, which the next attempt asks" {
			t.Errorf("the record is %+v, %v", r, err)
		}
		begin(t, s)
		if r := awaitState(t, s, run.ID, Succeeded, Failed, Cancelled); r.State != want {
			t.Errorf("the record is %+v", r)
		}
	}
}

// A run that fails by itself, after an earlier attempt of it had committed elsewhere.
func TestARunThatFailsForGoodAndIsCommittedElsewhereIsCompleted(t *testing.T) {
	home, data, _, _ := apart(t)
	var broken atomic.Bool
	broken.Store(true)
	d := writes("items", data, 1, func(ctx context.Context) error {
		run, _ := pipeline.RunFrom(ctx)
		if broken.CompareAndSwap(true, false) {
			commitThere(t, data, run.ID)
			return pipeline.Permanent(errors.New("the source is gone"))
		}
		return nil
	})
	d.Retry = pipeline.Retry{Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
	s := start(t, Config{Pool: home}, d)
	r := awaitState(t, s, trigger(t, s, "items").ID, Succeeded, Failed)
	if r.State != Succeeded || r.Attempt != 2 || count(t, data, r.ID) != 1 {
		t.Errorf("the record is %+v", r)
	}
	// Without that it fails at once, and has been asked about by its own worker.
	d.Build = func(context.Context, Run) (*pipeline.Pipeline, error) {
		p := pipeline.New("items", pipeline.Options{})
		in := pipeline.From(p, "make", pipeline.SourceFunc[item](func(context.Context, *pipeline.Writer[item]) error { return errors.New("no") }))
		pipeline.To(in, "load", sinks.Postgres[item]{Pool: data, Table: "items"})
		return p, nil
	}
	stop(t, s)
	s = start(t, Config{Pool: home, Name: "other"}, d)
	if r := awaitState(t, s, trigger(t, s, "items").ID, Succeeded, Failed); r.State != Failed || r.Attempt != 1 || r.Reason != "failed" {
		t.Errorf("the record is %+v", r)
	}
}
