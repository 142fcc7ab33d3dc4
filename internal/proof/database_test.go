package proof

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
)

// TestADatabaseKilledAtAnyInstant kills the server under runs that retry, and starts
// it again, until it was killed often enough.
func TestADatabaseKilledAtAnyInstant(t *testing.T) {
	server := devdb.TestServer(t)
	for _, s := range some(0) {
		t.Run(s.name, func(t *testing.T) {
			db, err := server.NewDatabase(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			a := newArena(t, s, db.URL)
			pool, err := pgxpool.New(t.Context(), db.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var takes time.Duration
			blows, wanted := 0, amount(1, 10)
			for run := 1; blows < wanted; run++ {
				a.untilUp(func(ctx context.Context) error { return s.prepare(ctx, a.pool, run) })
				began := time.Now()
				e := s.pipelineOf(pool, a.dir, runName(run), 1, quickRetry).Start(t.Context())
				if run > 1 {
					// One blow falls into the first attempt, a second perhaps into a retry.
					for range 1 + a.random.IntN(2) {
						pause(t.Context(), a.moment(takes))
						blow := server.Kill
						if a.random.IntN(2) == 0 {
							blow = server.StopImmediate
						}
						if err := blow(t.Context()); err != nil {
							t.Fatal(err)
						}
						blows++
						if err := server.Restart(t.Context()); err != nil {
							t.Fatal(err)
						}
						a.untilUp(func(ctx context.Context) error {
							_, err := a.check(ctx, run-1)
							return err
						})
					}
				}
				rep, err := e.Wait()
				if err != nil {
					t.Fatalf("run %d, after %d attempts: %v", run, rep.Attempt, err)
				}
				if run == 1 {
					takes = time.Since(began)
				}
				if committed, err := a.check(t.Context(), run-1); err != nil || committed != run {
					t.Fatalf("run %d: %d runs committed, error %v", run, committed, err)
				}
				a.checkFile()
			}
			a.noLeftovers()
			t.Logf("the server was killed %d times", blows)
		})
	}
}

// untilUp tries f until it succeeds: connections of the judge's pool were cut too.
func (a *arena) untilUp(f func(ctx context.Context) error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Second)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			a.t.Fatal(err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// pause waits for a random moment to come; nothing is waited for that could be known.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
