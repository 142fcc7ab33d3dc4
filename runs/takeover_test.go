package runs

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/tables"
)

// shared returns a database of the test's own, by its address and a pool, with the table of items.
func shared(t testing.TB) (string, *pgxpool.Pool) {
	t.Helper()
	url := devdb.TestURL(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return url, withItems(t, pool)
}

// halfway waits until a run has written its first half, as it reports from another process.
func halfway(t *testing.T, s *Service, id string) {
	t.Helper()
	for snapshot, err := range s.Watch(t.Context(), id, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if r := snapshot.Record; r.State == Running && r.Report != nil && r.Report.Stage("load").RecordsIn >= halfRows {
			return
		}
		if snapshot.Record.State.Ended() {
			t.Fatalf("the run has ended: %+v", snapshot.Record)
		}
	}
	t.Fatal("no report from half way")
}

func TestARunOfAKilledReplicaIsFinishedByAnotherWithin15Seconds(t *testing.T) {
	url, pool := shared(t)
	gate := filepath.Join(t.TempDir(), "gate")
	watcher := start(t, Config{Pool: pool, Workers: -1, Name: "watcher"}, halves(pool, gate), small(pool))
	const byDefault = 10 * time.Second // Config.Lease
	first := startReplica(t, url, "first", byDefault, gate)
	run := trigger(t, watcher, "halves")
	halfway(t, watcher, run.ID)
	startReplica(t, url, "second", byDefault, gate)
	killed := time.Now()
	first.kill()
	r := awaitState(t, watcher, run.ID, Succeeded, Failed)
	took := time.Since(killed)
	t.Logf("finished %v after kill -9", took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	if r.State != Succeeded || r.Attempt != 2 || r.Worker != "second" {
		t.Errorf("the record is %+v", r)
	}
	if len(r.Attempts) != 2 || r.Attempts[0].State != Lost || r.Attempts[0].Reason != "lost: worker first died; attempt 2 takes over" {
		t.Errorf("the attempts are %+v", r.Attempts)
	}
	if n := count(t, pool, run.ID); n != 2*halfRows {
		t.Errorf("%d rows, want %d", n, 2*halfRows)
	}
	var unfinished int
	if err := pool.QueryRow(t.Context(), "select count(*) from millrace.river_job where state not in ('completed', 'discarded')").Scan(&unfinished); err != nil || unfinished != 0 {
		t.Errorf("%d jobs are left over, %v", unfinished, err)
	}
}

func TestAReplicaThatSleptPastItsLeaseCannotCommit(t *testing.T) {
	url, pool := shared(t)
	gate := filepath.Join(t.TempDir(), "gate")
	const lease = 1500 * time.Millisecond
	watcher := start(t, Config{Pool: pool, Workers: -1, Name: "watcher", Lease: lease}, halves(pool, gate), small(pool))
	first := startReplica(t, url, "first", lease, gate)
	run := trigger(t, watcher, "halves")
	halfway(t, watcher, run.ID)
	first.signal(syscall.SIGSTOP)
	if err := os.WriteFile(gate, nil, 0o600); err != nil { // its way is free as soon as it wakes
		t.Fatal(err)
	}
	startReplica(t, url, "second", lease, gate)
	r := awaitState(t, watcher, run.ID, Succeeded, Failed)
	first.signal(syscall.SIGCONT)
	if r.State != Succeeded || r.Attempt != 2 || r.Worker != "second" {
		t.Errorf("the record is %+v", r)
	}
	// The first one is well again: it stops in order, and has changed nothing.
	first.signal(syscall.SIGTERM)
	<-first.exited
	if first.err != nil {
		t.Errorf("the woken replica: %v\n%s", first.err, first.stderr)
	}
	if n := count(t, pool, run.ID); n != 2*halfRows {
		t.Errorf("%d rows, want %d", n, 2*halfRows)
	}
	again, err := watcher.Get(t.Context(), run.ID)
	if err != nil || again.State != Succeeded || len(again.Attempts) != 2 {
		t.Errorf("the record is %+v, %v", again, err)
	}
}

// The same without a process that sleeps: the lease is taken away under the worker's hands, which
// notices nothing until its commit.
func TestAWorkerWhoseRunWasTakenCannotCommit(t *testing.T) {
	pool := database(t)
	g := newGate()
	first := writes("items", pool, 10, g.wait)
	s1 := start(t, Config{Pool: pool, Name: "first", Heartbeat: 4 * time.Second}, first)
	run := trigger(t, s1, "items")
	g.awaits(t)
	if _, err := pool.Exec(t.Context(), "update millrace.runs set lease_until = now() - interval '1 second' where state = 'running'"); err != nil {
		t.Fatal(err)
	}
	s2 := start(t, Config{Pool: pool, Name: "second"}, writes("items", pool, 10, nil))
	// Either may begin the next attempt; the first would come to its gate again.
	r := run
	await(t, "the second attempt", func() bool {
		var err error
		if r, err = s2.Get(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
		return r.Attempt == 2
	})
	close(g.open)
	r = awaitState(t, s2, run.ID, Succeeded, Failed)
	if r.State != Succeeded || r.Attempt != 2 || r.Attempts[0].State != Lost {
		t.Errorf("the record is %+v", r)
	}
	await(t, "the loss", func() bool { return s1.LeaseLosses() == 1 })
	if n := count(t, pool, run.ID); n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
}

func TestARunThatKillsItsWorkersFails(t *testing.T) {
	pool := database(t)
	g := newGate()
	var mu sync.Mutex
	ends := map[State]int{}
	observe := func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		ends[r.State]++
	}
	d := writes("items", pool, 1, g.wait)
	s := start(t, Config{Pool: pool, Workers: 7, Heartbeat: 50 * time.Millisecond, Observe: observe}, d)
	start(t, Config{Pool: pool, Workers: -1, Heartbeat: 50 * time.Millisecond, Observe: observe}, d) // either may end it
	run := trigger(t, s, "items")
	for range MaxLosses {
		g.awaits(t)
		// The heartbeat may renew what this takes away, so it takes it away until it is noticed.
		before, err := s.Get(t.Context(), run.ID)
		if err != nil {
			t.Fatal(err)
		}
		await(t, "the loss", func() bool {
			if _, err := pool.Exec(t.Context(), "update millrace.runs set lease_until = now() - interval '1 second' where state = 'running' and attempt = $1", before.Attempt); err != nil {
				t.Fatal(err)
			}
			now, err := s.Get(t.Context(), run.ID)
			return err == nil && (now.Attempt > before.Attempt || now.State != Running)
		})
	}
	r := awaitState(t, s, run.ID, Failed)
	await(t, "all ends", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Equal(ends, map[State]int{Lost: MaxLosses - 1, Failed: 1})
	})
	if !contains(r.Reason, "its worker died 5 times in a row") || len(r.Attempts) != MaxLosses {
		t.Errorf("the record is %+v", r)
	}
	close(g.open)
}

func TestAStoppedServiceHandsItsRunsBack(t *testing.T) {
	pool := database(t)
	g := newGate()
	d := writes("items", pool, 10, func(ctx context.Context) error {
		if run, _ := pipeline.RunFrom(ctx); run.Attempt == 1 {
			return g.wait(ctx)
		}
		return nil
	})
	s1 := service(t, Config{Pool: pool, Name: "first", Grace: -1}, d)
	begin(t, s1)
	run := trigger(t, s1, "items")
	g.awaits(t)
	s2 := start(t, Config{Pool: pool, Name: "second"}, d)
	began := time.Now()
	stop(t, s1)
	r := awaitState(t, s2, run.ID, Succeeded, Failed)
	t.Logf("finished %v after the stop", time.Since(began).Round(time.Millisecond))
	if r.State != Succeeded || r.Attempt != 2 || r.Worker != "second" || r.Attempts[0].State != Queued || r.Attempts[0].Reason != "handed back: worker first shuts down" {
		t.Errorf("the record is %+v", r)
	}
	if n := count(t, pool, run.ID); n != 10 {
		t.Errorf("%d rows", n)
	}
	if err := s1.Start(t.Context()); err == nil {
		t.Error("a service was started twice")
	}
}

func TestAStoppedServiceLetsRunsEndWithinItsGrace(t *testing.T) {
	pool := database(t)
	g := newGate()
	s := service(t, Config{Pool: pool, Grace: time.Minute}, writes("items", pool, 10, g.wait))
	begin(t, s)
	run := trigger(t, s, "items")
	g.awaits(t)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop(t, s)
	}()
	await(t, "the stop", s.work.Ending)
	opened := time.Now()
	close(g.open)
	<-stopped
	r, err := s.Get(t.Context(), run.ID)
	if err != nil || r.State != Succeeded || r.Attempt != 1 {
		t.Errorf("the record is %+v, %v", r, err)
	}
	if r.EndedAt.Before(opened) || r.Attempts[0].EndedAt.Before(opened) { // not when its transaction began
		t.Errorf("it ended %v before it could", opened.Sub(r.EndedAt))
	}
}

