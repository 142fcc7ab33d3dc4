package sinks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// Whatever hangs on a table, a run that writes to it changes no row but its own, or it is refused before anything
// moves: each mode against each dependent.
func TestAModeTouchesNothingBesidesItsOwnRows(t *testing.T) {
	const fact = "create table fact (item bigint references items (id) %s); insert into fact values (1), (2)"
	setNull := strings.ReplaceAll(fact, "%s", "on delete set null")
	// By mode: words of the error, "ok", or "empty" for one that empties a table to which nothing is referred.
	type outcome map[sinks.Mode][]string
	refusedBoth := func(words ...string) outcome { return outcome{sinks.Replace: words, sinks.Truncate: words} }
	for _, c := range []struct {
		name, ddl, keep string // keep reads what may not change
		want            outcome
	}{
		{"nothing", "select", "select ''", nil},
		{"a foreign key that cascades", strings.ReplaceAll(fact, "%s", "on delete cascade"), "select string_agg(item::text, ' ') from fact",
			refusedBoth(`table "fact"`, `"fact_item_fkey"`, "use Upsert", "Append")},
		{"a foreign key that sets null", setNull, "select count(item)::text from fact", refusedBoth(`"fact_item_fkey"`, "use Upsert")},
		{"a foreign key that sets the default", strings.ReplaceAll(fact, "%s", "on delete set default"), "select count(item)::text from fact", refusedBoth(`"fact_item_fkey"`, "use Upsert")},
		{"a foreign key that refuses", strings.ReplaceAll(fact, "%s", ""), "select count(item)::text from fact",
			outcome{sinks.Replace: {"fact_item_fkey", "23503"}, sinks.Truncate: {"fact_item_fkey", "use Upsert"}}},
		{"a foreign key on a column that is updated", "alter table items add unique (name); create table fact (name text references items (name) on update set null); insert into fact values ('old 1')", "select coalesce(max(name), 'null') from fact",
			outcome{sinks.Replace: {"fact_name_fkey", "23503"}, sinks.Truncate: {"fact_name_fkey"}, sinks.Upsert: {"fact_name_fkey", "ON UPDATE SET NULL"}}},
		{"a table that references itself", "alter table items add parent bigint references items on delete cascade; update items set parent = 1", "select ''", nil},
		{"children that inherit", "create table special () inherits (items); insert into special values (5, 'special', 0)", "select name from special",
			outcome{sinks.Replace: {"inherit (special)", "Append"}, sinks.Truncate: {"inherit (special)"}, sinks.Upsert: {"inherit (special)"}}},
		{"a rule that keeps rows", "create rule keep as on delete to items do instead nothing", "select count(*)::text from items where id < 0",
			outcome{sinks.Replace: {`rule "keep"`, "ON DELETE", "Truncate"}}},
		{"a rule that keeps some rows", "create rule keep as on delete to items where old.id = 1 do instead nothing", "select count(*)::text from items where id < 0",
			outcome{sinks.Replace: {`rule "keep"`}}},
		{"a rule on insert", "create table seen (id bigint); create rule note as on insert to items do also insert into seen values (new.id)", "select count(*)::text from seen",
			outcome{sinks.Append: {`rule "note"`, "ON INSERT"}, sinks.Replace: {`rule "note"`}, sinks.Truncate: {`rule "note"`}, sinks.Upsert: {`rule "note"`}}},
		{"a rule on update", "create rule hold as on update to items do instead nothing", "select ''", outcome{sinks.Upsert: {`rule "hold"`, "ON UPDATE"}}},
		{"a rule that is off", "create rule keep as on delete to items do instead nothing; alter table items disable rule keep", "select ''", nil},
		{"a trigger that keeps rows", "create function keep() returns trigger language plpgsql as $$ begin if old.id = 1 then return null; end if; return old; end $$; create trigger keep before delete on items for each row execute function keep()", "select ''",
			outcome{sinks.Replace: {"BEFORE DELETE trigger", "rows are left"}}},
		{"a trigger that lets rows go", "create function go() returns trigger language plpgsql as $$ begin return old; end $$; create trigger go before delete on items for each row execute function go()", "select ''", nil},
		{"a view", "create view seen as select * from items", "select ''", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := itemDB(t)
			exec(t, pool, "insert into items values (1, 'old 1', 0), (2, 'old 2', 0)")
			exec(t, pool, c.ddl)
			kept, before := one(t, pool, c.keep), snapshot(t, pool)
			for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert, sinks.Replace, sinks.Truncate} {
				sink := sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}
				id := int64(10 + mode)
				_, err := load(t, give(item{ID: id, Name: "new"}), sink, pipeline.Options{})
				if got := one(t, pool, c.keep); got != kept {
					t.Errorf("%v: %s of the others, were %s (%v)", mode, got, kept, err)
				}
				after := snapshot(t, pool)
				if words := c.want[mode]; words != nil {
					contains(t, err, words...)
					if after != before {
						t.Errorf("%v: it was refused, and there is %s", mode, after)
					}
					continue
				}
				if err != nil {
					t.Errorf("%v: %v", mode, err)
				}
				want := before + fmt.Sprintf(", %d new", id)
				if mode == sinks.Replace || mode == sinks.Truncate {
					want = fmt.Sprintf("%d new", id)
				}
				if after != want {
					t.Errorf("%v: there is %s, want %s", mode, after, want)
				}
				before = after
			}
		})
	}
}

