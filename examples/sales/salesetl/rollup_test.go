package salesetl

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/devdb"
)

func TestADayIsSummedUpAndReplacedWhenItIsRunAgain(t *testing.T) {
	pool := devdb.Test(t)
	if err := CreateTables(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	_, err := pool.Exec(t.Context(), `INSERT INTO online_sales VALUES
		(1, 'Mug', 2, 2.50, '2025-03-14', 'a'), (2, 'Pen', 1, 0.10, '2025-03-14', 'b'), (3, 'Pen', 9, 0.10, '2025-03-15', 'c')`)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2025, 3, 14, 23, 59, 0, 0, time.UTC)
	for _, want := range []struct {
		name, change string
		day          time.Time
		total        DayTotal
	}{
		{"a day with sales", "", day, DayTotal{Sales: 2, TotalQuantity: 3}},
		{"the same day after a sale was added", "INSERT INTO online_sales VALUES (4, 'Pen', 7, 0.10, '2025-03-14', 'd')", day, DayTotal{Sales: 3, TotalQuantity: 10}},
		{"the same day after all were removed", "DELETE FROM online_sales", day, DayTotal{}},
		{"a moment that is the next day in UTC", "INSERT INTO online_sales VALUES (5, 'Pen', 4, 0.10, '2025-03-15', 'e')",
			time.Date(2025, 3, 14, 20, 0, 0, 0, time.FixedZone("", -8*3600)), DayTotal{Sales: 1, TotalQuantity: 4}},
	} {
		if _, err := pool.Exec(t.Context(), want.change); err != nil {
			t.Fatal(err)
		}
		if _, err := NewRollup(RollupConfig{Pool: pool, Day: want.day}).Run(t.Context()); err != nil {
			t.Fatalf("%s: %v", want.name, err)
		}
		rows, err := pool.Query(t.Context(), "SELECT day, sales, total_quantity, total_revenue FROM daily_online_sales WHERE day = $1::text::date", want.day.UTC().Format(time.DateOnly))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[DayTotal])
		if err != nil || got.Sales != want.total.Sales || got.TotalQuantity != want.total.TotalQuantity {
			t.Errorf("%s: %+v, %v; want %+v", want.name, got, err, want.total)
		}
	}
}
