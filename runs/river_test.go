package runs

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertest"
	"github.com/riverqueue/river/rivertype"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/queue"
)

// jobIn is what the job of a run that may begin looks like in a schema.
func jobIn(schema string) *rivertest.RequireInsertedOpts {
	return &rivertest.RequireInsertedOpts{Schema: schema, Queue: "millrace", MaxAttempts: 1, State: rivertype.JobStateAvailable}
}

// noJob has RequireNotInserted fail for every job of ours in a schema: with nothing but the schema it would for none.
func noJob(schema string) *rivertest.RequireInsertedOpts {
	return &rivertest.RequireInsertedOpts{Schema: schema, Queue: "millrace"}
}

// onlyJob returns the job of the only run of a pipeline that ever had one.
func onlyJob(t testing.TB, pool *pgxpool.Pool, name string) *river.Job[queue.JobArgs] {
	t.Helper()
	return rivertest.RequireInserted(t.Context(), t, riverpgxv5.New(pool), queue.JobArgs{Pipeline: name}, &rivertest.RequireInsertedOpts{Schema: "millrace"})
}

// oneByOne runs statements on a connection, each in a transaction of its own, as a River client does. In one
// transaction of the test's the job would be locked when the run's own transaction ends it.
type oneByOne struct {
	pgx.Tx
	conn *pgx.Conn
}

func (o oneByOne) Conn() *pgx.Conn { return o.conn }

func (o oneByOne) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return o.conn.Exec(ctx, sql, args...)
}

func (o oneByOne) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return o.conn.Query(ctx, sql, args...)
}

func (o oneByOne) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return o.conn.QueryRow(ctx, sql, args...)
}

// fetches lets a replica work a job as if it had just fetched it, whatever has become of the job.
func fetches(t testing.TB, s *Service, job *rivertype.JobRow) *rivertest.WorkResult {
	t.Helper()
	conn, err := s.db.Pool.Acquire(t.Context())
	if err != nil {
		t.Error(err)
		return &rivertest.WorkResult{}
	}
	defer conn.Release()
	config := &river.Config{Schema: "millrace", Logger: slog.New(slog.DiscardHandler)}
	w := rivertest.NewWorker(t, riverpgxv5.New(nil), config, s.work.Worker())
	result, err := w.WorkJob(t.Context(), t, oneByOne{conn: conn.Conn()}, job)
	if err != nil {
		t.Errorf("the job: %v", err)
	}
	return result
}

// idle is a config of a replica that works only what the test lets it fetch.
func idle(pool *pgxpool.Pool, name string) Config {
	return Config{Pool: pool, Workers: -1, Name: name, Lease: time.Minute}
}

func TestATriggerInsertsOneJobOfItsPipelinesKind(t *testing.T) {
	for _, schema := range []string{"millrace", "history"} {
		t.Run(schema, func(t *testing.T) {
			pool := database(t)
			driver := riverpgxv5.New(pool)
			s := start(t, Config{Pool: pool, Schema: schema, Workers: -1}, writes("items", pool, 1, nil), writes("others", pool, 1, nil))
			if _, err := s.Trigger(t.Context(), "items", Trigger{Params: map[string]string{"n": "1"}}); !errors.Is(err, ErrInvalid) {
				t.Fatalf("a param that the pipeline has not: %v", err)
			}
			rivertest.RequireNotInserted(t.Context(), t, driver, queue.JobArgs{Pipeline: "items"}, noJob(schema))
			run := trigger(t, s, "items")
			job := rivertest.RequireInserted(t.Context(), t, driver, queue.JobArgs{Pipeline: "items"}, jobIn(schema))
			if job.Kind != "run:items" || job.Args != (queue.JobArgs{Run: run.ID, Pipeline: "items"}) {
				t.Errorf("the job is %q with %+v", job.Kind, job.Args)
			}
			rivertest.RequireNotInserted(t.Context(), t, driver, queue.JobArgs{Pipeline: "others"}, noJob(schema))
		})
	}
}

func TestJobsAreInsertedInTheOrderOfTheirRuns(t *testing.T) {
	pool := database(t)
	items, others := writes("items", pool, 1, nil), writes("others", pool, 1, nil)
	items.MaxActive = 2
	s := start(t, idle(pool, "first"), items, others)
	want := []Record{trigger(t, s, "items"), trigger(t, s, "others"), trigger(t, s, "items"), trigger(t, s, "items"), trigger(t, s, "others")}
	// The last two wait for a place.
	jobs := rivertest.RequireManyInserted(t.Context(), t, riverpgxv5.New(pool), []rivertest.ExpectedJob{
		{Args: queue.JobArgs{Pipeline: "items"}, Opts: jobIn("millrace")},
		{Args: queue.JobArgs{Pipeline: "others"}, Opts: jobIn("millrace")},
		{Args: queue.JobArgs{Pipeline: "items"}, Opts: jobIn("millrace")},
	})
	for i, job := range jobs {
		if !contains(string(job.EncodedArgs), `"`+want[i].ID+`"`) {
			t.Errorf("job %d is %s, want run %s", i, job.EncodedArgs, want[i].ID)
		}
	}
}

