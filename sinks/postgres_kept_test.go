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

// What hangs on the table and can keep a row out while the server says that all is well.
const keepOdd = `
create function keep_odd() returns trigger language plpgsql as $$ begin if new.id %% 2 = 1 then return null; end if; return new; end $$;
create trigger keep_odd before %s on items for each row execute function keep_odd();`

// A trigger that answers NULL keeps a row out without an error. Whatever the mode, the table's kind, and whether the run allows
// rejects: either every record is there, or the run says which trigger it was and how many rows are missing.
func TestARowThatATriggerKeepsOutIsNoSuccess(t *testing.T) {
	const plain = "create table items (id bigint primary key, name text, qty integer);"
	const parts = "create table items (id bigint primary key, name text, qty integer) partition by range (id);" +
		"create table low partition of items for values from (0) to (100); create table high partition of items for values from (100) to (1000000);"
	const redundant = "create trigger same before update on items for each row execute function suppress_redundant_updates_trigger();"
	onInsert, onUpdate := fmt.Sprintf(keepOdd, "insert"), fmt.Sprintf(keepOdd, "update")
	for _, c := range []struct {
		name, table, trigger string
		inserts, upserts     int // of 99 rows so many are lost, of which an upsert finds the first there
	}{
		{"none", plain, "", 0, 0},
		{"on insert", plain, onInsert, 50, 50}, // which comes before the conflict is known
		{"on insert or update", plain, fmt.Sprintf(keepOdd, "insert or update"), 50, 50},
		{"on update", plain, onUpdate, 0, 1},
		{"on insert, of a partition", parts, strings.ReplaceAll(onInsert, " on items", " on low"), 50, 50},
		{"on insert, disabled", plain, onInsert + "alter table items disable trigger keep_odd;", 0, 0},
		{"updates that would change nothing", plain, redundant, 0, 0},
		{"updates that would change nothing, and on insert", plain, redundant + onInsert, 50, 49},
	} {
		for _, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate, sinks.Upsert} {
			for _, budget := range []int{0, -1} {
				t.Run(fmt.Sprintf("%s, %v, %d", c.name, mode, budget), func(t *testing.T) {
					pool := devdb.Test(t)
					exec(t, pool, c.table)
					lost, before := c.inserts, "0"
					if mode == sinks.Upsert {
						lost, before = c.upserts, "1"
						exec(t, pool, "insert into items values (1, 'item', 1)")
					}
					exec(t, pool, c.trigger)
					sink := sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}
					report, letters, err := loadWithLetters(t, ones(99), sink, budget)
					n := one(t, pool, "select count(*)::text from items")
					switch {
					case lost == 0:
						if err != nil || n != "99" || report.Rejects != 0 {
							t.Errorf("%s rows, %d rejects, %v", n, report.Rejects, err)
						}
					case budget == 0:
						contains(t, err, `table "items"`, fmt.Sprintf("%d of 99 rows", lost), `"keep_odd"`)
						if n != before {
							t.Errorf("the run failed, and there are %s rows, were %s", n, before)
						}
					default:
						if err != nil || report.Rejects != int64(lost) || len(letters) != lost || !strings.Contains(letters[0], `"keep_odd"`) {
							t.Fatalf("%d rejects, want %d; letters %.200q: %v", report.Rejects, lost, letters, err)
						}
						if even := one(t, pool, "select count(*)::text from items where id % 2 = 0"); even != "49" {
							t.Errorf("%s of 49 even rows", even)
						}
					}
				})
			}
		}
	}
}

// ones is a source of n items that are alike but for their number.
func ones(n int) pipeline.Source[item] {
	return pipeline.SourceFunc[item](func(_ context.Context, out *pipeline.Writer[item]) error {
		for i := range n {
			qty := int32(1)
			if err := out.Write(item{ID: int64(i + 1), Name: "item", Qty: &qty}); err != nil {
				return err
			}
		}
		return nil
	})
}

// An upsert of keys alone leaves rows that are there as they are: that is no loss, and what a trigger keeps out is one.
func TestAnUpsertOfKeysTellsKeptFromThere(t *testing.T) {
	type key struct{ ID int64 }
	for _, budget := range []int{0, -1} {
		for _, trigger := range []bool{false, true} {
			pool := devdb.Test(t)
			exec(t, pool, "create table items (id bigint primary key); insert into items values (1), (2)")
			if trigger {
				exec(t, pool, fmt.Sprintf(keepOdd, "insert"))
			}
			sink := sinks.Postgres[key]{Pool: pool, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}}
			report, _, err := loadWithLetters(t, give(key{1}, key{2}, key{3}, key{4}, key{4}), sink, budget)
			switch {
			case !trigger:
				if err != nil || report.Rejects != 0 || keysIn(t, pool) != "1 2 3 4" {
					t.Errorf("budget %d: %s, %d rejects, %v", budget, keysIn(t, pool), report.Rejects, err)
				}
			case budget == 0:
				contains(t, err, `"keep_odd"`, "1 of 4 rows")
			default:
				if err != nil || report.Rejects != 1 || keysIn(t, pool) != "1 2 4" {
					t.Errorf("budget %d: %s, %d rejects, %v", budget, keysIn(t, pool), report.Rejects, err)
				}
			}
		}
	}
}

func keysIn(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return one(t, pool, "select string_agg(id::text, ' ' order by id) from items")
}

// With many rows some are loaded together and some one by one; each that is kept out is found.
func TestManyRowsOfWhichATriggerKeepsSome(t *testing.T) {
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Upsert} {
		for _, every := range []int{2, 1009} {
			pool := devdb.Test(t)
			exec(t, pool, "create table items (id bigint primary key, name text, qty integer)")
			exec(t, pool, fmt.Sprintf("create function keep() returns trigger language plpgsql as $$ begin if new.id %% %d = 0 then return null; end if; return new; end $$; create trigger keep before insert on items for each row execute function keep()", every))
			const n = 30_000
			report, _, err := loadWithLetters(t, ones(n), sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}, -1)
			want := fmt.Sprint(n - n/every)
			if got := one(t, pool, "select count(*)::text from items"); err != nil || got != want || report.Rejects != int64(n/every) {
				t.Errorf("%v, every %d: %s rows, want %s, %d rejects, %v", mode, every, got, want, report.Rejects, err)
			}
		}
	}
}
