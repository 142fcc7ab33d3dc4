package runs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
)

const nobody = "01a20384-20c6-7000-9738-f92721d41771" // a run that is not there

func TestWhatIsNotThere(t *testing.T) {
	pool := database(t)
	s := start(t, Config{Pool: pool}, writes("items", pool, 1, nil))
	_, err := s.Trigger(t.Context(), "other", Trigger{})
	is(t, err, ErrNotFound, `there is no pipeline "other"`)
	_, err = s.Backfill(t.Context(), "other", Backfill{})
	is(t, err, ErrNotFound, `there is no pipeline "other"`)
	_, err = s.Pipeline(t.Context(), "other")
	is(t, err, ErrNotFound, "")
	is(t, s.Pause(t.Context(), "other", ""), ErrNotFound, "")
	is(t, s.Pause(t.Context(), "items", ""), ErrConflict, "has no schedule")
	for _, id := range []string{nobody, "", "x", "'; drop table runs; --", strings.Repeat("a", 1000), "\x00"} {
		_, err = s.Get(t.Context(), id)
		is(t, err, ErrNotFound, "there is no run")
		_, err = s.Cancel(t.Context(), id, "me")
		is(t, err, ErrNotFound, "there is no run")
		_, err = s.Retry(t.Context(), id, "me")
		is(t, err, ErrNotFound, "there is no run")
		_, err = s.Logs(t.Context(), id, LogFilter{})
		is(t, err, ErrNotFound, "there is no run")
		_, err = s.Rejects(t.Context(), id, 0, 0)
		is(t, err, ErrNotFound, "there is no run")
		for _, err := range s.Watch(t.Context(), id, 0) {
			is(t, err, ErrNotFound, "there is no run")
		}
	}
}