// A job whose worker died between fetching it and beginning the run is replaced.
func TestAJobThatIsGoneIsReplaced(t *testing.T) {
	pool := database(t)
	s := service(t, Config{Pool: pool, Lease: time.Second}, writes("items", pool, 1, nil))
	if err := s.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := trigger(t, s, "items")
	if _, err := pool.Exec(t.Context(), "update millrace.river_job set state = 'running', attempt = 1, attempted_at = now() - interval '1 hour'"); err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	if r := awaitState(t, s, run.ID, Succeeded, Failed); r.State != Succeeded || r.Attempt != 1 {
		t.Errorf("the record is %+v", r)
	}
}

// A replica that is stopped within one of its own transactions holds up nobody for longer than the server allows.
func TestATransactionOfAStoppedReplicaIsEnded(t *testing.T) {
	pool := database(t)
	s := service(t, Config{Pool: pool}, writes("items", pool, 1, nil))
	if err := s.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := trigger(t, s, "items")
	var cancelled Record
	err := tables.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := s.lock(t.Context(), tx, run.ID); err != nil {
			return err
		}
		var err error
		cancelled, err = s.Cancel(t.Context(), run.ID, "Ada") // meanwhile this transaction idles
		return err
	})
	if cancelled.State != Cancelled || err == nil {
		t.Errorf("the record is %+v, %v", cancelled, err)
	}
}
