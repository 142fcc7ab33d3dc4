package proof

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/runs"
)

// chaos is three replicas that are killed, stopped and started again while they work runs, some of which fail or are
// cancelled.
type chaos struct {
	t                *testing.T
	home, other      string // databases
	pool, otherPool  *pgxpool.Pool
	dir              string
	service          *runs.Service // of the judge: it works nothing
	replicas         []*replica
	asleep           map[int]time.Time // when a stopped one is woken
	kills, stops     int
	started, cancels int
}

// TestDurableRunsWhoseReplicasAreKilledAndStopped holds of every run, at each blow and in the end: what failed or was
// cancelled has left nothing, what succeeded has all its rows and its whole file, each of one attempt, and of the same
// where the table is in the database of the history.
func TestDurableRunsWhoseReplicasAreKilledAndStopped(t *testing.T) {
	c := &chaos{t: t, home: devdb.TestURL(t), other: devdb.TestURL(t), dir: t.TempDir(), asleep: map[int]time.Time{}}
	c.pool, c.otherPool = c.open(c.home), c.open(c.other)
	var err error
	c.service, err = runs.New(t.Context(), runs.Config{
		Pool: c.pool, Registry: chaosRegistry(c.pool, c.otherPool, c.dir), Name: "judge", Workers: -1, Lease: chaosLease,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.service.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.replicas = append(c.replicas, c.start())
	}
	var ids []string
	for total := amount(24, 300); len(ids) < total; {
		for range 1 + rand.IntN(2) {
			ids = append(ids, c.trigger())
		}
		pause(t.Context(), rand.N(250*time.Millisecond))
		if rand.IntN(3) == 0 {
			c.cancel(ids[max(0, len(ids)-1-rand.IntN(8))])
		}
		c.blow()
		c.judge(false)
	}
	c.wakeAll()
	deadline := time.Now().Add(3 * time.Minute)
	for !c.judge(true) {
		if time.Now().After(deadline) {
			t.Fatal("not all runs have ended")
		}
		pause(t.Context(), 200*time.Millisecond)
	}
	c.tell()
}

func (c *chaos) open(url string) *pgxpool.Pool {
	c.t.Helper()
	pool, err := pgxpool.New(c.t.Context(), url)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(pool.Close)
	if _, err := pool.Exec(c.t.Context(), chaosSchema); err != nil {
		c.t.Fatal(err)
	}
	return pool
}

func (c *chaos) start() *replica {
	c.t.Helper()
	c.started++
	return startReplica(c.t, c.home, c.other, c.dir, "replica-"+strconv.Itoa(c.started))
}

func (c *chaos) trigger() string {
	c.t.Helper()
	name := []string{"together", "apart"}[rand.IntN(2)]
	run, err := c.service.Trigger(c.t.Context(), name, runs.Trigger{Params: map[string]string{"fails": strconv.FormatBool(rand.IntN(10) == 0)}})
	if err != nil {
		c.t.Fatal(err)
	}
	return run.ID
}

func (c *chaos) cancel(id string) {
	c.t.Helper()
	_, err := c.service.Cancel(c.t.Context(), id, "the judge")
	if err != nil && !errors.Is(err, runs.ErrConflict) {
		c.t.Fatal(err)
	}
	if err == nil {
		c.cancels++
	}
}

// blow kills a replica, and starts another in its place, or stops one for less or more than its lease.
func (c *chaos) blow() {
	c.t.Helper()
	for i, when := range c.asleep {
		if time.Now().After(when) {
			c.replicas[i].signal(c.t, syscall.SIGCONT)
			delete(c.asleep, i)
		}
	}
	i := rand.IntN(len(c.replicas))
	if _, sleeps := c.asleep[i]; !sleeps && rand.IntN(4) == 0 {
		c.stops++
		c.replicas[i].signal(c.t, syscall.SIGSTOP)
		c.asleep[i] = time.Now().Add(rand.N(3 * chaosLease))
		return
	}
	c.kills++
	c.replicas[i].kill(c.t)
	delete(c.asleep, i)
	c.replicas[i] = c.start()
}

func (c *chaos) wakeAll() {
	for i := range c.asleep {
		c.replicas[i].signal(c.t, syscall.SIGCONT)
	}
}

// ended is a run as the history has it.
type ended struct {
	ID, Pipeline, State, Reason string
}

// judge reads the history and then the tables, so that what had ended in the one must be right in the others. It tells
// whether all runs have ended, and only then looks at files.
func (c *chaos) judge(files bool) (all bool) {
	c.t.Helper()
	rows, _ := c.pool.Query(c.t.Context(), "select id::text, pipeline, state, reason from millrace.runs")
	records, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ended])
	if err != nil {
		c.t.Fatal(err)
	}
	there := map[string][]chaosRow{}
	for _, pool := range []*pgxpool.Pool{c.pool, c.otherPool} {
		c.read(c.t.Context(), pool, there)
	}
	all = true
	for _, r := range records {
		switch got := there[r.ID]; runs.State(r.State) {
		case runs.Succeeded:
			if !whole(r.ID, got) {
				c.t.Errorf("run %s of %s succeeded (%s) and has %d rows", r.ID, r.Pipeline, r.Reason, len(got))
			}
		case runs.Failed, runs.Cancelled:
			if len(got) > 0 {
				c.t.Errorf("run %s of %s is %s (%s) and has %d rows", r.ID, r.Pipeline, r.State, r.Reason, len(got))
			}
		default:
			all = false
		}
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
	if all && files {
		for _, r := range records {
			c.judgeFile(r, there[r.ID])
		}
	}
	return all
}

