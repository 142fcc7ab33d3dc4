package sinks_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// item is the record of most tests here.
type item struct {
	ID   int64
	Name string
	Qty  *int32
}

// give is a source of these records.
func give[T any](records ...T) pipeline.Source[T] {
	return pipeline.SourceFunc[T](func(ctx context.Context, out *pipeline.Writer[T]) error {
		for _, r := range records {
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// count is a source of n items, numbered from 1.
func count(n int) pipeline.Source[item] {
	return pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		for i := range n {
			if err := out.Write(item{ID: int64(i + 1), Name: fmt.Sprintf("item %d", i+1)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// load runs a pipeline of one source and one sink.
func load[T any](t testing.TB, source pipeline.Source[T], sink pipeline.Sink[T], o pipeline.Options) (pipeline.Report, error) {
	t.Helper()
	p := pipeline.New("test", o)
	pipeline.To(pipeline.From(p, "extract", source), "load", sink)
	return p.Run(t.Context())
}

func mustLoad[T any](t testing.TB, source pipeline.Source[T], sink pipeline.Sink[T]) {
	t.Helper()
	if _, err := load(t, source, sink, pipeline.Options{}); err != nil {
		t.Fatal(err)
	}
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// rows returns a query's rows as text, one string a row.
func rows(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	r, _ := pool.Query(t.Context(), sql, args...)
	got, err := pgx.CollectRows(r, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func one(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) string {
	t.Helper()
	got := rows(t, pool, sql, args...)
	if len(got) != 1 {
		t.Fatalf("%s: %d rows", sql, len(got))
	}
	return got[0]
}

const itemTable = "create table items (id bigint primary key, name text not null, qty integer)"

func itemDB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := devdb.Test(t)
	exec(t, pool, itemTable)
	return pool
}

func TestAppendAddsAndReplaceTakesThePlace(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "insert into items values (100, 'old', 1)")
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate} {
		mustLoad(t, count(3), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode})
		want := "100:old,1:item 1,2:item 2,3:item 3"
		if mode != sinks.Append {
			want = "1:item 1,2:item 2,3:item 3"
		}
		if got := one(t, pool, "select string_agg(id || ':' || name, ',' order by id = 100 desc, id) from items"); got != want {
			t.Errorf("%v: got %s, want %s", mode, got, want)
		}
	}
}

func TestAnEmptyInput(t *testing.T) {
	for _, c := range []struct {
		mode sinks.Mode
		want string
	}{{sinks.Append, "1"}, {sinks.Upsert, "1"}, {sinks.Replace, "0"}, {sinks.Truncate, "0"}} {
		t.Run(c.mode.String(), func(t *testing.T) {
			pool := itemDB(t)
			exec(t, pool, "insert into items values (100, 'old', 1)")
			mustLoad(t, give[item](), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: c.mode, Keys: keysOf(c.mode)})
			if got := one(t, pool, "select count(*)::text from items"); got != c.want {
				t.Errorf("%s rows are left, want %s", got, c.want)
			}
		})
	}
}

func TestUpsertTakesTheLastRecordOfAKey(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "insert into items values (1, 'old 1', 1), (2, 'old 2', 2)")
	five := int32(5)
	mustLoad(t, give(
		item{ID: 2, Name: "first 2"}, item{ID: 3, Name: "first 3"}, item{ID: 2, Name: "last 2", Qty: &five}, item{ID: 3, Name: "last 3"},
	), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
	want := "1 old 1 1, 2 last 2 5, 3 last 3 -"
	if got := one(t, pool, "select string_agg(concat_ws(' ', id, name, coalesce(qty::text, '-')), ', ' order by id) from items"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Rows of very different widths are what lets the server put a later row into an
// earlier page: the order of records must not hang on it.
func TestUpsertKeepsTheOrderOfRowsOfAnyWidth(t *testing.T) {
	pool := itemDB(t)
	source := pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		for i := range 4000 {
			name := fmt.Sprintf("%06d", i)
			if i%3 == 0 {
				name += fmt.Sprintf("%1500d", i)
			}
			if err := out.Write(item{ID: int64(i % 7), Name: name}); err != nil {
				return err
			}
		}
		return nil
	})
	mustLoad(t, source, sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
	if got, want := one(t, pool, "select string_agg(left(name, 6), ' ' order by name) from items"), "003993 003994 003995 003996 003997 003998 003999"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUpsertOfNothingButKeysLeavesWhatIsThere(t *testing.T) {
	type pair struct{ A, B int32 }
	pool := devdb.Test(t)
	exec(t, pool, "create table pairs (a integer, b integer, note text default 'new', primary key (b, a))")
	exec(t, pool, "insert into pairs values (1, 2, 'old')")
	mustLoad(t, give(pair{1, 2}, pair{3, 4}, pair{3, 4}), sinks.Postgres[pair]{Pool: pool, Table: "pairs", Mode: sinks.Upsert, Keys: []string{"a", "b"}})
	if got, want := one(t, pool, "select string_agg(concat_ws(' ', a, b, note), ', ' order by a) from pairs"), "1 2 old, 3 4 new"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUpsertIntoAnIdentityColumn(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint generated always as identity primary key, name text, qty int)")
	mustLoad(t, count(2), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
	mustLoad(t, count(3), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
	if got := one(t, pool, "select count(*)::text from items"); got != "3" {
		t.Errorf("%s rows", got)
	}
}

func TestCreateMakesTheTable(t *testing.T) {
	type record struct {
		ID   int64
		Name string `db:"Full Name"`
		At   *time.Time
		Tags []string
	}
	pool := devdb.Test(t)
	sink := sinks.Postgres[record]{Pool: pool, Table: "made", Mode: sinks.Upsert, Keys: []string{"id"}, Create: true}
	mustLoad(t, give[record](), sink) // also without a record
	mustLoad(t, give(record{ID: 1, Name: "a", Tags: []string{"x", "y"}}, record{ID: 1, Name: "b"}), sink)
	want := []string{"Full Name text NO", "at timestamp with time zone YES", "id bigint NO", "tags ARRAY YES"}
	got := rows(t, pool, "select column_name || ' ' || data_type || ' ' || is_nullable from information_schema.columns where table_name = 'made' order by column_name collate \"C\"")
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := one(t, pool, `select id || "Full Name" from made`); got != "1b" {
		t.Errorf("got %s", got)
	}
}

func TestATableThatWasCreatedIsGoneWhenTheRunFails(t *testing.T) {
	pool := devdb.Test(t)
	_, err := load(t, give(item{ID: 1}, item{ID: 1}), sinks.Postgres[item]{Pool: pool, Table: "made", Keys: []string{"id"}, Create: true}, pipeline.Options{})
	if err == nil {
		t.Fatal("a key twice must fail")
	}
	if got := one(t, pool, "select coalesce(to_regclass('made')::text, 'none')"); got != "none" {
		t.Errorf("the table is there")
	}
}

func TestTwoRunsMayCreateTheSameTableAtOnce(t *testing.T) {
	pool := devdb.Test(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := load(t, give(item{ID: int64(i)}), sinks.Postgres[item]{Pool: pool, Table: "made", Create: true, LockTimeout: time.Minute}, pipeline.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := one(t, pool, "select count(*)::text from made"); got != "4" {
		t.Errorf("%s rows", got)
	}
}

func TestNamesOfTablesAndColumns(t *testing.T) {
	type odd struct {
		Order int32  `db:"order"`
		Upper string `db:"UPPER Case"`
		Quote string `db:"a\"b"`
	}
	pool := devdb.Test(t)
	exec(t, pool, `create schema "Select"`)
	for _, name := range []string{"user", "Sales", "public.table", "Select.From", `"Select"."dot.ted"`, `"quo""te"`} {
		t.Run(name, func(t *testing.T) {
			quoted := map[string]string{
				"user": `"user"`, "Sales": `"Sales"`, "public.table": `public."table"`, "Select.From": `"Select"."From"`,
				`"Select"."dot.ted"`: `"Select"."dot.ted"`, `"quo""te"`: `"quo""te"`,
			}[name]
			exec(t, pool, "create table "+quoted+` ("order" integer, "UPPER Case" text, "a""b" text, primary key ("order", "UPPER Case"))`)
			for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert, sinks.Replace, sinks.Truncate} {
				sink := sinks.Postgres[odd]{Pool: pool, Table: name, Mode: mode}
				if mode == sinks.Upsert {
					sink.Keys = []string{"order", "UPPER Case"}
				}
				mustLoad(t, give(odd{1, "x", "y"}), sink)
			}
			if got := one(t, pool, `select concat_ws(' ', "order", "UPPER Case", "a""b") from `+quoted); got != "1 x y" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestWideRows(t *testing.T) {
	pool := itemDB(t)
	source := pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
		for i := range 9 {
			if err := out.Write(item{ID: int64(i), Name: strings.Repeat("w", 1+i*300_000)}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, o := range []pipeline.Options{{}, {MaxRejects: 1}} {
		if _, err := load(t, source, sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Replace}, o); err != nil {
			t.Fatal(err)
		}
		if got, want := one(t, pool, "select sum(length(name))::text from items"), fmt.Sprint(9+36*300_000); got != want {
			t.Errorf("got %s bytes, want %s", got, want)
		}
	}
}

func TestManyRowsArriveOnceAndInOrder(t *testing.T) {
	const n = 200_000
	pool := devdb.Test(t)
	exec(t, pool, "create table items (at bigserial, id bigint, name text, qty integer)")
	report, err := load(t, count(n), sinks.Postgres[item]{Pool: pool, Table: "items"}, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := one(t, pool, "select count(*) || ' ' || count(distinct id) || ' ' || bool_and(at = id) from items"), fmt.Sprintf("%d %d true", n, n); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s := report.Stage("load"); s.RecordsIn != n || s.Bytes < n*20 || s.Description != "Postgres items, append" {
		t.Errorf("the report says %+v", s)
	}
}

func TestReadersSeeTheOldRowsUntilTheCommit(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "insert into items values (100, 'old', 1)")
	p := pipeline.New("test", pipeline.Options{})
	stage := pipeline.To(pipeline.From(p, "extract", count(10)), "load", sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Replace})
	pipeline.Do(p, "look", func(ctx context.Context) error {
		if got := one(t, pool, "select string_agg(name, ',') from items"); got != "old" {
			return fmt.Errorf("a reader sees %s", got)
		}
		return nil
	}, pipeline.After(stage))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, pool, "select count(*)::text from items"); got != "10" {
		t.Errorf("%s rows", got)
	}
}

func TestTwoRunsThatReplaceComeOneAfterTheOther(t *testing.T) {
	pool := itemDB(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if _, err := load(t, count(100*(i+1)), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Replace, LockTimeout: time.Minute}, pipeline.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if _, err := fmt.Sscan(one(t, pool, "select count(*)::text from items"), &n); err != nil || n%100 != 0 || n == 0 || n > 600 {
		t.Errorf("%d rows are of more than one run", n)
	}
}

func TestTheSessionIsLeftAsItWas(t *testing.T) {
	pool := itemDB(t)
	mustLoad(t, count(3), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var lock string
	var temps int
	if err := conn.QueryRow(t.Context(), "select current_setting('lock_timeout'), (select count(*)::int from pg_class where relname like 'millrace%')").Scan(&lock, &temps); err != nil {
		t.Fatal(err)
	}
	if lock != "0" || temps != 0 || conn.Conn().PgConn().TxStatus() != 'I' {
		t.Errorf("lock_timeout %s, %d temporary tables, state %c", lock, temps, conn.Conn().PgConn().TxStatus())
	}
}

// keysOf are the keys of the table items for those modes that have keys.
func keysOf(mode sinks.Mode) []string {
	if mode == sinks.Upsert {
		return []string{"id"}
	}
	return nil
}
