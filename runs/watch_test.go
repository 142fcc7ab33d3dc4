package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/watch"
	"github.com/millrace/millrace/sinks"
)

func TestARunIsWatchedFromAnotherReplica(t *testing.T) {
	pool := database(t)
	const rows = 20
	steps := make(chan struct{})
	d := Definition{Name: "steps", Build: func(_ context.Context, run Run) (*pipeline.Pipeline, error) {
		p := pipeline.New("steps", pipeline.Options{})
		items := pipeline.From(p, "make", pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
			for i := range rows {
				select {
				case <-steps:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if err := out.Write(item{Run: run.ID, N: int64(i)}); err != nil {
					return err
				}
				if err := out.Flush(); err != nil {
					return err
				}
			}
			return nil
		}))
		pipeline.To(items, "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
		return p, nil
	}}
	start(t, Config{Pool: pool, Name: "worker"}, d)
	other := start(t, Config{Pool: pool, Name: "other", Workers: -1}, d)
	run := trigger(t, other, "steps")
	var seq, seen int64
	given := int64(0)
	var last Snapshot
	for snapshot, err := range other.Watch(t.Context(), run.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if snapshot.Seq <= seq {
			t.Errorf("%d after %d", snapshot.Seq, seq)
		}
		seq, last = snapshot.Seq, snapshot
		r := snapshot.Record
		if r.State != Running || r.Report == nil {
			continue
		}
		n := r.Report.Stage("make").RecordsOut
		if n < seen {
			t.Errorf("%d records after %d", n, seen)
		}
		seen = n
		if n == given && given < rows { // each step is seen before the next is made
			given++
			steps <- struct{}{}
		}
	}
	if last.Record.State != Succeeded || given != rows {
		t.Errorf("the last is %+v after %d steps", last.Record, given)
	}
	// Whoever comes later, or knows all but the end, gets the end.
	for _, after := range []int64{0, last.Seq, last.Seq + 1000} {
		n := 0
		for snapshot, err := range other.Watch(t.Context(), run.ID, after) {
			n++
			if err != nil || snapshot.Record.State != Succeeded {
				t.Errorf("after %d: %+v, %v", after, snapshot, err)
			}
		}
		if n != 1 {
			t.Errorf("after %d: %d snapshots", after, n)
		}
	}
}

func TestManyWatchersCostAsMuchAsOne(t *testing.T) {
	pool := database(t)
	g := newGate()
	d := writes("items", pool, 1, g.wait)
	start(t, Config{Pool: pool, Name: "worker"}, d)
	other := start(t, Config{Pool: pool, Name: "other", Workers: -1}, d)
	run := trigger(t, other, "items")
	g.awaits(t)
	var arrived, ended sync.WaitGroup
	const many = 200
	arrived.Add(many)
	for range many {
		ended.Go(func() {
			var once sync.Once
			var last State
			for snapshot, err := range other.Watch(t.Context(), run.ID, 0) {
				if err != nil {
					t.Error(err)
				}
				last = snapshot.Record.State
				once.Do(arrived.Done)
			}
			if last != Succeeded {
				t.Errorf("the last state is %q", last)
			}
		})
	}
	// One that never reads holds up nobody.
	blocked := make(chan struct{})
	ended.Go(func() {
		for _, err := range other.Watch(t.Context(), run.ID, 0) {
			<-blocked
			if err != nil {
				t.Error(err)
			}
		}
	})
	arrived.Wait()
	before, began := other.watchers.Looks(), time.Now()
	await(t, "all watchers, the blocked one too", func() bool { return other.watchers.Watching(run.ID) == many+1 })
	close(g.open)
	await(t, "the end", func() bool { r, err := other.Get(t.Context(), run.ID); return err == nil && r.State == Succeeded })
	close(blocked)
	ended.Wait()
	looks, took := other.watchers.Looks()-before, time.Since(began)
	if most := int64(took/watch.LookEvery) + 2; looks > most {
		t.Errorf("%d queries in %v for %d watchers, want at most %d", looks, took, many, most)
	}
}

