package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// loadWithLetters runs source into sink and the rejects into the table letters, all
// on sink's pool. It returns the letters as "column value reason", sorted.
func loadWithLetters[T any](t *testing.T, source pipeline.Source[T], sink sinks.Postgres[T], budget int) (pipeline.Report, []string, error) {
	t.Helper()
	type letter struct{ Stage, Source, Column, Value, Reason string }
	exec(t, sink.Pool, "create table if not exists letters (stage text, source text, \"column\" text, value text, reason text)")
	p := pipeline.New("test", pipeline.Options{MaxRejects: budget})
	pipeline.To(pipeline.From(p, "extract", source), "load", pipeline.Sink[T](sink))
	letters := pipeline.Via(pipeline.Rejects(p), "letter", pipeline.TransformFunc[pipeline.Reject, letter](
		func(ctx context.Context, in *pipeline.Reader[pipeline.Reject], out *pipeline.Writer[letter]) error {
			for r, err := range in.All() {
				if err != nil {
					return err
				}
				if err := out.Write(letter{r.Stage, r.Source, r.Column, r.Value, r.Reason}); err != nil {
					return err
				}
			}
			return nil
		}))
	pipeline.To(letters, "letters", sinks.Postgres[letter]{Pool: sink.Pool, Table: "letters"})
	report, err := p.Run(t.Context())
	return report, rows(t, sink.Pool, `select concat_ws('|', "column", value, reason) from letters where stage = 'load' and source = 'table "items"' order by 1`), err
}

func TestRowsThatTheServerRefusesBecomeRejects(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table kinds (name text primary key); insert into kinds values ('a')")
	exec(t, pool, "create table items (id bigint primary key, name text not null references kinds, qty integer, constraint small check (qty < 10))")
	exec(t, pool, "insert into items values (100, 'a', 1)")
	n := func(i int32) *int32 { return &i }
	source := give(
		item{1, "a", n(1)}, item{100, "a", n(1)}, item{2, "b", n(1)}, item{3, "a", n(11)}, item{4, "a", nil}, item{1, "a", n(2)}, item{5, "a\x00", nil}, item{6, "a", n(2)},
	)
	report, letters, err := loadWithLetters(t, source, sinks.Postgres[item]{Pool: pool, Table: "items"}, -1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := snapshot(t, pool), "1 a 1, 4 a, 6 a 2, 100 a 1"; got != want {
		t.Errorf("loaded: %s, want %s", got, want)
	}
	if report.Rejects != 5 || report.Stage("load").Rejects != 5 || len(letters) != 5 {
		t.Fatalf("%d rejects, letters %q", report.Rejects, letters)
	}
	all := strings.Join(letters, "\n")
	for _, want := range []string{
		`id|1|duplicate key value violates unique constraint "items_pkey"`,
		`id|100|duplicate key value violates unique constraint "items_pkey"`,
		`name|b|insert or update on table "items" violates foreign key constraint`,
		`{"ID":3,"Name":"a","Qty":11}|new row for relation "items" violates check constraint "small"`,
		`name|a`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no letter says %s:\n%s", want, all)
		}
	}
}

func TestRejectsPlusLoadedIsRead(t *testing.T) {
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
		t.Run(mode.String(), func(t *testing.T) {
			const n = 25_000
			pool := devdb.Test(t)
			exec(t, pool, "create table items (id bigint primary key, name text, qty integer check (qty <> 7))")
			source := pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
				for i := range n {
					qty := int32(i % 997)
					if err := out.Write(item{ID: int64(i), Name: strings.Repeat("n", i%90), Qty: &qty}); err != nil {
						return err
					}
				}
				return nil
			})
			report, letters, err := loadWithLetters(t, source, sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}, -1)
			if err != nil {
				t.Fatal(err)
			}
			bad := int64(n/997 + 1)
			if got := one(t, pool, "select count(*)::text from items"); got != fmt.Sprint(n-bad) || report.Rejects != bad || int64(len(letters)) != bad {
				t.Errorf("read %d, loaded %s, rejected %d (letters %d), want %d rejects", n, got, report.Rejects, len(letters), bad)
			}
		})
	}
}

func TestAnUpsertRejectsNullKeysAndRefusedRows(t *testing.T) {
	type loose struct {
		ID   *int64
		Name string
		Qty  int64
	}
	pool := itemDB(t)
	exec(t, pool, "alter table items drop constraint items_pkey; alter table items alter id drop not null; create unique index on items (id)")
	exec(t, pool, "alter table items add constraint small check (qty < 10)")
	id := func(i int64) *int64 { return &i }
	records := []loose{{id(1), "a", 1}, {nil, "nobody", 1}, {id(2), "b", 11}, {id(3), "c", 1 << 40}, {id(4), "d", 4}}
	sink := sinks.Postgres[loose]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}}
	_, letters, err := loadWithLetters(t, give(records...), sink, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := snapshot(t, pool), "1 a 1, 4 d 4"; got != want {
		t.Errorf("loaded: %s, want %s", got, want)
	}
	all := strings.Join(letters, "\n")
	for _, want := range []string{"id||a key of an upsert cannot be null", `qty|1099511627776|is out of range`, `"qty": 11`} {
		if !strings.Contains(all, want) {
			t.Errorf("no letter says %s:\n%s", want, all)
		}
	}
	// Strict, the first of them ends the run.
	_, err = load(t, give(records...), sink, pipeline.Options{})
	contains(t, err, `load: table "items": record 2: column "id": a key of an upsert cannot be null`)
}

func TestPastTheBudgetTheRunFailsAndLeavesNothing(t *testing.T) {
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
		t.Run(mode.String(), func(t *testing.T) {
			pool := itemDB(t)
			exec(t, pool, "alter table items add constraint no check (id > 1000)")
			_, letters, err := loadWithLetters(t, count(5000), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}, 2)
			var over *pipeline.RejectError
			if !errors.As(err, &over) || over.Count != 3 || over.MostCount != 3 || !pipeline.IsPermanent(err) {
				t.Fatalf("got %v", err)
			}
			if got := snapshot(t, pool); got != "" || len(letters) != 0 {
				t.Errorf("left: %d bytes of rows, %d letters", len(got), len(letters))
			}
		})
	}
}

func TestWhatIsNotARowsFaultIsNoReject(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "create function no() returns trigger language plpgsql as $$ begin perform * from nowhere; return new; end $$; create trigger no before insert on items for each row execute function no()")
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
		report, _, err := loadWithLetters(t, count(3), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}, -1)
		contains(t, err, `table "items"`, `"nowhere" does not exist`)
		if report.Rejects != 0 {
			t.Errorf("%v: %d rejects", mode, report.Rejects)
		}
	}
}
