package pgunit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// reading is a source that needs a connection of its own while it reads.
type reading struct{ pool *pgxpool.Pool }

func (r reading) Extract(ctx context.Context, out *pipeline.Writer[row]) error {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return out.Write(row{ID: 1})
}

func small(t testing.TB, pool *pgxpool.Pool, most int32) *pgxpool.Pool {
	t.Helper()
	config := pool.Config()
	config.MaxConns = most
	own, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	return own
}

// Runs that wait for their turn hold no connection that the run whose turn it is could want.
func TestRunsThatWaitLeaveThePoolToTheOneThatWorks(t *testing.T) {
	pool := devdb.Test(t)
	tables(t, pool, "a")
	pool = small(t, pool, 2)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			p := pipeline.New("test", pipeline.Options{})
			pipeline.To(pipeline.From(p, "read", reading{pool}), "load", sinks.Postgres[row]{Pool: pool, Table: "a", Mode: sinks.Replace})
			if _, err := p.Run(soon(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// An attempt that is stuck keeps its place only until the next attempt of its run: in the same process, and beside it.
func TestAStuckAttemptIsSupersededThoughItHoldsItsTables(t *testing.T) {
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("a pool of its own: %v", own), func(t *testing.T) {
			pool := devdb.Test(t)
			tables(t, pool, "a")
			state := sinks.PostgresState{Pool: pool}
			second := pool
			if own {
				second = small(t, pool, 4)
			}
			begun, free := make(chan struct{}), make(chan struct{})
			stuck := pipeline.New("test", pipeline.Options{RunID: "r", State: state})
			pipeline.To(pipeline.From(stuck, "read", pipeline.SourceFunc[row](func(context.Context, *pipeline.Writer[row]) error {
				close(begun)
				<-free // hears of no cancellation
				return nil
			})), "load", sinks.Postgres[row]{Pool: pool, Table: "a", Mode: sinks.Replace})
			first := stuck.Start(soon(t))
			<-begun
			next := pipeline.New("test", pipeline.Options{RunID: "r", Attempt: 2, State: sinks.PostgresState{Pool: second}})
			pipeline.To(pipeline.From(next, "read", numbered(3)), "load", sinks.Postgres[row]{Pool: second, Table: "a", Mode: sinks.Replace})
			if _, err := next.Run(soon(t)); err != nil {
				t.Error(err)
			}
			close(free)
			if _, err := first.Wait(); err == nil {
				t.Error("the stuck attempt has committed too")
			}
			if got := one(t, pool, "select count(*)::text from a"); got != "3" {
				t.Errorf("%s rows", got)
			}
		})
	}
}

// A run that waits for another one ends when it is cancelled, and those behind it go on.
func TestAWaitingRunCanBeCancelled(t *testing.T) {
	pool := devdb.Test(t)
	tables(t, pool, "a")
	begun, free := make(chan struct{}), make(chan struct{})
	run := func(ctx context.Context, pool *pgxpool.Pool, source pipeline.SourceFunc[row]) *pipeline.Execution {
		p := pipeline.New("test", pipeline.Options{})
		pipeline.To(pipeline.From(p, "read", source), "load", sinks.Postgres[row]{Pool: pool, Table: "a", Mode: sinks.Replace})
		return p.Start(ctx)
	}
	first := run(soon(t), pool, func(ctx context.Context, _ *pipeline.Writer[row]) error {
		close(begun)
		<-free
		return nil
	})
	<-begun
	for _, other := range []*pgxpool.Pool{pool, small(t, pool, 4)} { // at the gate, and at the server's lock
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := run(ctx, other, numbered(1)).Wait(); err == nil {
			t.Error("it did not wait")
		}
		cancel()
	}
	last := run(soon(t), pool, numbered(2))
	close(free)
	for _, e := range []*pipeline.Execution{first, last} {
		if _, err := e.Wait(); err != nil {
			t.Error(err)
		}
	}
	if got := one(t, pool, "select count(*)::text from a"); got != "2" {
		t.Errorf("%s rows", got)
	}
}
