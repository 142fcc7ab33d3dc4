package sinks_test

import (
	"context"
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

// snapshot is what is in the table items.
func snapshot(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	return one(t, pool, "select coalesce(string_agg(concat_ws(' ', id, name, qty), ', ' order by id), '') from items")
}

func TestARefusedRowFailsTheRunAndSaysWhere(t *testing.T) {
	type loose struct {
		ID   *int64
		Name *string
		Qty  int64
	}
	n := func(i int64) *int64 { return &i }
	s := func(v string) *string { return &v }
	for _, c := range []struct {
		name  string
		setup string
		give  []loose
		words []string
	}{
		{"a key that is there", "", []loose{{n(1), s("a"), 1}, {n(100), s("b"), 1}}, []string{`load: table "items": record 2: `, "items_pkey", `Key (id)=(100) already exists`, "23505"}},
		{"a null", "", []loose{{n(1), s("a"), 1}, {n(2), nil, 1}}, []string{`load: table "items": record 2: column "name" is null, and the table does not allow it`}},
		{"a check", "alter table items add constraint positive check (qty > 0)", []loose{{n(1), s("a"), 0}}, []string{`load: table "items": record 1: `, `"positive"`, "23514"}},
		{"a foreign key", "create table kinds (name text primary key); insert into kinds values ('old'); alter table items add constraint kind foreign key (name) references kinds", []loose{{n(1), s("a"), 1}}, []string{`load: table "items": `, `"kind"`, `Key (name)=(a) is not present`, "23503"}},
		{"a deferred constraint", "create table kinds (name text primary key); insert into kinds values ('old'); alter table items add constraint kind foreign key (name) references kinds deferrable initially deferred", []loose{{n(1), s("a"), 1}}, []string{`"kind"`, `Key (name)=(a) is not present`, "23503"}},
		{"an overflow", "", []loose{{n(1), s("a"), 1 << 40}}, []string{`load: table "items": record 1: column "qty": "1099511627776" is out of range`}},
		{"a NUL", "", []loose{{n(1), s("a\x00b"), 1}}, []string{`load: table "items": record 1: column "name": `}},
		{"no UTF-8", "", []loose{{n(1), s("a\xff"), 1}}, []string{`load: table "items": record 1: column "name": `}},
		{"a trigger", "create function no() returns trigger language plpgsql as $$ begin raise exception 'not on sundays'; end $$; create trigger no before insert on items for each row execute function no()", []loose{{n(1), s("a"), 1}}, []string{`load: table "items": `, "not on sundays"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := itemDB(t)
			exec(t, pool, "insert into items values (100, 'old', 1)")
			if c.setup != "" {
				exec(t, pool, c.setup)
			}
			before := snapshot(t, pool)
			_, err := load(t, give(c.give...), sinks.Postgres[loose]{Pool: pool, Table: "items"}, pipeline.Options{})
			contains(t, err, c.words...)
			if !pipeline.IsPermanent(err) {
				t.Errorf("trying again would not help: %v", err)
			}
			if got := snapshot(t, pool); got != before {
				t.Errorf("the table is now %s", got)
			}
			if n := pool.Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

func TestARefusedRecordIsCountedOverBatches(t *testing.T) {
	type large struct {
		ID  int64
		Qty int64
	}
	for _, c := range []struct {
		name   string
		qty    int64
		server bool // the server refuses it, and not the encoder
		want   string
	}{
		{"by the encoder", 1 << 40, false, `load: table "items": record 1300: column "qty": "1099511627776" is out of range`},
		{"by the server", -1, true, `load: table "items": record 1300: `},
	} {
		for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
			if mode == sinks.Upsert && c.server {
				continue // the merge refuses it, which knows no records
			}
			t.Run(c.name+" to "+mode.String(), func(t *testing.T) {
				pool := itemDB(t)
				exec(t, pool, "alter table items add constraint positive check (qty >= 0), alter name drop not null")
				all := make([]large, 1500)
				for i := range all {
					all[i] = large{ID: int64(i)}
				}
				all[1299].Qty = c.qty
				_, err := load(t, give(all...), sinks.Postgres[large]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}, pipeline.Options{})
				contains(t, err, c.want)
			})
		}
	}
}

func TestARefusedRecordIsCountedAcrossStreams(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "create table others (id bigint, name text, qty integer)")
	const bad = 150_000
	source := pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		for i := 1; i <= 200_000; i++ {
			r := item{ID: int64(i), Name: "x"}
			if i == bad {
				r.ID = 7
			}
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	})
	p := pipeline.New("test", pipeline.Options{})
	in := pipeline.From(p, "extract", source)
	pipeline.To(in, "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
	pipeline.To(in, "other", sinks.Postgres[item]{Pool: pool, Table: "others"}) // makes them take turns
	_, err := p.Run(t.Context())
	contains(t, err, "load: ", fmt.Sprintf("record %d:", bad), "Key (id)=(7) already exists")
	if got := one(t, pool, "select (select count(*) from items) || ' ' || (select count(*) from others)"); got != "0 0" {
		t.Errorf("%s rows are left", got)
	}
}

func TestOneStageThatFailsUndoesAllSinks(t *testing.T) {
	broken := errors.New("broken")
	pool := itemDB(t)
	exec(t, pool, "insert into items values (100, 'old', 1)")
	exec(t, pool, "create table others as table items")
	exec(t, pool, "create table third as table items")
	for _, c := range []struct {
		name string
		fail func(p *pipeline.Pipeline, in pipeline.Stream[item], stages ...pipeline.Dependency)
	}{
		{"a sink", func(p *pipeline.Pipeline, in pipeline.Stream[item], _ ...pipeline.Dependency) {
			pipeline.To(in, "fail", pipeline.SinkFunc[item](func(ctx context.Context, in *pipeline.Reader[item]) error {
				n := 0
				for _, err := range in.All() {
					if err != nil {
						return err
					}
					if n++; n == 60_000 {
						return broken
					}
				}
				return nil
			}))
		}},
		{"a step at the end", func(p *pipeline.Pipeline, _ pipeline.Stream[item], stages ...pipeline.Dependency) {
			pipeline.Do(p, "fail", func(ctx context.Context) error { return broken }, pipeline.After(stages...))
		}},
		{"a panic", func(p *pipeline.Pipeline, _ pipeline.Stream[item], stages ...pipeline.Dependency) {
			pipeline.Do(p, "fail", func(ctx context.Context) error { panic(broken) }, pipeline.After(stages...))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pipeline.New("test", pipeline.Options{})
			in := pipeline.From(p, "extract", count(100_000))
			a := pipeline.To(in, "a", sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
			b := pipeline.To(in, "b", sinks.Postgres[item]{Pool: pool, Table: "others", Mode: sinks.Replace})
			d := pipeline.To(in, "c", sinks.Postgres[item]{Pool: pool, Table: "third", Mode: sinks.Truncate})
			c.fail(p, in, a, b, d)
			if _, err := p.Run(t.Context()); !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
			if got := one(t, pool, "select (select count(*) from items) || ' ' || (select count(*) from others) || ' ' || (select count(*) from third)"); got != "1 1 1" {
				t.Errorf("%s rows are left", got)
			}
		})
	}
}

func TestACancelledRunRollsBackAndKeepsTheConnection(t *testing.T) {
	pool := itemDB(t)
	started := make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "extract", pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		if err := pipelineWrite(out, 20_000); err != nil {
			return err
		}
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})), "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
	run := p.Start(ctx)
	<-started
	waitFor(t, pool, "copying")
	fresh := pool.Stat().NewConnsCount()
	cancel(errors.New("the operator went home"))
	_, err := run.Wait()
	contains(t, err, "the operator went home")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("not a cancellation: %v", err)
	}
	if got := snapshot(t, pool); got != "" {
		t.Error("rows are left")
	}
	if n := pool.Stat().NewConnsCount(); n != fresh {
		t.Errorf("%d new connections: the run's was not given back", n-fresh)
	}
}

