package runs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// The environment of a child process that has the definition export too.
const (
	childExport = "MILLRACE_RUNS_CHILD_EXPORT" // the file that it writes
	childStop   = "MILLRACE_RUNS_CHILD_STOP"   // the phase of the commit in which its first attempt stands still
	childMark   = "MILLRACE_RUNS_CHILD_MARK"   // the file that says that it does
)

// childExports is the definition that the environment of a child process asks for, if any.
func childExports(pool *pgxpool.Pool) []Definition {
	if os.Getenv(childExport) == "" {
		return nil
	}
	phase, err := strconv.Atoi(os.Getenv(childStop))
	if err != nil {
		panic(err)
	}
	return []Definition{exports(pool, os.Getenv(childExport), pipeline.Phase(phase), os.Getenv(childMark))}
}

// exported is a record of export: its rows tell in which attempt they were made.
type exported struct {
	Run string `db:"run" csv:"run"`
	N   int64  `db:"n" csv:"n"`
}

const exportRows = 3000

func exportRow(run string, attempt, i int) exported {
	return exported{Run: run, N: int64(attempt)*1_000_000 + int64(i)}
}

// exports writes the same rows into a table and into a file: two units of work. The first attempt that comes to
// the given phase of its commit stands still there until it is killed.
func exports(pool *pgxpool.Pool, target string, phase pipeline.Phase, mark string) Definition {
	const name = "export"
	return Definition{Name: name, Build: func(_ context.Context, run Run) (*pipeline.Pipeline, error) {
		p := pipeline.New(name, pipeline.Options{})
		rows := pipeline.From(p, "make", pipeline.SourceFunc[exported](func(_ context.Context, out *pipeline.Writer[exported]) error {
			for i := range exportRows {
				if err := out.Write(exportRow(run.ID, run.Attempt, i)); err != nil {
					return err
				}
			}
			return nil
		}))
		pipeline.To(rows, "load", sinks.Postgres[exported]{Pool: pool, Table: "items"})
		pipeline.To(rows, "write", standingFile{CSV: sinks.CSV[exported]{Path: target}, unit: standstill{phase: phase, mark: mark}})
		return p, nil
	}}
}

// standingFile is a CSV file with a unit of work before it, so that of the two that one commits first where their
// phase is the same.
type standingFile struct {
	sinks.CSV[exported]
	unit standstill
}

func (s standingFile) Load(ctx context.Context, in *pipeline.Reader[exported]) error {
	if _, err := pipeline.Join(ctx, s.unit, func(context.Context) (standstill, error) { return s.unit, nil }); err != nil {
		return err
	}
	return s.CSV.Load(ctx, in)
}

// standstill is a unit of work whose commit never ends, once.
type standstill struct {
	phase pipeline.Phase
	mark  string // a file that is made when it stands still; if it is there already it does not
}

