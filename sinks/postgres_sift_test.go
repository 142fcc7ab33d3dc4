package sinks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// every writes items from 1 to n, with quantity 1 where bad says so and 0 elsewhere.
func every(n int, bad func(i int) bool) pipeline.SourceFunc[item] {
	return func(_ context.Context, out *pipeline.Writer[item]) error {
		for i := 1; i <= n; i++ {
			r := item{ID: int64(i), Name: "x", Qty: new(int32)}
			if bad(i) {
				*r.Qty = 1
			}
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// Each kind of refusal, dense and sparse: the right rows are there, each of the others is a reject, in its order.
func TestEachRefusedRowIsARejectWhateverRefusesIt(t *testing.T) {
	tables := map[string]string{
		"a check":                     "create table items (id bigint primary key, name text, qty integer check (qty <> 1))",
		"a domain":                    "create domain small as integer check (value <> 1); create table items (id bigint primary key, name text, qty small)",
		"a foreign key":               "create table qtys (qty integer primary key); insert into qtys values (0); create table items (id bigint primary key, name text, qty integer references qtys)",
		"a deferrable foreign key":    "create table qtys (qty integer primary key); insert into qtys values (0); create table items (id bigint primary key, name text, qty integer references qtys deferrable initially immediate)",
		"an exclusion":                "create table items (id bigint primary key, name text, qty integer, exclude (nullif(qty, 0) with =)); insert into items values (-1, 'there', 1)",
		"a trigger":                   "create table items (id bigint primary key, name text, qty integer); create function no() returns trigger language plpgsql as $$ begin if new.qty = 1 then raise exception 'not one'; end if; return new; end $$; create trigger no before insert on items for each row execute function no()",
		"a generated column's check":  "create table items (id bigint primary key, name text, qty integer, twice integer generated always as (qty * 2) stored check (twice <> 2))",
		"a not null":                  "create table items (id bigint primary key, name text, qty integer, half integer generated always as (nullif(qty, 1)) stored not null)",
		"a partition that is missing": "create table items (id bigint, name text, qty integer, primary key (id, qty)) partition by list (qty); create table zero partition of items for values in (0)",
	}
	densities := map[string]func(i int) bool{
		"none": func(int) bool { return false }, "all": func(int) bool { return true },
		"half": func(i int) bool { return i%2 == 0 }, "one in many": func(i int) bool { return i%300 == 77 },
		"the last": func(i int) bool { return i == 1000 }, "a stretch": func(i int) bool { return i > 400 && i <= 600 },
	}
	for name, ddl := range tables {
		t.Run(name, func(t *testing.T) {
			pool := devdb.Test(t)
			exec(t, pool, ddl)
			before := one(t, pool, "select count(*)::text from items")
			for density, bad := range densities {
				for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
					keys := []string{"id"}
					if name == "a partition that is missing" {
						keys = []string{"id", "qty"}
					}
					if mode == sinks.Append {
						keys = nil
					}
					exec(t, pool, "delete from items where id > 0")
					var want, rejected int
					for i := 1; i <= 1000; i++ {
						if bad(i) {
							rejected++
						} else {
							want++
						}
					}
					report, err := load(t, every(1000, bad), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keys}, pipeline.Options{MaxRejects: -1})
					if err != nil {
						t.Fatalf("%s, %v: %v", density, mode, err)
					}
					got := one(t, pool, "select count(*) filter (where id > 0) || ' ' || count(*) filter (where id > 0 and qty <> 0) || ' ' || count(*) filter (where id < 0) from items")
					if got != fmt.Sprintf("%d 0 %s", want, before) || report.Rejects != int64(rejected) {
						t.Errorf("%s, %v: %s rows, %d rejects; want %d and %d", density, mode, got, report.Rejects, want, rejected)
					}
				}
			}
		})
	}
}

func TestAnyMixtureOfRefusalsKeepsTheFirstOfEachKey(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint primary key, name text, qty integer check (qty <> 1))")
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 7))
		n, density := 1+random.IntN(6000), random.Float64()*random.Float64()
		var all []item
		want := map[int64]string{}
		for i := range n {
			r := item{ID: random.Int64N(int64(n)), Name: strconv.Itoa(i), Qty: new(int32)}
			if random.Float64() < density {
				*r.Qty = 1
			} else if _, there := want[r.ID]; !there {
				want[r.ID] = r.Name
			}
			all = append(all, r)
		}
		exec(t, pool, "truncate items")
		report, err := load(t, give(all...), sinks.Postgres[item]{Pool: pool, Table: "items"}, pipeline.Options{MaxRejects: -1})
		if err != nil {
			t.Fatal(err)
		}
		got := rows(t, pool, "select concat_ws(' ', id, name) from items")
		if len(got) != len(want) || report.Rejects != int64(n-len(want)) {
			t.Fatalf("seed %d: %d rows and %d rejects of %d, want %d rows", seed, len(got), report.Rejects, n, len(want))
		}
		for id, name := range want {
			if !slices.Contains(got, fmt.Sprintf("%d %s", id, name)) {
				t.Fatalf("seed %d: the first record of %d is not there", seed, id)
			}
		}
	}
}

// Half of the rows refused was 10 ms for each of them: 21 s for 4,000 rows.
func TestManyRejectsAreSoonDone(t *testing.T) {
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
		t.Run(mode.String(), func(t *testing.T) {
			pool := devdb.Test(t)
			exec(t, pool, "create table items (id bigint primary key, name text, qty integer check (qty <> 1))")
			sink := sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode}
			if mode == sinks.Upsert {
				sink.Keys = []string{"id"}
			}
			begin := time.Now()
			report, err := load(t, every(40_000, func(i int) bool { return i%2 == 0 }), sink, pipeline.Options{MaxRejects: -1})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(begin)
			t.Logf("40,000 rows, half of them refused: %v", took)
			if got := one(t, pool, "select count(*)::text from items where qty = 0"); got != "20000" || report.Rejects != 20_000 {
				t.Errorf("%s rows, %d rejects", got, report.Rejects)
			}
			if took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestARowThatAPolicyRefusesIsAReject(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint primary key, name text, qty integer); alter table items enable row level security; create policy mine on items using (qty <> 1)")
	role, theirs := devdb.TestRole(t, pool)
	exec(t, pool, fmt.Sprintf("grant all on items to %q", role))
	sink := sinks.Postgres[item]{Pool: theirs, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}}
	report, err := load(t, every(3, func(i int) bool { return i == 2 }), sink, pipeline.Options{MaxRejects: 1})
	if err != nil || report.Rejects != 1 {
		t.Fatalf("%d rejects, %v", report.Rejects, err)
	}
	if got := snapshot(t, pool); got != "1 x 0, 3 x 0" {
		t.Errorf("loaded: %s", got)
	}
	// A right that the role lacks is no fault of a row.
	exec(t, pool, fmt.Sprintf("create function secret() returns trigger language plpgsql as $$ begin perform from hidden; return new; end $$; create table hidden (); create trigger s before insert on items for each row execute function secret(); revoke all on hidden from %q", role))
	_, err = load(t, every(3, func(int) bool { return false }), sink, pipeline.Options{MaxRejects: -1})
	contains(t, err, "permission denied for table hidden")
}
