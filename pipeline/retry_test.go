package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// sqlError has an SQLSTATE, as pgconn.PgError has.
type sqlError string

func (e sqlError) Error() string    { return "SQLSTATE " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

// statusError is an error of one's own that knows whether it is worth retrying.
type statusError int

func (e statusError) Error() string   { return fmt.Sprintf("status %d", int(e)) }
func (e statusError) Permanent() bool { return e < 500 }

// statedError has both.
type statedError struct {
	statusError
	cause error
}

func (e statedError) Unwrap() error { return e.cause }

func TestWhichErrorsAreWorthRetrying(t *testing.T) {
	for _, c := range []struct {
		name      string
		err       error
		permanent bool
	}{
		{"an unknown error", io.ErrUnexpectedEOF, false},
		{"one that says it is permanent", pipeline.Permanent(io.EOF), true},
		{"one that says so, wrapped", fmt.Errorf("load: %w", pipeline.Permanent(io.EOF)), true},
		{"one that says it is transient", pipeline.Transient(sqlError("23505")), false},
		{"the outermost mark", pipeline.Transient(pipeline.Permanent(io.EOF)), false},
		{"one of a type that says so itself", fmt.Errorf("call: %w", statusError(404)), true},
		{"one of that type that says the opposite", fmt.Errorf("call: %w", statusError(503)), false},
		{"one of a type that says so, marked", pipeline.Transient(statusError(404)), false},
		{"one that says so, with an SQLSTATE within", statedError{statusError(404), sqlError("08006")}, true},
		{"one that says the opposite, with an SQLSTATE within", statedError{statusError(503), sqlError("23505")}, false},
		{"a lost connection", sqlError("08006"), false},
		{"a serialization failure", sqlError("40001"), false},
		{"a deadlock", sqlError("40P01"), false},
		{"a lock timeout", sqlError("55P03"), false},
		{"a server that shuts down", sqlError("57P01"), false},
		{"a server with too many connections", sqlError("53300"), false},
		{"a constraint violation", sqlError("23505"), true},
		{"a missing column", sqlError("42703"), true},
		{"a wrong password", sqlError("28P01"), true},
		{"a data error", sqlError("22003"), true},
		{"a panic", pipeline.Permanent(&pipeline.PanicError{Value: 1}), true},
		{"a cancellation", &pipeline.CancelledError{}, true},
		{"a problem found before the start", &pipeline.ValidationError{Problems: []error{
			&pipeline.StageError{Err: sqlError("08006")}, &pipeline.StageError{Err: pipeline.Permanent(io.EOF)}}}, true},
		{"a server that could not be asked before the start", &pipeline.ValidationError{Problems: []error{&pipeline.StageError{Err: sqlError("08006")}}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := pipeline.IsPermanent(&pipeline.StageError{Pipeline: "p", Stage: "s", Err: c.err}); got != c.permanent {
				t.Fatalf("permanent: %v", got)
			}
		})
	}
	if pipeline.Permanent(nil) != nil || pipeline.Transient(nil) != nil {
		t.Fatal("a mark made an error of nil")
	}
}

func TestRetries(t *testing.T) {
	flaky := func(o pipeline.Options, fail func(attempt int) error) (*pipeline.Pipeline, *[]pipeline.Run) {
		var runs []pipeline.Run
		p := pipeline.New("flaky", o)
		pipeline.Do(p, "step", func(ctx context.Context) error {
			run, _ := pipeline.RunFrom(ctx)
			runs = append(runs, run)
			return fail(run.Attempt)
		})
		return p, &runs
	}
	t.Run("a run is tried until it succeeds, under one ID", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, runs := flaky(pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 5, Backoff: time.Second}}, func(n int) error {
				if n < 3 {
					return errBroken
				}
				return nil
			})
			began := time.Now()
			rep := mustRun(t, p)
			if rep.Attempt != 3 || len(*runs) != 3 || (*runs)[0].ID != (*runs)[2].ID || (*runs)[2].ID != rep.RunID {
				t.Fatalf("report %+v, runs %+v", rep, *runs)
			}
			if took := time.Since(began); took < time.Second || took > 4*time.Second {
				t.Fatalf("the waits took %v, want about 1 s and 1.5 s", took)
			}
		})
	})
	t.Run("a run is given up after the last attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, runs := flaky(pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 4}}, func(int) error { return errBroken })
			rep, err := p.Run(t.Context())
			if !errors.Is(err, errBroken) || len(*runs) != 4 || rep.Attempt != 4 {
				t.Fatalf("error %v after %d attempts", err, len(*runs))
			}
		})
	})
	t.Run("a permanent error is not retried", func(t *testing.T) {
		p, runs := flaky(pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 4}}, func(int) error { return pipeline.Permanent(errBroken) })
		if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) || len(*runs) != 1 {
			t.Fatalf("error %v after %d attempts", err, len(*runs))
		}
	})
	t.Run("the waits do not grow without bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _ := flaky(pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 30, Backoff: time.Second, MaxBackoff: 2 * time.Second}}, func(int) error { return errBroken })
			began := time.Now()
			if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 29*3*time.Second {
				t.Fatalf("29 waits took %v", took)
			}
		})
	})
	t.Run("a cancellation ends the waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _ := flaky(pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Hour}}, func(int) error { return errBroken })
			e := p.Start(t.Context())
			time.Sleep(time.Minute)
			if s := e.Progress().State; s != pipeline.StateRetrying {
				t.Fatalf("state %s", s)
			}
			began := time.Now()
			e.Cancel(nil)
			if _, err := e.Wait(); !errors.Is(err, context.Canceled) || time.Since(began) > 0 {
				t.Fatalf("error %v after %v", err, time.Since(began))
			}
		})
	})
	t.Run("a caller that retries by itself says which attempt it is", func(t *testing.T) {
		p, runs := flaky(pipeline.Options{Attempt: 7, RunID: "x"}, func(int) error { return nil })
		if rep := mustRun(t, p); rep.Attempt != 7 || (*runs)[0].Attempt != 7 || (*runs)[0].ID != "x" {
			t.Fatalf("report %+v", rep)
		}
	})
}