// pipelineWrite writes n items, and flushes.
func pipelineWrite(out *pipeline.Writer[item], n int) error {
	for i := range n {
		if err := out.Write(item{ID: int64(i + 1), Name: "x"}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// waitFor waits until another session is in the state that is named.
func waitFor(t testing.TB, pool *pgxpool.Pool, what string) {
	t.Helper()
	condition := map[string]string{
		"copying":  "query ilike 'copy%' and state = 'active'",
		"sleeping": "query ilike 'select pg_sleep%' and state = 'active'",
	}[what]
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		var found bool
		if err := pool.QueryRow(t.Context(), "select exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and "+condition+")").Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
	}
	t.Fatalf("no session is %s", what)
}

func TestACancelledStatementIsCancelledOnTheServer(t *testing.T) {
	pool := devdb.Test(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := pipeline.New("test", pipeline.Options{})
	pipeline.Do(p, "sleep", sinks.Exec(pool, "select pg_sleep(600)"))
	run := p.Start(ctx)
	waitFor(t, pool, "sleeping")
	begin := time.Now()
	cancel()
	if _, err := run.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := one(t, pool, "select count(*)::text from pg_stat_activity where datname = current_database() and query like 'select pg_sleep%' and state = 'active' and pid <> pg_backend_pid()"); got != "0" {
		t.Error("the statement goes on")
	}
}

func TestACopyThatIsRefusedWhileItsInputIsIdleFailsSoon(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "alter table items add constraint small check (qty < 10)")
	p := pipeline.New("test", pipeline.Options{})
	var idle time.Time
	pipeline.To(pipeline.From(p, "extract", pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		// Two whole chunks, and the last row is refused: nothing comes after it.
		var eleven int32 = 11
		for i := range 14 {
			r := item{ID: int64(i), Name: strings.Repeat("x", 20_000)}
			if i == 13 {
				r.Qty = &eleven
			}
			if err := out.Write(r); err != nil {
				return err
			}
		}
		idle = time.Now()
		if err := out.Flush(); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})), "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
	_, err := p.Run(t.Context())
	contains(t, err, "test: load: ", "record 14", `"small"`)
	if took := time.Since(idle); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestTruncateWaitsOnlyAWhileForItsLock(t *testing.T) {
	pool := itemDB(t)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "select * from items"); err != nil {
		t.Fatal(err)
	}
	_, err = load(t, count(1), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Truncate, LockTimeout: 100 * time.Millisecond}, pipeline.Options{})
	contains(t, err, `table "items"`, "no lock", "100ms", "Replace")
	if pipeline.IsPermanent(err) {
		t.Error("a lock may be free the next time")
	}
	mustLoad(t, count(1), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Replace, LockTimeout: 100 * time.Millisecond})
}