// One of the two inserts is refused by the database: neither stays.
func TestARunAndItsJobAreInsertedTogetherOrNotAtAll(t *testing.T) {
	for name, refuse := range map[string]string{
		"the job is refused":                      "create trigger refuse before insert on millrace.river_job for each row execute function refuse()",
		"the run is refused when all is inserted": "create constraint trigger refuse after insert on millrace.runs deferrable initially deferred for each row execute function refuse()",
	} {
		t.Run(name, func(t *testing.T) {
			pool := database(t)
			s := start(t, idle(pool, "first"), writes("items", pool, 1, nil))
			const function = "create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$"
			for _, sql := range []string{function, refuse} {
				if _, err := pool.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Trigger(t.Context(), "items", Trigger{}); err == nil || !contains(err.Error(), "not this one") {
				t.Errorf("got %v", err)
			}
			rivertest.RequireNotInserted(t.Context(), t, riverpgxv5.New(pool), queue.JobArgs{Pipeline: "items"}, noJob("millrace"))
			if page, err := s.List(t.Context(), Filter{}, 0, ""); err != nil || len(page.Items) != 0 {
				t.Errorf("the history has %+v, %v", page.Items, err)
			}
		})
	}
}

func TestARunThatWaitsForItsPlaceHasNoJob(t *testing.T) {
	pool := database(t)
	driver := riverpgxv5.New(pool)
	d := writes("items", pool, 1, func(context.Context) error { return errors.New("not yet") })
	d.Retry = pipeline.Retry{MaxAttempts: 2, Backoff: time.Hour}
	s := start(t, idle(pool, "first"), d)
	holder := trigger(t, s, "items")
	// River is not told of the failure: the job was a turn to begin, and it began.
	if done := fetches(t, s, onlyJob(t, pool, "items").JobRow); done.EventKind != river.EventKindJobCompleted {
		t.Errorf("the job of an attempt that failed: %s", done.EventKind)
	}
	if r := awaitState(t, s, holder.ID, Retrying, Failed, Succeeded); r.State != Retrying {
		t.Fatalf("the record is %+v", r)
	}
	// As River does with finished jobs after some minutes, so that any job is a new one.
	if _, err := pool.Exec(t.Context(), "delete from millrace.river_job where state = 'completed'"); err != nil {
		t.Fatal(err)
	}
	waits := trigger(t, s, "items")
	rivertest.RequireNotInserted(t.Context(), t, driver, queue.JobArgs{Pipeline: "items"}, noJob("millrace"))
	cancel(t, s, holder.ID)
	await(t, "the place", func() bool { // the admitter may have been looking while the run was cancelled
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from millrace.river_job").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
	if job := rivertest.RequireInserted(t.Context(), t, driver, queue.JobArgs{Pipeline: "items"}, jobIn("millrace")); job.Args.Run != waits.ID {
		t.Errorf("the job is for %s, want %s", job.Args.Run, waits.ID)
	}
}

func TestAJobIsCompletedWithItsRun(t *testing.T) {
	pool := database(t)
	s := start(t, idle(pool, "first"), writes("items", pool, 3, nil))
	run := trigger(t, s, "items")
	done := fetches(t, s, onlyJob(t, pool, "items").JobRow)
	if done.EventKind != river.EventKindJobCompleted || done.Job.State != rivertype.JobStateCompleted {
		t.Errorf("the job ended as %s, %s", done.EventKind, done.Job.State)
	}
	r, err := s.Get(t.Context(), run.ID)
	if err != nil || r.State != Succeeded || r.Attempt != 1 || r.Worker != "first" || count(t, pool, run.ID) != 3 {
		t.Errorf("the record is %+v, %v", r, err)
	}
	// In the data's transaction, and not by the client afterwards.
	var together bool
	if err := pool.QueryRow(t.Context(), "select j.xmin::text = i.xmin::text from millrace.river_job j, items i where i.n = 0").Scan(&together); err != nil || !together {
		t.Errorf("the job was completed in the transaction of its data: %v, %v", together, err)
	}
}

// A job is no more than a turn to begin: one whose run has moved on changes nothing.
func TestAJobWhoseRunHasMovedOnDoesNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		moves   func(t *testing.T, s *Service, run Record, job *rivertype.JobRow)
		state   State
		attempt int
	}{
		{"the run was cancelled", func(t *testing.T, s *Service, run Record, _ *rivertype.JobRow) {
			cancel(t, s, run.ID)
		}, Cancelled, 0},
		{"the run has succeeded", func(t *testing.T, s *Service, _ Record, job *rivertype.JobRow) {
			fetches(t, s, job)
		}, Succeeded, 1},
		{"the run was cancelled and retried, which gave it another job", func(t *testing.T, s *Service, run Record, _ *rivertype.JobRow) {
			cancel(t, s, run.ID)
			if _, err := s.Retry(t.Context(), run.ID, "a test"); err != nil {
				t.Fatal(err)
			}
		}, Queued, 0},
		{"the run was removed from the history", func(t *testing.T, s *Service, run Record, _ *rivertype.JobRow) {
			cancel(t, s, run.ID)
			if n, err := s.Prune(t.Context(), Prune{OlderThan: time.Now().Add(time.Hour)}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := database(t)
			s := start(t, idle(pool, "first"), writes("items", pool, 3, nil))
			run := trigger(t, s, "items")
			job := onlyJob(t, pool, "items").JobRow
			c.moves(t, s, run, job)
			before, wrong := s.Get(t.Context(), run.ID)
			if before.State != c.state {
				t.Fatalf("the record is %+v, %v", before, wrong)
			}
			rows := count(t, pool, run.ID)
			// A replica that had fetched the job before has not begun it yet.
			if _, err := pool.Exec(t.Context(), "update millrace.river_job set state = 'available', finalized_at = null where id = $1", job.ID); err != nil {
				t.Fatal(err)
			}
			if done := fetches(t, s, job); done.EventKind != river.EventKindJobCompleted {
				t.Errorf("the job: %s", done.EventKind)
			}
			after, _ := s.Get(t.Context(), run.ID)
			if after.State != c.state || after.Attempt != c.attempt || after.EndedAt != before.EndedAt || len(after.Attempts) != c.attempt {
				t.Errorf("the record is %+v, and was %+v", after, before)
			}
			if n := count(t, pool, run.ID); n != rows {
				t.Errorf("%d rows, and there were %d", n, rows)
			}
		})
	}
}

func TestAJobThatTwoReplicasFetchIsWorkedOnce(t *testing.T) {
	pool := database(t)
	g := newGate()
	first := start(t, idle(pool, "first"), writes("items", pool, 3, g.wait))
	second := start(t, idle(pool, "second"), writes("items", pool, 3, nil))
	run := trigger(t, first, "items")
	job := onlyJob(t, pool, "items").JobRow
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		fetches(t, first, job)
	}()
	g.awaits(t)
	fetches(t, second, job)
	r, err := second.Get(t.Context(), run.ID)
	if err != nil || r.State != Running || r.Attempt != 1 || r.Worker != "first" {
		t.Errorf("the record is %+v, %v", r, err)
	}
	close(g.open)
	<-worked
	r, err = second.Get(t.Context(), run.ID)
	if err != nil || r.State != Succeeded || r.Attempt != 1 || r.Worker != "first" || count(t, pool, run.ID) != 3 {
		t.Errorf("the record is %+v, %v", r, err)
	}
}

// A job that a replica cannot begin goes back into the queue, where another one finds it.
func TestAJobThatCannotBeBegunIsSnoozed(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(s *Service)
		wait   time.Duration
	}{
		{"the service is stopping", func(s *Service) { s.work.BeginNoMore() }, 0},
		{"the database does not answer", func(s *Service) { s.control.Close() }, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := database(t)
			d := writes("items", pool, 3, nil)
			s := start(t, idle(pool, "first"), d)
			run := trigger(t, s, "items")
			job := onlyJob(t, pool, "items").JobRow
			c.breaks(s)
			began := time.Now()
			done := fetches(t, s, job)
			if done.EventKind != river.EventKindJobSnoozed || done.Job.State != rivertype.JobStateAvailable {
				t.Errorf("the job is %s, %s", done.EventKind, done.Job.State)
			}
			if at := done.Job.ScheduledAt; at.Before(began.Add(c.wait-time.Millisecond)) || at.After(time.Now().Add(c.wait)) {
				t.Errorf("the job may begin %v after it was fetched, want %v", at.Sub(began), c.wait)
			}
			if r, err := s.Get(t.Context(), run.ID); err != nil || r.State != Queued || r.Attempt != 0 {
				t.Errorf("the record is %+v, %v", r, err)
			}
			other := start(t, idle(pool, "second"), d)
			if done := fetches(t, other, done.Job); done.EventKind != river.EventKindJobCompleted {
				t.Errorf("the job: %s", done.EventKind)
			}
			if r, err := other.Get(t.Context(), run.ID); err != nil || r.State != Succeeded || r.Attempt != 1 || r.Worker != "second" || count(t, pool, run.ID) != 3 {
				t.Errorf("the record is %+v, %v", r, err)
			}
		})
	}
}

func cancel(t testing.TB, s *Service, id string) {
	t.Helper()
	if _, err := s.Cancel(t.Context(), id, "a test"); err != nil {
		t.Fatal(err)
	}
}
