package sinks_test

import (
	"context"
	"fmt"
	"testing"

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
