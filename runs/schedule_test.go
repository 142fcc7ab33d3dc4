package runs

import (
	"sync"
	"testing"
	"time"
)

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) get() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func TestADueDateHasOneRunOverAllReplicas(t *testing.T) {
	pool := database(t)
	c := &clock{now: time.Date(2025, 3, 14, 2, 59, 0, 0, time.UTC)}
	d := writes("items", pool, 1, nil)
	d.Schedule = "0 3 * * *"
	var replicas []*Service
	for range 3 {
		replicas = append(replicas, start(t, Config{Pool: pool, Heartbeat: 30 * time.Millisecond, now: c.get, Workers: 2}, d))
	}
	s := replicas[0]
	info, err := s.Pipeline(t.Context(), "items")
	if due := time.Date(2025, 3, 14, 3, 0, 0, 0, time.UTC); err != nil || !info.NextDue.Equal(due) {
		t.Fatalf("next due is %v, %v", info.NextDue, err)
	}
	list := func() []Record {
		page, err := s.List(t.Context(), Filter{}, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		return page.Items
	}
	for day := 14; day < 19; day++ {
		due := time.Date(2025, 3, day, 3, 0, 0, 0, time.UTC)
		c.set(due.Add(time.Second))
		await(t, "the run", func() bool { return len(list()) == day-13 })
		if r := list()[0]; r.Cause != CauseSchedule || !r.LogicalDate.Equal(due) || r.By != "schedule" {
			t.Errorf("the record is %+v", r)
		}
	}
	for _, r := range list() {
		awaitState(t, s, r.ID, Succeeded)
	}
	var n int
	if err := pool.QueryRow(t.Context(), "select count(*) from items").Scan(&n); err != nil || n != 5 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestAPausedScheduleMakesNoRuns(t *testing.T) {
	pool := database(t)
	c := &clock{now: time.Date(2025, 3, 14, 2, 59, 0, 0, time.UTC)}
	d := writes("items", pool, 1, nil)
	d.Schedule, d.CatchUp = "0 3 * * *", CatchUpAll
	s := start(t, Config{Pool: pool, now: c.get, Workers: -1}, d)
	if err := s.Pause(t.Context(), "items", "Ada"); err != nil {
		t.Fatal(err)
	}
	info, err := s.Pipeline(t.Context(), "items")
	if err != nil || !info.Paused || info.PausedBy != "Ada" || !info.NextDue.IsZero() {
		t.Errorf("the pipeline is %+v, %v", info, err)
	}
	c.set(time.Date(2025, 3, 16, 12, 0, 0, 0, time.UTC))
	if err := s.due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page, err := s.List(t.Context(), Filter{}, 0, ""); err != nil || len(page.Items) != 0 {
		t.Errorf("%d runs, %v", len(page.Items), err)
	}
	if err := s.Resume(t.Context(), "items", "Ada"); err != nil {
		t.Fatal(err)
	}
	await(t, "the missed dates", func() bool {
		page, err := s.List(t.Context(), Filter{}, 0, "")
		return err == nil && len(page.Items) == 3
	})
	if info, err = s.Pipeline(t.Context(), "items"); err != nil || info.Paused || info.NextDue.Day() != 17 {
		t.Errorf("the pipeline is %+v, %v", info, err)
	}
}

// During a rolling upgrade the newest cron line counts, whoever looks.
func TestAnOlderReplicaLeavesAChangedScheduleAlone(t *testing.T) {
	pool := database(t)
	c := &clock{now: time.Date(2025, 3, 14, 2, 59, 0, 0, time.UTC)}
	older, newer := writes("items", pool, 1, nil), writes("items", pool, 1, nil)
	older.Schedule, newer.Schedule = "0 3 * * *", "0 5 * * *"
	s1 := start(t, Config{Pool: pool, now: c.get, Workers: -1}, older)
	s2 := start(t, Config{Pool: pool, now: c.get, Workers: -1}, newer)
	c.set(time.Date(2025, 3, 14, 5, 0, 1, 0, time.UTC))
	if err := s1.due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page, err := s2.List(t.Context(), Filter{}, 0, ""); err != nil || len(page.Items) > 0 && page.Items[0].LogicalDate.Hour() != 5 {
		t.Errorf("the runs are %+v, %v", page.Items, err)
	}
	var page Page[Record]
	await(t, "the run of the newer", func() bool {
		if err := s2.due(t.Context()); err != nil { // its own keeper may be at it
			t.Fatal(err)
		}
		var err error
		page, err = s2.List(t.Context(), Filter{}, 0, "")
		return err == nil && len(page.Items) > 0
	})
	if len(page.Items) != 1 || page.Items[0].LogicalDate.Hour() != 5 {
		t.Errorf("the runs are %+v", page.Items)
	}
}

func TestABackfillRunsEachDateOnceWithinItsLimit(t *testing.T) {
	pool := database(t)
	g := newGate()
	d := writes("items", pool, 2, g.wait)
	d.Schedule, d.MaxActive = "30 6 * * *", 3
	a := start(t, Config{Pool: pool, Name: "a", Workers: 5}, d)
	start(t, Config{Pool: pool, Name: "b", Workers: 5}, d)
	b, err := a.Backfill(t.Context(), "items", Backfill{
		From: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2025, 3, 6, 6, 30, 0, 0, time.UTC), Parallel: 2, By: "Ada",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Runs) != 6 || !b.Runs[0].LogicalDate.Equal(time.Date(2025, 3, 1, 6, 30, 0, 0, time.UTC)) || b.Runs[5].LogicalDate.Day() != 6 || b.Runs[0].Backfill != b.ID {
		t.Fatalf("the backfill is %+v", b)
	}
	if r := b.Runs[5]; r.Reason != "waits for its backfill, of which 2 may run at once" {
		t.Errorf("it %s", r.Reason)
	}
	g.awaits(t)
	g.awaits(t)
	// Another run passes the backfill, which has as many as it may.
	other := trigger(t, a, "items")
	if id := g.awaits(t); id != other.ID {
		t.Errorf("run %s, want %s", id, other.ID)
	}
	if info, err := a.Pipeline(t.Context(), "items"); err != nil || info.Active != 3 || info.Waiting != 4 {
		t.Errorf("the pipeline is %+v, %v", info, err)
	}
	close(g.open)
	for _, r := range b.Runs {
		if r = awaitState(t, a, r.ID, Succeeded, Failed); r.State != Succeeded || count(t, pool, r.ID) != 2 {
			t.Errorf("the record is %+v", r)
		}
	}
	page, err := a.List(t.Context(), Filter{Backfill: b.ID}, 0, "")
	if err != nil || len(page.Items) != 6 {
		t.Errorf("%d runs, %v", len(page.Items), err)
	}
	// Without a schedule its dates are midnights.
	c := &definition{}
	dates, err := c.dates(time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 3, 3, 1, 0, 0, 0, time.UTC))
	if err != nil || len(dates) != 3 || dates[0].Day() != 1 {
		t.Errorf("the dates are %v, %v", dates, err)
	}
}

// A day on which clocks are changed has its run, whether it is met, made up for or filled in, and has it once.
func TestTheDayOfAChangeOfClocksHasItsRun(t *testing.T) {
	pool := database(t)
	c := &clock{now: time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)}
	d := writes("items", pool, 1, nil)
	d.Schedule, d.CatchUp = "TZ=Europe/Berlin 30 2 * * *", CatchUpAll
	s := service(t, Config{Pool: pool, now: c.get, Workers: -1}, d)
	want := []time.Time{ // 02:30 local, 03:00 where 02:30 is left out
		time.Date(2026, 3, 28, 1, 30, 0, 0, time.UTC), time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 3, 30, 0, 30, 0, 0, time.UTC),
	}
	begin(t, s)
	c.set(time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC))
	s.wakeKeeper()
	var page Page[Record]
	await(t, "the missed dates", func() (ok bool) {
		var err error
		page, err = s.List(t.Context(), Filter{}, 0, "")
		return err == nil && len(page.Items) >= len(want)
	})
	for i, r := range page.Items {
		if !r.LogicalDate.Equal(want[len(want)-1-i]) {
			t.Errorf("run %d is of %v", i, r.LogicalDate)
		}
	}
	b, err := s.Backfill(t.Context(), "items", Backfill{From: time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)})
	if err != nil || len(b.Runs) != len(want) {
		t.Fatalf("the backfill is %+v, %v", b, err)
	}
	for i, r := range b.Runs {
		if !r.LogicalDate.Equal(want[i]) {
			t.Errorf("run %d of the backfill is of %v", i, r.LogicalDate)
		}
	}
}
