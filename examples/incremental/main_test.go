package main

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func products(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, _ := pool.Query(t.Context(), "select product from orders_copy order by id") // Collect returns the error
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheDemoCopiesEachOrderOnce(t *testing.T) {
	pool := devdb.Test(t)
	if err := demo(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if got, want := products(t, pool), []string{"tea", "coffee", "milk"}; !slices.Equal(got, want) {
		t.Fatalf("copied %v, want %v", got, want)
	}
}

func TestARunThatFailsCopiesItsOrdersTheNextTime(t *testing.T) {
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), tables+"insert into orders_copy values (2, 'in the way')"); err != nil {
		t.Fatal(err)
	}
	if err := place(t.Context(), pool, "tea", "coffee", "milk"); err != nil {
		t.Fatal(err)
	}
	if _, err := copyNew(t.Context(), pool); err == nil {
		t.Fatal("the order in the way is no error")
	}
	if got := products(t, pool); !slices.Equal(got, []string{"in the way"}) {
		t.Fatalf("a failed run left %v", got)
	}
	if _, err := pool.Exec(t.Context(), "delete from orders_copy"); err != nil {
		t.Fatal(err)
	}
	if _, err := copyNew(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if got, want := products(t, pool), []string{"tea", "coffee", "milk"}; !slices.Equal(got, want) {
		t.Fatalf("copied %v, want %v", got, want)
	}
}
