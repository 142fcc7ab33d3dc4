package sinks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// from is an incremental source of items with the IDs (last, bound].
type from struct {
	bound func() int64
	read  func(ctx context.Context) error // called before the first record, if not nil
}

func (from) Incremental() bool { return true }

func (f from) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(fmt.Sprint(f.bound())), nil
}

func (f from) Extract(ctx context.Context, out *pipeline.Writer[item]) error {
	if f.read != nil {
		if err := f.read(ctx); err != nil {
			return err
		}
	}
	r, _ := pipeline.RangeFrom(ctx)
	var after, upTo int64
	if r.From != nil {
		if err := json.Unmarshal(r.From, &after); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(r.To, &upTo); err != nil {
		return err
	}
	for i := after + 1; i <= upTo; i++ {
		if err := out.Write(item{ID: i, Name: "x"}); err != nil {
			return err
		}
	}
	return nil
}

func upTo(n int64) from { return from{bound: func() int64 { return n }} }

func TestARunIDIsLoadedOnce(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	o := pipeline.Options{RunID: "2024-05-01", State: sinks.PostgresState{Pool: pool}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	for i := range 3 {
		report, err := load(t, count(10), sink, o)
		if err != nil {
			t.Fatal(err)
		}
		if report.AlreadyCommitted != (i > 0) {
			t.Errorf("run %d: already committed is %v", i, report.AlreadyCommitted)
		}
	}
	if got := one(t, pool, "select count(*)::text from items"); got != "10" {
		t.Errorf("%s rows", got)
	}
	if got := one(t, pool, "select concat_ws(' ', pipeline, run_id, attempt, rows, ranges) from millrace.commits"); got != "test 2024-05-01 1 10 {}" {
		t.Errorf("the ledger says %s", got)
	}
}

func TestAPlainRunMakesNoLedger(t *testing.T) {
	pool := itemDB(t)
	mustLoad(t, count(3), sinks.Postgres[item]{Pool: pool, Table: "items"})
	if got := one(t, pool, "select count(*)::text from pg_namespace where nspname = 'millrace'"); got != "0" {
		t.Error("there is a schema")
	}
}

func TestTheCursorMovesWithTheRows(t *testing.T) {
	pool := itemDB(t)
	o := pipeline.Options{State: sinks.PostgresState{Pool: pool, Schema: "Other Ledger"}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	cursor := func() string {
		return one(t, pool, `select coalesce((select value::text from "Other Ledger".cursors where pipeline = 'test' and source = 'extract'), 'none')`)
	}
	if _, err := load(t, upTo(5), sink, o); err != nil {
		t.Fatal(err)
	}
	if got := cursor(); got != "5" {
		t.Errorf("the cursor is at %s", got)
	}
	exec(t, pool, "insert into items values (8, 'in the way')")
	if _, err := load(t, upTo(9), sink, o); err == nil {
		t.Fatal("a key twice must fail")
	}
	if got := cursor() + " " + one(t, pool, "select count(*)::text from items"); got != "5 6" {
		t.Errorf("cursor and rows are %s", got)
	}
	exec(t, pool, "delete from items where id = 8")
	for range 2 { // the second has nothing new
		if _, err := load(t, upTo(9), sink, o); err != nil {
			t.Fatal(err)
		}
	}
	if got := cursor() + " " + one(t, pool, "select count(*)::text from items"); got != "9 9" {
		t.Errorf("cursor and rows are %s", got)
	}
}

func TestARetryReadsTheRangeThatTheFirstAttemptFixed(t *testing.T) {
	pool := itemDB(t)
	state := sinks.PostgresState{Pool: pool}
	bound, fail := int64(4), true
	source := from{bound: func() int64 { bound++; return bound }, read: func(context.Context) error {
		if fail {
			fail = false
			return errors.New("the network")
		}
		return nil
	}}
	o := pipeline.Options{State: state, RunID: "r", Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond}}
	if _, err := load(t, source, sinks.Postgres[item]{Pool: pool, Table: "items"}, o); err != nil {
		t.Fatal(err)
	}
	if got := one(t, pool, "select max(id)::text from items"); got != "5" {
		t.Errorf("the retry read up to %s", got)
	}
	if got := one(t, pool, "select attempt || ' ' || ranges::text from millrace.commits"); got != `2 {"extract": {"to": 5}}` {
		t.Errorf("the ledger says %s", got)
	}
}

func TestTwoRunsThatMoveOneCursorDoNotBothCommit(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	o := pipeline.Options{State: sinks.PostgresState{Pool: pool}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	if _, err := load(t, upTo(2), sink, o); err != nil {
		t.Fatal(err)
	}
	// The outer run has fixed its range when the inner one runs from start to end.
	outer := from{bound: func() int64 { return 5 }, read: func(context.Context) error {
		_, err := load(t, upTo(4), sink, o)
		return err
	}}
	o2 := o
	o2.RunID = "outer"
	_, err := load(t, outer, sink, o2)
	contains(t, err, `source "extract"`, "no longer at 2", "another run")
	if !pipeline.IsPermanent(err) {
		t.Error("worth another try?")
	}
	if got := one(t, pool, "select string_agg(id::text, ' ' order by id) from items"); got != "1 2 3 4" {
		t.Errorf("loaded: %s", got)
	}
	// Its range is stale for good: said before anything moves.
	_, err = load(t, upTo(9), sink, o2)
	contains(t, err, "was to read on from 2", "to 4", "start a new run")
}

func TestTheFirstRunsOfACursorDoNotBothCommit(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	o := pipeline.Options{State: sinks.PostgresState{Pool: pool}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	outer := from{bound: func() int64 { return 5 }, read: func(context.Context) error {
		_, err := load(t, upTo(4), sink, o)
		return err
	}}
	_, err := load(t, outer, sink, o)
	contains(t, err, "no longer at the beginning")
	if got := one(t, pool, "select count(*)::text from items"); got != "4" {
		t.Errorf("%s rows", got)
	}
}

func TestAnOlderAttemptIsFencedOff(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	o := pipeline.Options{RunID: "r", Attempt: 1, State: sinks.PostgresState{Pool: pool}, Retry: pipeline.Retry{MaxAttempts: 3}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	// The older one has no session yet that the newer one could end.
	late := pipeline.SinkFunc[item](sink.Load)
	newer := o
	newer.Attempt = 2
	broken := errors.New("broken")

	// The newer attempt has begun, and failed; the older one wakes up and goes on.
	_, err := load(t, pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		newer.Retry = pipeline.Retry{}
		_, err := load(t, pipeline.SourceFunc[item](func(context.Context, *pipeline.Writer[item]) error { return broken }), sink, newer)
		if !errors.Is(err, broken) {
			return fmt.Errorf("the newer attempt: %w", err)
		}
		return out.Write(item{ID: 1})
	}), late, o)
	if !errors.Is(err, pipeline.ErrFenced) || !pipeline.IsPermanent(err) {
		t.Fatalf("got %v", err)
	}
	// The newer attempt has committed: the older one has nothing to do.
	report, err := load(t, pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		newer.Attempt = 3
		if _, err := load(t, count(1), sink, newer); err != nil {
			return err
		}
		return out.Write(item{ID: 2})
	}), late, func() pipeline.Options { o := o; o.Attempt = 2; return o }())
	if err != nil || !report.AlreadyCommitted {
		t.Errorf("got %v, already committed is %v", err, report.AlreadyCommitted)
	}
	if got := one(t, pool, "select string_agg(id::text, ' ') from items"); got != "1" {
		t.Errorf("loaded: %s", got)
	}
}

func TestAnAttemptThatIsOlderAtItsStartDoesNotBegin(t *testing.T) {
	pool := itemDB(t)
	state := sinks.PostgresState{Pool: pool}
	if _, err := state.Begin(t.Context(), pipeline.Run{Pipeline: "test", ID: "r", Attempt: 7}, nil); err != nil {
		t.Fatal(err)
	}
	_, err := state.Begin(t.Context(), pipeline.Run{Pipeline: "test", ID: "r", Attempt: 5}, nil)
	if !errors.Is(err, pipeline.ErrFenced) || !pipeline.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	// Somebody who starts the run anew after a crash counts from 1.
	if _, err := load(t, count(1), sinks.Postgres[item]{Pool: pool, Table: "items"}, pipeline.Options{RunID: "r", State: state}); err != nil {
		t.Error(err)
	}
}

func TestManyRunsAtOnceMakeTheLedgerTogether(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			o := pipeline.Options{RunID: fmt.Sprint("run ", i%5), State: sinks.PostgresState{Pool: pool}, Retry: pipeline.Retry{MaxAttempts: 5, Backoff: time.Millisecond}}
			_, err := load(t, count(10), sinks.Postgres[item]{Pool: pool, Table: "items"}, o)
			if err != nil && !errors.Is(err, pipeline.ErrFenced) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := one(t, pool, "select (select count(*) from items) || ' ' || (select count(*) from millrace.commits) || ' ' || (select max(version) from millrace.ledger_versions)"); got != "50 5 1" {
		t.Errorf("rows, commits, version: %s", got)
	}
}

func TestANewerLedgerIsNotTouched(t *testing.T) {
	pool := itemDB(t)
	o := pipeline.Options{State: sinks.PostgresState{Pool: pool}}
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	if _, err := load(t, count(1), sink, o); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, "insert into millrace.ledger_versions (version, name) values (99, 'from the future')")
	_, err := load(t, count(1), sink, o)
	contains(t, err, `schema "millrace"`, "version 99", "newer version of millrace")
	if !pipeline.IsPermanent(err) {
		t.Error("worth another try?")
	}
}