// Parents and children are emptied together, in whatever order their sinks were added.
func TestAStarIsReplacedAsOften(t *testing.T) {
	type fact struct{ Item int64 }
	for _, c := range []struct {
		name, action string
		dim, facts   sinks.Mode
		refused      bool
	}{
		{"deleted, which cascades", "on delete cascade", sinks.Replace, sinks.Replace, false},
		{"deleted", "", sinks.Replace, sinks.Replace, false},
		{"truncated", "", sinks.Truncate, sinks.Truncate, false},
		{"one deleted, the other truncated", "on delete set null", sinks.Replace, sinks.Truncate, false},
		{"the parent truncated only", "", sinks.Truncate, sinks.Replace, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := itemDB(t)
			exec(t, pool, "create table fact (item bigint references items "+c.action+" deferrable initially deferred)")
			exec(t, pool, "insert into items values (1, 'old', 0); insert into fact values (1)")
			for range 3 {
				p := pipeline.New("star", pipeline.Options{})
				pipeline.To(pipeline.From(p, "items", count(2)), "load_items", sinks.Postgres[item]{Pool: pool, Table: "items", Mode: c.dim})
				pipeline.To(pipeline.From(p, "facts", give(fact{1}, fact{2})), "load_facts", sinks.Postgres[fact]{Pool: pool, Table: "fact", Mode: c.facts})
				_, err := p.Run(t.Context())
				if c.refused {
					contains(t, err, "fact_item_fkey")
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := one(t, pool, "select (select count(*) from items) || ' ' || (select count(item) from fact)"); got != "2 2" {
					t.Errorf("got %s", got)
				}
			}
		})
	}
}

// A name that the server would cut is refused, whatever it is a name of: two long ones could become one.
func TestANameThatTheServerWouldCut(t *testing.T) {
	long := strings.Repeat("x", 63)
	type keyed struct {
		ID int64 `db:"idxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`
	}
	pool := itemDB(t)
	exec(t, pool, "create schema "+long+"; create table "+long+" (id bigint, name text, qty integer)")
	sink := func(table string, create bool) sinks.Postgres[item] {
		return sinks.Postgres[item]{Pool: pool, Table: table, Create: create, Mode: sinks.Replace}
	}
	for name, v := range map[string]pipeline.Validator{
		"a table":                      sink(long+"_january", false),
		"a table to make":              sink(long+"_january", true),
		"a schema":                     sink(long+"2.t", false),
		"a schema of a table to make":  sink(long+"2.t", true),
		"a table with wide characters": sink(strings.Repeat("ü", 32), true),
		"a column to make":             sinks.Postgres[keyed]{Pool: pool, Table: "made", Create: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := v.Validate(t.Context())
			contains(t, err, "longer than the 63 bytes")
			if !pipeline.IsPermanent(err) {
				t.Errorf("trying again would not help: %v", err)
			}
		})
	}
	for _, table := range []string{long, long + ".t", strings.Repeat("ü", 31) + "x"} {
		mustLoad(t, count(1), sink(table, true))
	}
	_, err := load(t, count(1), sink("items", false), pipeline.Options{State: sinks.PostgresState{Pool: pool, Schema: long + "2"}})
	contains(t, err, "longer than the 63 bytes")
	// A long run ID is no name, though the session is named for it.
	_, err = load(t, count(1), sink("items", false), pipeline.Options{RunID: strings.Repeat("r", 200), State: sinks.PostgresState{Pool: pool}})
	if err != nil {
		t.Error(err)
	}
}

