package runs

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(devdb.Main(m))
}

// item is a record of the tests' pipelines.
type item struct {
	Run string `db:"run"`
	N   int64  `db:"n"`
}

// gate holds a run where a test wants it.
type gate struct {
	arrived chan string   // the IDs of runs that have come to the gate
	open    chan struct{} // closed to let them through
}

func newGate() *gate { return &gate{arrived: make(chan string, 100), open: make(chan struct{})} }

func (g *gate) wait(ctx context.Context) error {
	run, _ := pipeline.RunFrom(ctx)
	g.arrived <- run.ID
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaits waits until a run has come to the gate.
func (g *gate) awaits(t *testing.T) string {
	t.Helper()
	select {
	case id := <-g.arrived:
		return id
	case <-time.After(20 * time.Second):
		t.Fatal("no run came to the gate")
		return ""
	}
}

// writes is a definition whose runs write n rows into the table items of the pool.
func writes(name string, pool *pgxpool.Pool, n int, before func(ctx context.Context) error) Definition {
	return Definition{
		Name: name, Description: "writes items",
		Build: func(_ context.Context, run Run) (*pipeline.Pipeline, error) {
			p := pipeline.New(name, pipeline.Options{})
			items := pipeline.From(p, "make", pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
				if before != nil {
					if err := before(ctx); err != nil {
						return err
					}
				}
				pipeline.LoggerFrom(ctx).Info("making items", "count", n)
				for i := range n {
					if err := out.Write(item{Run: run.ID, N: int64(i)}); err != nil {
						return err
					}
				}
				return nil
			}))
			pipeline.To(items, "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
			return p, nil
		},
	}
}

// withItems makes the table that writes needs.
func withItems(t testing.TB, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	if _, err := pool.Exec(t.Context(), "create table items (run text not null, n bigint not null)"); err != nil {
		t.Fatal(err)
	}
	return pool
}

func database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return withItems(t, devdb.Test(t))
}

// service returns a migrated service that is not started.
func service(t testing.TB, c Config, definitions ...Definition) *Service {
	t.Helper()
	c.Registry = &Registry{}
	c.Registry.Add(definitions...)
	if c.Logger == nil && testing.Verbose() {
		c.Logger = hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	}
	if c.Progress == 0 {
		c.Progress = 20 * time.Millisecond
	}
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// start starts a service that is stopped at the test's end.
func start(t testing.TB, c Config, definitions ...Definition) *Service {
	t.Helper()
	s := service(t, c, definitions...)
	begin(t, s)
	return s
}

func begin(t testing.TB, s *Service) {
	t.Helper()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
}

func stop(t testing.TB, s *Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// awaitState waits until a run is in one of the states.
func awaitState(t testing.TB, s *Service, id string, states ...State) Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var last Record
	for snapshot, err := range s.Watch(ctx, id, 0) {
		if err != nil {
			t.Fatal(err)
		}
		last = snapshot.Record
		for _, state := range states {
			if last.State == state {
				full, err := s.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				return full
			}
		}
	}
	t.Fatalf("run %s is %s (%s) %s, not one of %v", id, last.State, last.Reason, last.Error, states)
	return last
}

func trigger(t testing.TB, s *Service, name string) Record {
	t.Helper()
	r, err := s.Trigger(t.Context(), name, Trigger{By: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// count returns how many rows a run has written.
func count(t testing.TB, pool *pgxpool.Pool, run string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "select count(*) from items where run = $1", run).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// await asks again and again until ok, up to a minute.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// is checks an error's kind and words.
func is(t testing.TB, err, kind error, words string) {
	t.Helper()
	if !errors.Is(err, kind) || words != "" && !contains(err.Error(), words) {
		t.Errorf("got %v, want %v with %q", err, kind, words)
	}
}