func (c *chaos) read(ctx context.Context, pool *pgxpool.Pool, there map[string][]chaosRow) {
	c.t.Helper()
	var row chaosRow
	rows, _ := pool.Query(ctx, "select run, attempt, n from items order by run, n")
	_, err := pgx.ForEachRow(rows, []any{&row.Run, &row.Attempt, &row.N}, func() error {
		there[row.Run] = append(there[row.Run], row)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// whole tells whether these are the rows of one attempt, each once.
func whole(run string, rows []chaosRow) bool {
	if len(rows) != chaosRows {
		return false
	}
	for n, row := range rows {
		if (row != chaosRow{run, rows[0].Attempt, n}) {
			return false
		}
	}
	return true
}

// judgeFile holds a file against the rows in the table.
func (c *chaos) judgeFile(r ended, rows []chaosRow) {
	c.t.Helper()
	f, err := os.Open(chaosFile(c.dir, r.ID))
	if len(rows) == 0 {
		if !errors.Is(err, fs.ErrNotExist) {
			c.t.Errorf("run %s of %s is %s and has a file, %v", r.ID, r.Pipeline, r.State, err)
		}
		return
	}
	if err != nil {
		c.t.Errorf("run %s of %s: its rows are there, its file is not: %v", r.ID, r.Pipeline, err)
		return
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	want := [][]string{{"run", "attempt", "n"}}
	attempt := strconv.Itoa(rows[0].Attempt)
	if r.Pipeline == "apart" && len(lines) > 1 { // an earlier attempt may have committed the other database alone
		attempt = lines[1][1]
	}
	for _, row := range rows {
		want = append(want, []string{row.Run, attempt, strconv.Itoa(row.N)})
	}
	if err != nil || !slices.EqualFunc(lines, want, slices.Equal[[]string]) {
		c.t.Errorf("run %s of %s: its file has %d lines, which are not those of the table; %v", r.ID, r.Pipeline, len(lines), err)
	}
}

// tell logs what happened.
func (c *chaos) tell() {
	c.t.Helper()
	counts := ""
	var state string
	var n, most int
	rows, _ := c.pool.Query(c.t.Context(), "select state, count(*), max(attempt) from millrace.runs group by state order by state")
	_, err := pgx.ForEachRow(rows, []any{&state, &n, &most}, func() error {
		counts += fmt.Sprintf(", %d %s in up to %d attempts", n, state, most)
		return nil
	})
	var completed, asked int
	if err == nil {
		err = c.pool.QueryRow(c.t.Context(), `
select count(*) filter (where reason = 'an earlier attempt had committed'),
       (select count(distinct run_id) from millrace.run_attempts where reason like '%unless it is committed%') from millrace.runs`).Scan(&completed, &asked)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("%d kill -9, %d SIGSTOP, %d cancellations%s; %d were completed after their commit, %d were asked about in the other database",
		c.kills, c.stops, c.cancels, counts, completed, asked)
}