func TestTwoSinksOfOneTable(t *testing.T) {
	pool := itemDB(t)
	run := func(first, second sinks.Mode) error {
		p := pipeline.New("test", pipeline.Options{})
		pipeline.To(pipeline.From(p, "a", give(item{ID: 1})), "load_a", sinks.Postgres[item]{Pool: pool, Table: "items", Mode: first})
		pipeline.To(pipeline.From(p, "b", give(item{ID: 2})), "load_b", sinks.Postgres[item]{Pool: pool, Table: "public.items", Mode: second})
		_, err := p.Run(t.Context())
		return err
	}
	if err := run(sinks.Append, sinks.Append); err != nil {
		t.Error(err)
	}
	if got := one(t, pool, "select count(*)::text from items"); got != "2" {
		t.Errorf("%s rows", got)
	}
	contains(t, run(sinks.Append, sinks.Replace), "two stages of this run write to it")
	contains(t, run(sinks.Replace, sinks.Replace), "two stages of this run write to it")
}

func TestManyRunsAtOnceOnOneSinkValue(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint, name text, qty integer)")
	sink := sinks.Postgres[item]{Pool: pool, Table: "items"}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := load(t, count(50), sink, pipeline.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := one(t, pool, "select count(*)::text from items"); got != "1000" {
		t.Errorf("%s rows", got)
	}
}