func (s standstill) Name() string                   { return "standstill" }
func (s standstill) Phase() pipeline.Phase          { return s.phase }
func (s standstill) Prepare(context.Context) error  { return nil }
func (s standstill) Rollback(context.Context) error { return nil }
func (s standstill) Commit(context.Context) error {
	f, err := os.OpenFile(s.mark, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	select {} // heartbeats go on; only a kill ends this
}

// A run with a table and a file has no one instant of commit. Whatever the instant at which it is killed, both hold the rows
// of one and the same attempt in the end.
func TestARunKilledWithinItsCommitIsBroughtToItsEndByAnother(t *testing.T) {
	for _, c := range []struct {
		name    string
		phase   pipeline.Phase
		visible int    // rows in the table when it is killed
		attempt int    // whose rows are to stay
		reason  string // of the run's success
		then    string // what happens to its row meanwhile
	}{
		{"all is prepared, nothing committed", pipeline.PhaseData - 1, 0, 2, "", ""},
		{"the database has committed, the file has not got its name", pipeline.PhaseFiles, exportRows, 1, "an earlier attempt had committed", ""},
		{"the same, and it was the last loss that is allowed", pipeline.PhaseFiles, exportRows, 1, "an earlier attempt had committed", "losses = 4"},
		{"the same, and somebody wants it cancelled", pipeline.PhaseFiles, exportRows, 1, "an earlier attempt had committed", "cancel_by = 'Ada'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, pool := shared(t)
			target, mark := filepath.Join(t.TempDir(), "items.csv"), filepath.Join(t.TempDir(), "mark")
			const before = "what was there before\n"
			if err := os.WriteFile(target, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv(childExport, target)
			t.Setenv(childStop, strconv.Itoa(int(c.phase)))
			t.Setenv(childMark, mark)
			const lease = 3 * time.Second
			watcher := start(t, Config{Pool: pool, Workers: -1, Name: "watcher", Lease: lease}, exports(pool, target, c.phase, mark))
			first := startReplica(t, url, "first", lease, "")
			run := trigger(t, watcher, "export")
			await(t, "the middle of the commit", func() bool {
				_, err := os.Stat(mark)
				return err == nil
			})
			startReplica(t, url, "second", lease, "")

			// This is the instant.
			if n := count(t, pool, run.ID); n != c.visible {
				t.Errorf("%d rows are visible, want %d", n, c.visible)
			}
			if got := fileText(t, target); got != before {
				t.Errorf("the file is %.100q", got)
			}
			ready := "items.csv.millrace-" + run.ID + "-1.tmp"
			if names := namesBeside(t, target); !slices.Equal(names, []string{"items.csv", ready}) {
				t.Errorf("the folder has %q", names)
			}
			if got := fileText(t, filepath.Join(filepath.Dir(target), ready)); got != exportText(run.ID, 1) {
				t.Errorf("what is ready is %.100q", got)
			}
			if r, err := watcher.Get(t.Context(), run.ID); err != nil || r.State != Running || r.Attempt != 1 || r.Worker != "first" {
				t.Errorf("the record is %+v, %v", r, err)
			}

			if c.phase == pipeline.PhaseFiles {
				_, err := watcher.Cancel(t.Context(), run.ID, "Ada")
				is(t, err, ErrConflict, "is committed: it cannot be cancelled, what is left to do is completed")
			}
			killed := time.Now()
			first.kill()
			if c.then != "" {
				if _, err := pool.Exec(t.Context(), "update millrace.runs set "+c.then); err != nil {
					t.Fatal(err)
				}
			}
			r := awaitState(t, watcher, run.ID, Succeeded, Failed, Cancelled)
			took := time.Since(killed)
			t.Logf("finished %v after kill -9, with a lease of %v", took.Round(time.Millisecond), lease)
			if took > 2*lease {
				t.Errorf("it took %v", took)
			}
			if r.State != Succeeded || r.Reason != c.reason || r.Error != "" || r.Attempt != 2 || r.Worker != "second" {
				t.Errorf("the record is %+v", r)
			}
			if len(r.Attempts) != 2 || r.Attempts[0].State != Lost || r.Attempts[0].Reason != "lost: worker first died; attempt 2 takes over" ||
				r.Attempts[1].State != Succeeded || r.Attempts[1].Reason != c.reason {
				t.Errorf("the attempts are %+v", r.Attempts)
			}
			wantExported(t, pool, target, run.ID, c.attempt)
			await(t, "the end of all jobs", func() bool {
				var unfinished int
				if err := pool.QueryRow(t.Context(), "select count(*) from millrace.river_job where state not in ('completed', 'discarded')").Scan(&unfinished); err != nil {
					t.Fatal(err)
				}
				return unfinished == 0
			})

			// Nothing of it is in the way of the next run.
			next := awaitState(t, watcher, trigger(t, watcher, "export").ID, Succeeded, Failed)
			if next.State != Succeeded || next.Reason != "" || next.Attempt != 1 {
				t.Errorf("the next record is %+v", next)
			}
			wantExported(t, pool, target, next.ID, 1)
		})
	}
}

// wantExported holds the table, the ledger and the file against what one attempt of a run writes.
func wantExported(t *testing.T, pool *pgxpool.Pool, target, run string, attempt int) {
	t.Helper()
	rows, _ := pool.Query(t.Context(), "select run, n from items where run = $1 order by n", run)
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[exported])
	if err != nil {
		t.Fatal(err)
	}
	var want []exported
	for i := range exportRows {
		want = append(want, exportRow(run, attempt, i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table has %d rows of the run, want %d, those of attempt %d", len(got), len(want), attempt)
	}
	var commits, by int
	if err := pool.QueryRow(t.Context(), "select count(*), coalesce(min(attempt), 0) from millrace.commits where run_id = $1", run).Scan(&commits, &by); err != nil || commits != 1 || by != attempt {
		t.Errorf("the ledger has %d commits, the first by attempt %d, want one by attempt %d; %v", commits, by, attempt, err)
	}
	if text := fileText(t, target); text != exportText(run, attempt) {
		t.Errorf("the file has %d bytes, %.100q, want the rows of attempt %d", len(text), text, attempt)
	}
	if names := namesBeside(t, target); !slices.Equal(names, []string{filepath.Base(target)}) {
		t.Errorf("the folder has %q", names)
	}
}

// exportText is the file that an attempt writes.
func exportText(run string, attempt int) string {
	var b strings.Builder
	b.WriteString("run,n\n")
	for i := range exportRows {
		fmt.Fprintf(&b, "%s,%d\n", run, exportRow(run, attempt, i).N)
	}
	return b.String()
}

func fileText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// namesBeside lists the folder of a file, sorted.
func namesBeside(t testing.TB, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