func TestTheGrantThatTheLedgerLacksIsNamed(t *testing.T) {
	pool := itemDB(t)
	role, theirs := devdb.TestRole(t, pool)
	exec(t, pool, fmt.Sprintf("grant all on items to %q", role))
	run := func() error {
		_, err := load(t, count(1), sinks.Postgres[item]{Pool: theirs, Table: "items", Mode: sinks.Replace}, pipeline.Options{State: sinks.PostgresState{Pool: theirs}})
		return err
	}
	contains(t, run(), "GRANT CREATE ON DATABASE", role, "42501")
	exec(t, pool, "create schema millrace")
	contains(t, run(), `GRANT USAGE, CREATE ON SCHEMA "millrace" TO`, role)
	exec(t, pool, fmt.Sprintf("grant usage, create on schema millrace to %q", role))
	if err := run(); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, fmt.Sprintf("revoke all on all tables in schema millrace from %q", role))
	err := run()
	contains(t, err, `GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA "millrace" TO`, role)
	if !pipeline.IsPermanent(err) {
		t.Error("worth another try?")
	}
	exec(t, pool, fmt.Sprintf("revoke usage on schema millrace from %q", role))
	contains(t, run(), `GRANT USAGE ON SCHEMA "millrace" TO`)
}

func TestAStateWithoutAPool(t *testing.T) {
	pool := itemDB(t)
	_, err := load(t, count(1), sinks.Postgres[item]{Pool: pool, Table: "items"}, pipeline.Options{State: sinks.PostgresState{}})
	contains(t, err, "the pool is nil")
}

