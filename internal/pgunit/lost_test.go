package pgunit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

func short(t testing.TB) {
	pgunit.Limits(t, pgunit.QueueBytes, 2*time.Second, time.Second, 500*time.Millisecond, 2*time.Second, time.Minute)
}

// run loads ten rows into table a.
func run(t testing.TB, pool *pgxpool.Pool, o pipeline.Options) (pipeline.Report, error) {
	t.Helper()
	p := pipeline.New("test", o)
	pipeline.To(pipeline.From(p, "extract", numbered(10)), "load", sinks.Postgres[row]{Pool: pool, Table: "a"})
	return p.Run(soon(t))
}

func wantRows(t testing.TB, pool *pgxpool.Pool, want int) {
	t.Helper()
	if got := one(t, pool, "select count(*)::text from a"); got != fmt.Sprint(want) {
		t.Errorf("%s rows, want %d", got, want)
	}
}

// nobodyElse checks that the run has left no session in a transaction.
func nobodyElse(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := one(t, pool, "select count(*)::text from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'")
		if got == "0" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s sessions are in a transaction", got)
		}
	}
}

func TestACommitWhoseAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		name      string
		onCommit  int32
		committed bool
	}{
		{"the server committed", loseAnswer, true},
		{"the server never heard of it", loseCommit, false},
		{"the network is gone", swallow, false},
	} {
		for _, ledger := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ledger %v", c.name, ledger), func(t *testing.T) {
				short(t)
				direct := devdb.Test(t)
				tables(t, direct, "a")
				proxy, pool := newProxy(t, direct)
				var o pipeline.Options
				if ledger {
					o.State = sinks.PostgresState{Pool: pool}
				}
				p := pipeline.New("test", o)
				loaded := pipeline.To(pipeline.From(p, "extract", numbered(10)), "load", sinks.Postgres[row]{Pool: pool, Table: "a"})
				pipeline.Do(p, "arm", func(context.Context) error {
					proxy.onCommit.Store(c.onCommit)
					return nil
				}, pipeline.After(loaded))
				_, err := p.Run(soon(t))
				if c.committed {
					if err != nil {
						t.Fatal(err)
					}
					wantRows(t, direct, 10)
				} else {
					if err == nil || pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrOutcomeUnknown) {
						t.Fatalf("want an error that is worth another try, got %v", err)
					}
					wantRows(t, direct, 0)
				}
				nobodyElse(t, direct)
				if n := pool.Stat().AcquiredConns(); n != 0 {
					t.Errorf("%d connections are kept", n)
				}
			})
		}
	}
}

func TestACommitWhoseOutcomeCannotBeFoundOut(t *testing.T) {
	short(t)
	direct := devdb.Test(t)
	tables(t, direct, "a")
	proxy, pool := newProxy(t, direct)
	runOnce := func(o pipeline.Options) error {
		p := pipeline.New("test", o)
		loaded := pipeline.To(pipeline.From(p, "extract", numbered(10)), "load", sinks.Postgres[row]{Pool: pool, Table: "a"})
		pipeline.Do(p, "arm", func(context.Context) error {
			proxy.onCommit.Store(loseAnswer)
			proxy.closed.Store(true)
			return nil
		}, pipeline.After(loaded))
		_, err := p.Run(soon(t))
		proxy.closed.Store(false)
		return err
	}
	err := runOnce(pipeline.Options{})
	var commit *pipeline.CommitError
	if !errors.Is(err, pipeline.ErrOutcomeUnknown) || !errors.As(err, &commit) || !commit.Unknown || !pipeline.IsPermanent(err) {
		t.Fatalf("without a ledger nobody can know, got %v", err)
	}
	wantRows(t, direct, 10)

	o := pipeline.Options{RunID: "r", State: sinks.PostgresState{Pool: pool}}
	err = runOnce(o)
	if !errors.Is(err, pipeline.ErrOutcomeUnknown) || pipeline.IsPermanent(err) {
		t.Fatalf("with a ledger another attempt finds out, got %v", err)
	}
	report, err := run(t, pool, o)
	if err != nil || !report.AlreadyCommitted {
		t.Errorf("got %v, already committed is %v", err, report.AlreadyCommitted)
	}
	wantRows(t, direct, 20)
}

func TestARunThatLosesItsConnectionIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(t *testing.T, direct *pgxpool.Pool, proxy *proxy)
	}{
		{"the session is terminated", func(t *testing.T, direct *pgxpool.Pool, _ *proxy) {
			exec(t, direct, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'copy%' and pid <> pg_backend_pid()")
		}},
		{"the network is cut", func(t *testing.T, _ *pgxpool.Pool, proxy *proxy) { proxy.cut() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			short(t)
			direct := devdb.Test(t)
			tables(t, direct, "a")
			proxy, pool := newProxy(t, direct)
			attempts := 0
			p := pipeline.New("test", pipeline.Options{BatchSize: 1, Retry: pipeline.Retry{MaxAttempts: 3, Backoff: time.Millisecond}})
			pipeline.To(pipeline.From(p, "extract", pipeline.SourceFunc[row](func(ctx context.Context, out *pipeline.Writer[row]) error {
				attempts++
				if err := numbered(10)(ctx, out); err != nil {
					return err
				}
				if attempts > 1 {
					return nil
				}
				if err := out.Flush(); err != nil {
					return err
				}
				if err := copying(ctx, direct); err != nil {
					return err
				}
				c.lose(t, direct, proxy)
				<-ctx.Done() // while the input is idle
				return ctx.Err()
			})), "load", narrow{pool, "a"})
			if _, err := p.Run(soon(t)); err != nil {
				t.Fatal(err)
			}
			if attempts != 2 {
				t.Errorf("%d attempts", attempts)
			}
			wantRows(t, direct, 10)
			nobodyElse(t, direct)
		})
	}
}

// copying waits until a COPY is under way.
func copying(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		var found bool
		err := pool.QueryRow(ctx, "select exists (select from pg_stat_activity where datname = current_database() and state = 'active' and query ilike 'copy%' and pid <> pg_backend_pid())").Scan(&found)
		if err != nil || found {
			return err
		}
	}
}

func TestADeadNetworkDoesNotHoldUpACancelledRun(t *testing.T) {
	short(t)
	direct := devdb.Test(t)
	tables(t, direct, "a")
	proxy, pool := newProxy(t, direct)
	ctx, cancel := context.WithCancelCause(soon(t))
	gone := errors.New("nobody waits for it")
	p := pipeline.New("test", pipeline.Options{BatchSize: 1})
	pipeline.To(pipeline.From(p, "extract", pipeline.SourceFunc[row](func(ctx context.Context, out *pipeline.Writer[row]) error {
		if err := numbered(10)(ctx, out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if err := copying(ctx, direct); err != nil {
			return err
		}
		proxy.deaf.Store(true)
		cancel(gone)
		<-ctx.Done()
		return ctx.Err()
	})), "load", narrow{pool, "a"})
	begin := time.Now()
	_, err := p.Run(ctx)
	if !errors.Is(err, gone) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	proxy.deaf.Store(false)
	wantRows(t, direct, 0)
}

func TestAPoolThatOthersUseUpIsAnError(t *testing.T) {
	short(t)
	config := devdb.Test(t).Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	tables(t, pool, "a")
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	_, err = run(t, pool, pipeline.Options{})
	if err == nil || pipeline.IsPermanent(err) || !errors.As(err, new(*pipeline.ValidationError)) {
		t.Errorf("got %v", err)
	}
}

// A process that is stopped between taking the fence and COMMIT must not hold up
// its successor for ever, and cannot commit when it goes on.
func TestAProcessThatStopsBeforeItsCommitIsPassedBy(t *testing.T) {
	pgunit.Limits(t, pgunit.QueueBytes, 10*time.Second, 5*time.Second, 10*time.Second, 10*time.Second, 300*time.Millisecond)
	pool := devdb.Test(t)
	tables(t, pool, "a")
	o := pipeline.Options{RunID: "r", State: sinks.PostgresState{Pool: pool}}
	stopped, goOn := make(chan struct{}), make(chan struct{})
	p := pipeline.New("test", o)
	loaded := pipeline.To(pipeline.From(p, "extract", numbered(3)), "load", sinks.Postgres[row]{Pool: pool, Table: "a"})
	pipeline.Do(p, "stop", func(ctx context.Context) error {
		_, err := pipeline.Join(ctx, "stop", func(context.Context) (stop, error) { return stop{stopped, goOn}, nil })
		return err
	}, pipeline.After(loaded))
	old := p.Start(soon(t))
	<-stopped
	o.Attempt = 2
	if report, err := run(t, pool, o); err != nil || report.AlreadyCommitted {
		t.Fatalf("the successor: %v, already committed is %v", err, report.AlreadyCommitted)
	}
	close(goOn)
	if _, err := old.Wait(); err == nil {
		t.Error("both have committed")
	}
	wantRows(t, pool, 10)
}

// stop is a unit that waits in its commit, before that of the ledger.
type stop struct{ stopped, goOn chan struct{} }

func (stop) Name() string                  { return "a stop" }
func (stop) Phase() pipeline.Phase         { return pipeline.PhaseData }
func (stop) Prepare(context.Context) error { return nil }
func (s stop) Commit(context.Context) error {
	close(s.stopped)
	<-s.goOn
	return nil
}
func (stop) Rollback(context.Context) error { return nil }