func TestWhatIsWrong(t *testing.T) {
	pool := database(t)
	s := start(t, Config{Pool: pool, Workers: -1}, writes("items", pool, 1, nil))
	run := trigger(t, s, "items")
	day := func(d int) time.Time { return time.Date(2025, 3, d, 0, 0, 0, 0, time.UTC) }
	for name, f := range map[string]func() error{
		"a param that is not there": func() error {
			_, err := s.Trigger(t.Context(), "items", Trigger{Params: map[string]string{"a": "b"}})
			return err
		},
		"who is too long": func() error {
			_, err := s.Trigger(t.Context(), "items", Trigger{By: strings.Repeat("x", 201)})
			return err
		},
		"a date before all dates": func() error {
			_, err := s.Trigger(t.Context(), "items", Trigger{LogicalDate: day(1).AddDate(-3000, 0, 0)})
			return err
		},
		"from after to": func() error {
			_, err := s.Backfill(t.Context(), "items", Backfill{From: day(2), To: day(1)})
			return err
		},
		"a million dates": func() error {
			_, err := s.Backfill(t.Context(), "items", Backfill{From: day(1).AddDate(-100, 0, 0), To: day(1).AddDate(2700, 0, 0)})
			return err
		},
		"no date": func() error {
			_, err := s.Backfill(t.Context(), "items", Backfill{From: day(1).Add(time.Hour), To: day(1).Add(2 * time.Hour)})
			return err
		},
		"no from": func() error { _, err := s.Backfill(t.Context(), "items", Backfill{To: day(1)}); return err },
		"a negative parallel": func() error {
			_, err := s.Backfill(t.Context(), "items", Backfill{From: day(1), To: day(2), Parallel: -1})
			return err
		},
		"an unknown state":    func() error { _, err := s.List(t.Context(), Filter{States: []State{"gone"}}, 0, ""); return err },
		"a negative limit":    func() error { _, err := s.List(t.Context(), Filter{}, -1, ""); return err },
		"a token of nothing":  func() error { _, err := s.List(t.Context(), Filter{}, 0, "x"); return err },
		"a long token":        func() error { _, err := s.List(t.Context(), Filter{}, 0, strings.Repeat("x", 10000)); return err },
		"a strange backfill":  func() error { _, err := s.List(t.Context(), Filter{Backfill: "x"}, 0, ""); return err },
		"lines before all":    func() error { _, err := s.Logs(t.Context(), run.ID, LogFilter{After: -1}); return err },
		"a stage of NUL":      func() error { _, err := s.Logs(t.Context(), run.ID, LogFilter{Stage: "\x00"}); return err },
		"rejects before all":  func() error { _, err := s.Rejects(t.Context(), run.ID, -1, 0); return err },
		"keep less than none": func() error { _, err := s.Prune(t.Context(), Prune{Keep: -1}); return err },
	} {
		if err := f(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var n int
	if err := pool.QueryRow(t.Context(), "select (select count(*) from millrace.runs) + (select count(*) from millrace.backfills)").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestOneActiveRunAtATime(t *testing.T) {
	pool := database(t)
	g := newGate()
	s := start(t, Config{Pool: pool}, writes("items", pool, 1, g.wait))
	first := trigger(t, s, "items")
	g.awaits(t)
	second, third := trigger(t, s, "items"), trigger(t, s, "items")
	for _, r := range []Record{second, third} {
		if want := "waits for run " + first.ID + ": one active run at a time"; r.State != Queued || r.Reason != want {
			t.Errorf("%s: %s, want %s", r.State, r.Reason, want)
		}
	}
	_, err := s.Retry(t.Context(), first.ID, "me")
	is(t, err, ErrConflict, "has not ended (running)")
	if r, err := s.Cancel(t.Context(), second.ID, "Ada"); err != nil || r.State != Cancelled || r.Reason != "cancelled by Ada before it began" || r.EndedAt.IsZero() {
		t.Errorf("the record is %+v, %v", r, err)
	}
	info, err := s.Pipeline(t.Context(), "items")
	if err != nil || info.Active != 1 || info.Waiting != 1 || len(info.LastRuns) != 3 || len(info.Graph.Nodes) != 2 {
		t.Errorf("the pipeline is %+v, %v", info, err)
	}
	close(g.open)
	if r := awaitState(t, s, third.ID, Succeeded, Failed); r.State != Succeeded {
		t.Errorf("the third is %+v", r)
	}
	if r := awaitState(t, s, first.ID, Succeeded, Failed); r.EndedAt.After(awaitState(t, s, third.ID, Succeeded).StartedAt) {
		t.Error("two were active at once")
	}
	_, err = s.Cancel(t.Context(), first.ID, "me")
	is(t, err, ErrConflict, "has ended (succeeded): it cannot be cancelled")
	_, err = s.Retry(t.Context(), first.ID, "me")
	is(t, err, ErrConflict, "has succeeded: trigger a new one")
	r, err := s.Retry(t.Context(), second.ID, "Ada")
	if err != nil {
		t.Fatal(err)
	}
	if r = awaitState(t, s, r.ID, Succeeded, Failed); r.State != Succeeded || r.Attempt != 1 {
		t.Errorf("the retried one is %+v", r)
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Runs["items"][Succeeded] != 3 || stats.Waiting != 0 {
		t.Errorf("the stats are %+v, %v", stats, err)
	}
}

func TestARunningRunIsCancelledFromAnotherReplica(t *testing.T) {
	pool := database(t)
	g := newGate()
	d := writes("items", pool, 1, g.wait)
	start(t, Config{Pool: pool, Name: "worker"}, d)
	other := start(t, Config{Pool: pool, Name: "other", Workers: -1}, d)
	run := trigger(t, other, "items")
	g.awaits(t)
	began := time.Now()
	if _, err := other.Cancel(t.Context(), run.ID, "Ada"); err != nil {
		t.Fatal(err)
	}
	r := awaitState(t, other, run.ID, Cancelled, Failed, Succeeded)
	t.Logf("cancelled after %v", time.Since(began).Round(time.Millisecond))
	if r.State != Cancelled || r.Reason != "cancelled by Ada" || r.Worker != "worker" || !contains(r.Error, "cancelled by Ada; everything was rolled back") {
		t.Errorf("the record is %+v", r)
	}
	if n := count(t, pool, run.ID); n != 0 {
		t.Errorf("%d rows", n)
	}
	// It can be begun again, as its next attempt.
	close(g.open)
	if _, err := other.Retry(t.Context(), run.ID, "Ada"); err != nil {
		t.Fatal(err)
	}
	if r := awaitState(t, other, run.ID, Failed, Succeeded); r.State != Succeeded || r.Attempt != 2 || count(t, pool, run.ID) != 1 || r.Error != "" {
		t.Errorf("the record is %+v", r)
	}
}

func TestARunWithAPermanentErrorFailsAtOnce(t *testing.T) {
	pool := database(t)
	d := writes("items", pool, 1, func(context.Context) error { return pipeline.Permanent(errors.New("the file is empty \x00\xff")) })
	d.Retry = pipeline.Retry{MaxAttempts: 5}
	s := start(t, Config{Pool: pool}, d)
	r := awaitState(t, s, trigger(t, s, "items").ID, Failed, Succeeded)
	if r.Attempt != 1 || r.Reason != "failed: the error is permanent, another attempt (of 5) would not help" || r.Error != "items: make: the file is empty \uFFFD\uFFFD" {
		t.Errorf("the record is %+v", r)
	}
}

func TestARunThatTakesTooLongFails(t *testing.T) {
	pool := database(t)
	g := newGate()
	d := writes("items", pool, 1, g.wait)
	d.Timeout = 50 * time.Millisecond
	s := start(t, Config{Pool: pool}, d)
	r := awaitState(t, s, trigger(t, s, "items").ID, Failed, Succeeded)
	if !contains(r.Error, "took longer than its limit of 50ms") {
		t.Errorf("the record is %+v", r)
	}
}

func TestABuildThatFailsFailsTheRun(t *testing.T) {
	pool := database(t)
	d := writes("items", pool, 1, nil)
	d.Params = []Param{{Name: "file", Default: "a.csv"}}
	good := d.Build
	d.Build = func(ctx context.Context, run Run) (*pipeline.Pipeline, error) {
		switch run.Params.String("file") {
		case "none":
			return nil, pipeline.Permanent(errors.New("there is no such file"))
		case "panic":
			panic("at the wrong moment")
		}
		return good(ctx, run)
	}
	s := start(t, Config{Pool: pool}, d)
	for file, want := range map[string]string{"none": "items: build: there is no such file", "panic": "items: build: panic: at the wrong moment"} {
		r, err := s.Trigger(t.Context(), "items", Trigger{Params: map[string]string{"file": file}})
		if err != nil {
			t.Fatal(err)
		}
		if r = awaitState(t, s, r.ID, Failed, Succeeded); r.Error != want || r.Params["file"] != file {
			t.Errorf("the record is %+v", r)
		}
	}
}

func TestARunThatWaitsForItsNextAttemptIsCancelled(t *testing.T) {
	pool := database(t)
	d := writes("items", pool, 1, func(context.Context) error { return errors.New("not yet") })
	d.Retry = pipeline.Retry{MaxAttempts: 2, Backoff: time.Hour, MaxBackoff: time.Hour}
	s := start(t, Config{Pool: pool}, d)
	r := awaitState(t, s, trigger(t, s, "items").ID, Retrying, Failed)
	if r.State != Retrying || r.NextAttemptAt.Before(time.Now().Add(20*time.Minute)) || !contains(r.Reason, "attempt 1 failed; attempt 2 begins in") {
		t.Errorf("the record is %+v", r)
	}
	if waits := trigger(t, s, "items"); !contains(waits.Reason, "waits for run "+r.ID) {
		t.Errorf("it does not keep its place: %+v", waits)
	}
	if r, err := s.Cancel(t.Context(), r.ID, ""); err != nil || r.State != Cancelled || !r.NextAttemptAt.IsZero() {
		t.Errorf("the record is %+v, %v", r, err)
	}
}
