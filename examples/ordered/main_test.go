package main

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func counts(t *testing.T, pool *pgxpool.Pool) (orders, items int) {
	t.Helper()
	err := pool.QueryRow(t.Context(), "select (select count(*) from orders), (select count(*) from items)").Scan(&orders, &items)
	if err != nil {
		t.Fatal(err)
	}
	return orders, items
}

func TestParentsComeBeforeChildrenTwiceInEachMode(t *testing.T) {
	const n = 5000
	for _, c := range []struct {
		mode  sinks.Mode
		after int // orders after the second night
	}{{sinks.Append, 2 * n}, {sinks.Replace, n}, {sinks.Truncate, n}, {sinks.Upsert, 2 * n}} {
		t.Run(c.mode.String(), func(t *testing.T) {
			pool := devdb.Test(t)
			if _, err := pool.Exec(t.Context(), tables); err != nil {
				t.Fatal(err)
			}
			for i, want := range []int{n, c.after} {
				if _, err := load(t.Context(), pool, c.mode, night(i, n)); err != nil {
					t.Fatalf("night %d: %v", i+1, err)
				}
				if orders, items := counts(t, pool); orders != want || items != 3*want {
					t.Errorf("night %d: %d orders and %d items, want %d and %d", i+1, orders, items, want, 3*want)
				}
			}
		})
	}
}

func TestTheDemoRuns(t *testing.T) {
	pool := devdb.Test(t)
	if err := demo(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if orders, items := counts(t, pool); orders != 30_000 || items != 90_000 {
		t.Errorf("%d orders and %d items", orders, items)
	}
}
