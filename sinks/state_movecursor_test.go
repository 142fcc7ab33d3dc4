package sinks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// paged is a source of pages of two items each. The token of the next page is known only after the page was read.
type paged struct {
	pages  int                             // how many there are by now
	silent bool                            // it does not report
	end    func(ctx context.Context) error // called after the last page, if not nil
	began  func(token int)                 // told where an attempt begins, if not nil
}

func (paged) Incremental() bool { return true }

func (paged) Bound(context.Context, json.RawMessage) (json.RawMessage, error) { return nil, nil }

func (s paged) Extract(ctx context.Context, out *pipeline.Writer[item]) error {
	r, _ := pipeline.RangeFrom(ctx)
	token := 0
	if r.From != nil {
		if err := json.Unmarshal(r.From, &token); err != nil {
			return pipeline.Permanent(err)
		}
	}
	if s.began != nil {
		s.began(token)
	}
	for ; token < s.pages; token++ {
		if err := out.WriteBatch([]item{{ID: int64(2*token + 1), Name: "x"}, {ID: int64(2*token + 2), Name: "y"}}); err != nil {
			return err
		}
		if s.silent {
			continue
		}
		if err := pipeline.MoveCursor(ctx, json.RawMessage(fmt.Sprint(token+1))); err != nil {
			return err
		}
	}
	if s.end != nil {
		return s.end(ctx)
	}
	return nil
}

// cursorAndRows is what others see.
func cursorAndRows(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return one(t, pool, `select coalesce((select value::text from millrace.cursors where pipeline = 'test' and source = 'extract'), 'none')
		|| ' ' || (select count(*) from items)`)
}

func TestACursorThatIsKnownAfterReadingMovesWithTheCommit(t *testing.T) {
	pool := itemDB(t)
	o := pipeline.Options{State: sinks.PostgresState{Pool: pool}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	run := func(s paged, want string) {
		t.Helper()
		if _, err := load(t, s, sink, o); err != nil {
			t.Fatal(err)
		}
		if got := cursorAndRows(t, pool); got != want {
			t.Errorf("cursor and rows are %s, want %s", got, want)
		}
	}
	run(paged{pages: 3}, "3 6")
	run(paged{pages: 5, end: func(context.Context) error { // the last page was reported
		if got := cursorAndRows(t, pool); got != "3 6" {
			t.Errorf("before the commit cursor and rows are %s", got)
		}
		return nil
	}}, "5 10")
	run(paged{pages: 5}, "5 10") // nothing new, and no report
	run(paged{pages: 6, silent: true}, "5 12")
	exec(t, pool, "delete from items where id > 10")
	run(paged{pages: 6, began: func(token int) {
		if token != 5 {
			t.Errorf("without a report the cursor moved to %d", token)
		}
	}}, "6 12")
}

func TestARetryReadsFromTheLastCommittedCursor(t *testing.T) {
	pool := itemDB(t)
	o := pipeline.Options{State: sinks.PostgresState{Pool: pool}, Retry: pipeline.Retry{MaxAttempts: 3, Backoff: time.Millisecond}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	if _, err := load(t, paged{pages: 2}, sink, o); err != nil {
		t.Fatal(err)
	}
	var began []int
	report, err := load(t, paged{pages: 4, began: func(token int) { began = append(began, token) }, end: func(context.Context) error {
		if len(began) < 3 {
			return errors.New("the line is down")
		}
		return nil
	}}, sink, o)
	if err != nil || report.Attempt != 3 || !slices.Equal(began, []int{2, 2, 2}) {
		t.Errorf("attempt %d, which began at %v: %v", report.Attempt, began, err)
	}
	if got := cursorAndRows(t, pool); got != "4 8" {
		t.Errorf("cursor and rows are %s", got)
	}
}

func TestARunThatDoesNotCommitLeavesTheCursor(t *testing.T) {
	for name, end := range map[string]func(pool *pgxpool.Pool, cancel context.CancelFunc) func(context.Context) error{
		"one that fails": func(*pgxpool.Pool, context.CancelFunc) func(context.Context) error {
			return func(context.Context) error { return errors.New("the line is down") }
		},
		"one that is cancelled": func(_ *pgxpool.Pool, cancel context.CancelFunc) func(context.Context) error {
			return func(ctx context.Context) error {
				cancel()
				<-ctx.Done()
				return context.Cause(ctx)
			}
		},
		"one whose connection is killed": func(pool *pgxpool.Pool, _ context.CancelFunc) func(context.Context) error {
			return func(ctx context.Context) error {
				var n int
				err := pool.QueryRow(ctx, `select count(pg_terminate_backend(pid)) from pg_stat_activity
					where datname = current_database() and pid <> pg_backend_pid()`).Scan(&n)
				if err == nil && n == 0 {
					err = pipeline.Permanent(errors.New("there was nothing to kill"))
				}
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := itemDB(t)
			o := pipeline.Options{State: sinks.PostgresState{Pool: pool}}
			sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
			if _, err := load(t, paged{pages: 2}, sink, o); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := pipeline.New("test", o)
			pipeline.To(pipeline.From(p, "extract", paged{pages: 4, end: end(pool, cancel)}), "load", sink)
			if _, err := p.Run(ctx); err == nil {
				t.Fatal("the run succeeded")
			} else if pipeline.IsPermanent(err) && name != "one that is cancelled" {
				t.Errorf("not worth another try: %v", err)
			}
			if got := cursorAndRows(t, pool); got != "2 4" {
				t.Errorf("cursor and rows are %s", got)
			}
			if _, err := load(t, paged{pages: 4}, sink, o); err != nil {
				t.Fatal(err)
			}
			if got := cursorAndRows(t, pool); got != "4 8" {
				t.Errorf("after the next run cursor and rows are %s", got)
			}
		})
	}
}
