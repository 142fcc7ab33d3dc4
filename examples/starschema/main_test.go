package main

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func TestEachFactHasTheKeyOfItsProductOnBothNights(t *testing.T) {
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	for night, n := range []int{20_000, 25_000} {
		if _, err := load(t.Context(), pool, someSales(n)); err != nil {
			t.Fatalf("night %d: %v", night+1, err)
		}
		want := map[string]int64{}
		for i := range n {
			want[fmt.Sprintf("product %d", i*i%500)] += int64(1 + i%5)
		}
		rows, err := pool.Query(t.Context(), "select name, sum(quantity)::bigint from sales join products on id = product_id group by name")
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for rows.Next() {
			var name string
			var sum int64
			if err := rows.Scan(&name, &sum); err != nil {
				t.Fatal(err)
			}
			if got++; sum != want[name] {
				t.Errorf("night %d: %s sold %d, want %d", night+1, name, sum, want[name])
			}
		}
		if err := rows.Err(); err != nil || got != len(want) {
			t.Errorf("night %d: %d products, want %d, error %v", night+1, got, len(want), err)
		}
	}
}