// second returns a pool to a database of its own with the table items.
func second(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	return pool
}

func TestTwoDatabasesAreTwoUnits(t *testing.T) {
	home, away := second(t), second(t)
	o := pipeline.Options{RunID: "r", State: sinks.PostgresState{Pool: home}}
	lost := errors.New("the ledger's database is lost")
	fail := true
	run := func() (pipeline.Report, error) {
		p := pipeline.New("test", o)
		in := pipeline.From(p, "extract", count(10))
		h := pipeline.To(in, "home", sinks.Postgres[item]{Pool: home, Table: "items"})
		a := pipeline.To(in, "away", sinks.Postgres[item]{Pool: away, Table: "items"})
		pipeline.Do(p, "more", sinks.Exec(away, "insert into items values (0, 'step')"), pipeline.After(h, a))
		// Joined after the database that is away, it commits after it, and before the ledger.
		pipeline.Do(p, "trap", func(ctx context.Context) error {
			_, err := pipeline.Join(ctx, "trap", func(context.Context) (*trap, error) {
				return &trap{func() error {
					if fail {
						fail = false
						return lost
					}
					return nil
				}}, nil
			})
			return err
		}, pipeline.After(h, a))
		return p.Run(t.Context())
	}
	_, err := run()
	var commit *pipeline.CommitError
	if !errors.Is(err, lost) || !errors.As(err, &commit) || len(commit.Committed) != 1 || !strings.Contains(commit.Committed[0], away.Config().ConnConfig.Database) {
		t.Fatalf("got %v", err)
	}
	if pipeline.IsPermanent(err) {
		t.Error("with a ledger a retry can complete it")
	}
	state := func() string {
		return one(t, home, "select count(*)::text from items") + " " + one(t, away, "select count(*)::text from items")
	}
	if got := state(); got != "0 11" {
		t.Fatalf("home and away have %s", got)
	}
	for range 2 {
		if _, err := run(); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != "10 11" {
			t.Errorf("home and away have %s", got)
		}
	}
	for _, pool := range []*pgxpool.Pool{home, away} {
		if got := one(t, pool, "select count(*)::text from millrace.commits where run_id = 'r'"); got != "1" {
			t.Errorf("%s rows in the ledger", got)
		}
	}
}

// trap is a unit whose commit may fail.
type trap struct{ commit func() error }

func (*trap) Name() string                     { return "the trap" }
func (*trap) Phase() pipeline.Phase            { return pipeline.PhaseData }
func (*trap) Prepare(context.Context) error    { return nil }
func (t *trap) Commit(context.Context) error   { return t.commit() }
func (t *trap) Rollback(context.Context) error { return nil }
