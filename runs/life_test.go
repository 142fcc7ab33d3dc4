package runs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestARunIsTriggeredWorkedAndRemembered(t *testing.T) {
	pool := database(t)
	s := start(t, Config{Pool: pool}, writes("items", pool, 100, nil))
	r := trigger(t, s, "items")
	if r.ID == "" || r.Cause != CauseTrigger || r.By != "a test" {
		t.Errorf("the record is %+v", r)
	}
	r = awaitState(t, s, r.ID, Succeeded, Failed)
	if r.State != Succeeded || r.Attempt != 1 || r.Worker != s.Name() || r.StartedAt.IsZero() || r.EndedAt.Before(r.StartedAt) {
		t.Errorf("the record is %+v", r)
	}
	if n := count(t, pool, r.ID); n != 100 {
		t.Errorf("%d rows, want 100", n)
	}
	if r.Report == nil || r.Report.State != pipeline.StateSucceeded || r.Report.Stage("load").RecordsIn != 100 || r.Report.EndedAt.IsZero() {
		t.Errorf("the report is %+v", r.Report)
	}
	if len(r.Attempts) != 1 || r.Attempts[0].State != Succeeded || r.Attempts[0].EndedAt.IsZero() {
		t.Errorf("the attempts are %+v", r.Attempts)
	}
	var lines []LogLine
	await(t, "the log", func() bool {
		page, err := s.Logs(t.Context(), r.ID, LogFilter{Stage: "make"})
		if err != nil {
			t.Fatal(err)
		}
		lines = page.Items
		return len(lines) > 0
	})
	if l := lines[0]; l.Message != "making items" || l.Fields["count"] != "100" || l.Level != "info" || l.Attempt != 1 {
		t.Errorf("the line is %+v", l)
	}
	var state string
	if err := pool.QueryRow(t.Context(), "select state from millrace.river_job").Scan(&state); err != nil || state != "completed" {
		t.Errorf("the job is %q, %v", state, err)
	}
}

func TestARunThatFailsIsTriedAgain(t *testing.T) {
	pool := database(t)
	d := writes("items", pool, 5, func(ctx context.Context) error {
		if run, _ := pipeline.RunFrom(ctx); run.Attempt < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	d.Retry = pipeline.Retry{MaxAttempts: 3, Backoff: 20 * time.Millisecond}
	s := start(t, Config{Pool: pool}, d)
	r := awaitState(t, s, trigger(t, s, "items").ID, Succeeded, Failed)
	if r.State != Succeeded || r.Attempt != 3 || len(r.Attempts) != 3 || r.Attempts[0].State != Failed || !contains(r.Attempts[0].Error, "items: make: not yet") {
		t.Errorf("the record is %+v", r)
	}
	if n := count(t, pool, r.ID); n != 5 {
		t.Errorf("%d rows", n)
	}
}

// A pool for PgBouncer, say, has another mode than pgx's default.
func TestEveryQueryExecModeWorksRuns(t *testing.T) {
	shared := database(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			config := shared.Config()
			config.ConnConfig.DefaultQueryExecMode = mode
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			s := start(t, Config{Pool: pool}, writes("items", pool, 10, nil))
			r := awaitState(t, s, trigger(t, s, "items").ID, Succeeded, Failed)
			if r.State != Succeeded || count(t, pool, r.ID) != 10 {
				t.Errorf("the record is %+v", r)
			}
			day := time.Date(2025, 3, 14, 0, 0, 0, 0, time.UTC)
			b, err := s.Backfill(t.Context(), "items", Backfill{From: day, To: day.AddDate(0, 0, 2), Parallel: 2})
			if err != nil || len(b.Runs) != 3 {
				t.Fatalf("%d runs, %v", len(b.Runs), err)
			}
			for _, r := range b.Runs {
				if r = awaitState(t, s, r.ID, Succeeded, Failed); r.State != Succeeded {
					t.Errorf("the record is %+v", r)
				}
			}
			await(t, "the lines of the log", func() bool {
				lines, err := s.Logs(t.Context(), r.ID, LogFilter{})
				return err == nil && len(lines.Items) > 0
			})
		})
	}
}