func TestAWatcherEndsWithItsContextAndWithTheService(t *testing.T) {
	pool := database(t)
	s := service(t, Config{Pool: pool, Workers: -1}, writes("items", pool, 1, nil))
	for _, err := range s.Watch(t.Context(), nobody, 0) {
		if err == nil || !contains(err.Error(), "not started") {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := trigger(t, s, "items")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for snapshot, err := range s.Watch(ctx, run.ID, 0) {
		if err != nil || snapshot.Record.State != Queued {
			t.Errorf("got %+v, %v", snapshot, err)
		}
		cancel()
	}
	for _, err := range s.Watch(t.Context(), run.ID, 0) {
		if err == nil {
			go stop(t, s)
		}
	}
	await(t, "the stop", func() bool { return s.loopsEnded() })
}

// loopsEnded waits for the loops and tells that they are over.
func (s *Service) loopsEnded() bool { s.loops.Wait(); return true }

func TestTheListenersConnectionIsOpenedAnew(t *testing.T) {
	pool := database(t)
	g := newGate()
	s := start(t, Config{Pool: pool, Logger: hclog.NewNullLogger()}, writes("items", pool, 1, g.wait))
	run := trigger(t, s, "items")
	g.awaits(t)
	await(t, "a listener to end", func() bool {
		var n int
		err := pool.QueryRow(t.Context(), "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and query like 'listen%'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
	close(g.open)
	if r := awaitState(t, s, run.ID, Succeeded, Failed); r.State != Succeeded {
		t.Errorf("the record is %+v", r)
	}
}

func TestLogsAreByStagePagedAndBounded(t *testing.T) {
	pool := database(t)
	d := writes("items", pool, 1, func(ctx context.Context) error {
		logger := pipeline.LoggerFrom(ctx)
		logger.Debug("is not kept")
		for i := range 100 {
			logger.Warn(fmt.Sprintf("line %d \x00", i), "error", fmt.Errorf("reason %d\xff", i))
		}
		return nil
	})
	s := start(t, Config{Pool: pool, MaxLogBytes: 4000, Logger: hclog.NewNullLogger()}, d)
	run := trigger(t, s, "items")
	awaitState(t, s, run.ID, Succeeded)
	var lines []LogLine
	read := func(f LogFilter) Page[LogLine] {
		page, err := s.Logs(t.Context(), run.ID, f)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	await(t, "the marker", func() bool {
		lines = read(LogFilter{}).Items
		return len(lines) > 0 && lines[len(lines)-1].Cut
	})
	if len(lines) < 20 || len(lines) > 70 || !contains(lines[len(lines)-1].Message, "longer than 4000 bytes") {
		t.Errorf("%d lines, the last %+v", len(lines), lines[len(lines)-1])
	}
	made := read(LogFilter{Stage: "make", Attempt: 1, Limit: 3})
	if len(made.Items) != 3 || made.Items[2].Message != "line 2 \uFFFD" || made.Items[2].Fields["error"] != "reason 2\uFFFD" || made.Next == "" {
		t.Errorf("the page is %+v", made)
	}
	next := read(LogFilter{Stage: "make", After: made.Items[2].ID, Limit: 1})
	if len(next.Items) != 1 || next.Items[0].Message != "line 3 \uFFFD" {
		t.Errorf("the page is %+v", next)
	}
	if none := read(LogFilter{Attempt: 2}); len(none.Items) != 0 {
		t.Errorf("attempt 2 told %+v", none.Items)
	}
}

func TestRejectsAreKeptOfRunsThatFailToo(t *testing.T) {
	pool := database(t)
	define := func(name string, budget, rejects int) Definition {
		return Definition{Name: name, Build: func(_ context.Context, run Run) (*pipeline.Pipeline, error) {
			p := pipeline.New(name, pipeline.Options{MaxRejects: budget})
			items := pipeline.From(p, "make", pipeline.SourceFunc[item](func(_ context.Context, out *pipeline.Writer[item]) error {
				for i := range rejects {
					record, _ := json.Marshal(map[string]any{"n": i, "text": "a\x00\ufffd"}) // never fails
					if i == 1 {
						record = nil
					}
					reason := "is odd"
					if i%10 == 0 {
						reason = "is round"
					}
					if err := out.Reject(pipeline.Reject{Source: "a.csv", Line: int64(i + 1), Raw: []byte{0, 255}, Column: "n", Value: fmt.Sprint(i), Reason: reason, Record: record}); err != nil {
						return err
					}
				}
				return out.Write(item{Run: run.ID})
			}))
			pipeline.To(items, "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
			return p, nil
		}}
	}
	s := start(t, Config{Pool: pool, Logger: hclog.NewNullLogger()}, define("many", -1, 1500), define("few", 4, 100), define("none", 0, 1))
	for _, tt := range []struct {
		name        string
		state       State
		total, kept int64
	}{{"many", Succeeded, 1500, 1000}, {"few", Failed, 5, 5}, {"none", Failed, 1, 1}} {
		r := awaitState(t, s, trigger(t, s, tt.name).ID, Succeeded, Failed)
		page, err := s.Rejects(t.Context(), r.ID, 0, 3)
		if err != nil {
			t.Fatal(err)
		}
		if r.State != tt.state || r.Rejects != tt.total || page.Total != tt.total || page.Kept != tt.kept || page.Reasons["is round"] != (tt.total+9)/10 {
			t.Errorf("%s: %s with %d rejects; the page is %+v", tt.name, r.State, r.Rejects, page)
		}
		first := page.Items[0]
		if first.Stage != "make" || first.Source != "a.csv" || first.Line != 1 || string(first.Raw) != "\x00\xff" || first.Value != "0" {
			t.Errorf("the first is %+v", first)
		}
		if string(first.Record) != `{"n": 0, "text": "a��"}` {
			t.Errorf("the first record is %s", first.Record)
		}
		if tt.kept > 1 && page.Items[1].Record != nil {
			t.Errorf("the second record is %s, and not none", page.Items[1].Record)
		}
		if tt.kept > 3 {
			next, err := s.Rejects(t.Context(), r.ID, page.Next, 0)
			if err != nil || next.Items[0].Line != 4 {
				t.Errorf("the next page is %+v, %v", next.Items[0], err)
			}
		}
	}
}