func TestWhyAnUpsertCannotUseAnIndex(t *testing.T) {
	for _, c := range []struct {
		name, ddl string
		words     []string // nil if it works
	}{
		{"none", "select", []string{"there is none"}},
		{"others", "alter table items add unique (name, qty)", []string{"there is none", `"items_name_qty_key" over (name, qty)`}},
		{"deferrable", "alter table items add constraint late unique (id) deferrable", []string{`"late"`, "DEFERRABLE"}},
		{"partial", "create unique index part on items (id) where qty > 0", []string{`"part"`, "partial, WHERE qty > 0"}},
		{"on an expression", "create unique index expr on items (abs(id))", []string{`"expr" over (abs(id))`, "expression"}},
		{"with more columns beside", "create unique index wide on items (id) include (name)", nil},
		{"partial, and a whole one", "create unique index part on items (id) where qty > 0; create unique index whole on items (id)", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := devdb.Test(t)
			exec(t, pool, "create table items (id bigint not null, name text, qty integer)")
			exec(t, pool, c.ddl)
			err := sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}}.Validate(t.Context())
			if c.words == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			contains(t, err, append(c.words, "CREATE UNIQUE INDEX")...)
		})
	}
}

func TestKeysThatTheModeWouldIgnore(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "create table plain (id bigint, name text, qty integer)")
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate} {
		contains(t, sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: []string{"id"}}.Validate(t.Context()), "Keys", "sinks.Upsert")
		contains(t, sinks.Postgres[item]{Pool: pool, Table: "plain", Mode: mode, Create: true, Keys: []string{"id"}}.Validate(t.Context()), "no such key")
		if err := (sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Create: true, Keys: []string{"id"}}).Validate(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// pair runs a pipeline with a sink for a and one for b, in the order that is asked for.
func pair(ctx context.Context, pool *pgxpool.Pool, mode sinks.Mode, reversed bool, n int) error {
	p := pipeline.New("pair", pipeline.Options{})
	tables := []string{"a", "b"}
	if reversed {
		tables = []string{"b", "a"}
	}
	for _, table := range tables {
		pipeline.To(pipeline.From(p, "read_"+table, count(n)), "load_"+table, sinks.Postgres[item]{Pool: pool, Table: table, Mode: mode, Keys: keysOf(mode)})
	}
	_, err := p.Run(ctx)
	return err
}

// Runs in opposite order wait for each other; none is a deadlock's victim.
func TestRunsThatWriteToTheSameTablesComeOneAfterTheOther(t *testing.T) {
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert, sinks.Replace, sinks.Truncate} {
		t.Run(mode.String(), func(t *testing.T) {
			pool := devdb.Test(t)
			key := " primary key"
			if mode == sinks.Append {
				key = ""
			}
			for _, table := range []string{"a", "b"} {
				exec(t, pool, "create table "+table+" (id bigint"+key+", name text, qty integer)")
			}
			const runs = 20
			failed := make(chan error, runs)
			for i := range runs {
				go func() { failed <- pair(t.Context(), pool, mode, i%2 == 1, 2000) }()
			}
			for range runs {
				if err := <-failed; err != nil {
					t.Error(err)
				}
			}
			want := "2000 2000"
			if mode == sinks.Append {
				want = "40000 40000"
			}
			if got := one(t, pool, "select (select count(*) from a) || ' ' || (select count(*) from b)"); got != want {
				t.Errorf("%s rows, want %s", got, want)
			}
		})
	}
}

// While a run is in the middle of its input an application can read, but for a table that is truncated, and write beside
// Append and Upsert.
func TestWhatAnApplicationCanDoMeanwhile(t *testing.T) {
	for mode, can := range map[sinks.Mode]struct{ read, write bool }{
		sinks.Append: {true, true}, sinks.Upsert: {true, true}, sinks.Replace: {true, false}, sinks.Truncate: {false, false},
	} {
		t.Run(mode.String(), func(t *testing.T) {
			pool := itemDB(t)
			begun, free := make(chan struct{}), make(chan struct{})
			p := pipeline.New("test", pipeline.Options{})
			pipeline.To(pipeline.From(p, "read", pipeline.SourceFunc[item](func(_ context.Context, out *pipeline.Writer[item]) error {
				err := pipelineWrite(out, 20_000)
				close(begun)
				<-free
				return err
			})), "load", sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)})
			run := p.Start(t.Context())
			<-begun
			waitFor(t, pool, "copying")
			try := func(what, sql string, want bool) {
				_, err := pool.Exec(t.Context(), "begin; set local lock_timeout = '1s'; "+sql+"; commit")
				if err != nil {
					_, _ = pool.Exec(t.Context(), "rollback")
				}
				if (err == nil) != want {
					t.Errorf("it can %s: %v, want %v", what, err, want)
				}
			}
			try("read", "select count(*) from items", can.read)
			try("write", "insert into items values (-1, 'an application', 0)", can.write)
			close(free)
			if _, err := run.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
