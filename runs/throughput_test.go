package runs

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/life"
)

// triggerMany triggers n runs from several goroutines at once.
func triggerMany(t testing.TB, s *Service, name string, n int) []string {
	t.Helper()
	ids := make([]string, n)
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < n; i += 4 {
				r, err := s.Trigger(t.Context(), name, Trigger{})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = r.ID
			}
		})
	}
	all.Wait()
	return ids
}

// awaitAll waits until no run is under way and checks that each wrote its three rows, once.
func awaitAll(t testing.TB, s *Service, ids []string) {
	t.Helper()
	await(t, "the end of all runs", func() bool {
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Runs["small"][Succeeded] >= int64(len(ids)) || stats.Runs["small"][Failed] > 0
	})
	var runs, rows, wrong, attempts int
	err := s.db.Pool.QueryRow(t.Context(), `
select count(*), coalesce(sum(n), 0), count(*) filter (where n <> 3), (select count(*) from millrace.run_attempts)
  from (select run, count(*) as n from items group by run) as per`).Scan(&runs, &rows, &wrong, &attempts)
	if err != nil {
		t.Fatal(err)
	}
	if runs != len(ids) || rows != 3*len(ids) || wrong != 0 || attempts != len(ids) {
		t.Errorf("%d runs (want %d) wrote %d rows, %d of them not three; %d attempts", runs, len(ids), rows, wrong, attempts)
	}
}

func TestManySmallRunsOverThreeReplicas(t *testing.T) {
	url, pool := shared(t)
	n := 150
	gate := filepath.Join(t.TempDir(), "gate")
	s := start(t, Config{Pool: pool, Workers: -1, Logger: hclog.NewNullLogger()}, halves(pool, gate), small(pool))
	for i := range 3 {
		startReplica(t, url, fmt.Sprintf("replica-%d", i), 10*time.Second, gate)
	}
	began := time.Now()
	ids := triggerMany(t, s, "small", n)
	awaitAll(t, s, ids)
	took := time.Since(began)
	t.Logf("%d runs in %v: %.0f runs/s", n, took.Round(time.Millisecond), float64(n)/took.Seconds())
	// All replicas took part.
	workers := map[string]int{}
	page, err := s.List(t.Context(), Filter{}, n, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Items {
		workers[r.Worker]++
	}
	if len(workers) != 3 {
		t.Errorf("the workers were %v", workers)
	}
}

// BenchmarkSmallRuns measures runs from trigger to end over three replicas, processes of their own.
func BenchmarkSmallRuns(b *testing.B) {
	url, pool := shared(b)
	gate := filepath.Join(b.TempDir(), "gate")
	s := start(b, Config{Pool: pool, Workers: -1}, halves(pool, gate), small(pool))
	for i := range 3 {
		startReplica(b, url, fmt.Sprintf("replica-%d", i), 10*time.Second, gate)
	}
	b.ResetTimer()
	ids := triggerMany(b, s, "small", b.N)
	awaitAll(b, s, ids)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkTriggerToFirstRecord measures an idle queue.
func BenchmarkTriggerToFirstRecord(b *testing.B) {
	pool := database(b)
	arrived := make(chan time.Time, 1)
	d := writes("items", pool, 1, nil)
	s := start(b, Config{Pool: pool, Observe: func(r Record) {
		if stage := r.Report.Stage("make"); stage.State == pipeline.StateSucceeded {
			arrived <- stage.StartedAt
		}
	}}, d)
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		trigger(b, s, "items")
		times = append(times, (<-arrived).Sub(began))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "ms-p99")
}

// BenchmarkList measures pages of a history of 100,000 runs of 30 stages.
func BenchmarkList(b *testing.B) {
	pool := database(b)
	s := start(b, Config{Pool: pool, Workers: -1}, writes("items", pool, 1, nil), writes("others", pool, 1, nil))
	report := pipeline.Report{Pipeline: "items", State: pipeline.StateSucceeded}
	for i := range 30 {
		report.Stages = append(report.Stages, pipeline.StageReport{Name: fmt.Sprintf("stage_%d", i), Kind: pipeline.KindTransform, State: pipeline.StateSucceeded, RecordsIn: 1e6, RecordsOut: 1e6, StartedAt: time.Now(), EndedAt: time.Now(), Working: time.Second})
	}
	document, err := life.Document(&report)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(b.Context(), `
insert into millrace.runs (id, pipeline, state, logical_date, params, cause, by, created_at, started_at, ended_at, attempt, report)
select gen_random_uuid(), case when n % 3 = 0 then 'items' else 'others' end, case when n % 50 = 0 then 'failed' else 'succeeded' end, now(), '{}', 'trigger', 'me',
       now() - n * interval '1 minute', now(), now(), 1, $1::text::json
  from generate_series(1, 100000) as n`, document); err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(b.Context(), "vacuum analyze millrace.runs"); err != nil {
		b.Fatal(err)
	}
	first, err := s.List(b.Context(), Filter{Pipeline: "items"}, 50, "")
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"all":    func() error { _, err := s.List(b.Context(), Filter{}, 50, ""); return err },
		"failed": func() error { _, err := s.List(b.Context(), Filter{States: []State{Failed}}, 50, ""); return err },
		"running": func() error {
			_, err := s.List(b.Context(), Filter{Pipeline: "items", States: []State{Queued, Running}}, 50, "")
			return err
		},
		"second":   func() error { _, err := s.List(b.Context(), Filter{Pipeline: "items"}, 50, first.Next); return err },
		"pipeline": func() error { _, err := s.Pipeline(b.Context(), "items"); return err },
		"get":      func() error { _, err := s.Get(b.Context(), first.Items[0].ID); return err },
		"stats":    func() error { _, err := s.Stats(b.Context()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := f(); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "ms-p95")
		})
	}
}
