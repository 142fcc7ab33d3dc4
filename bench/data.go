package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// sale is the row of all comparisons but the sales job: bigint, text, bigint, double
// precision, date, text; about 57 bytes of CSV.
type sale struct {
	ID       int64     `csv:"sale_id" db:"sale_id" json:"sale_id"`
	Product  string    `csv:"product" db:"product" json:"product"`
	Quantity int64     `csv:"quantity" db:"quantity" json:"quantity"`
	Price    float64   `csv:"unit_price" db:"unit_price" json:"unit_price"`
	Date     time.Time `csv:"sale_date" db:"sale_date" json:"sale_date"`
	Store    string    `csv:"store" db:"store" json:"store"`
}

// saleText is the row for readers that know no dates but RFC 3339.
type saleText struct {
	ID       int64   `csv:"sale_id"`
	Product  string  `csv:"product"`
	Quantity int64   `csv:"quantity"`
	Price    float64 `csv:"unit_price"`
	Date     string  `csv:"sale_date"`
	Store    string  `csv:"store"`
}

const header = "sale_id,product,quantity,unit_price,sale_date,store\n"

const createSales = `create unlogged table if not exists %s (
	sale_id bigint not null, product text not null, quantity bigint not null,
	unit_price double precision not null, sale_date date not null, store text not null)`

// workshop is what all comparisons share.
type workshop struct {
	rows int
	dir  string
	csv  string // of sales
	url  string
	pool *pgxpool.Pool
}

func newWorkshop(ctx context.Context, rows int, url string) (*workshop, error) {
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return nil, err
	}
	w := &workshop{rows: rows, dir: dir, csv: filepath.Join(dir, "sales.csv"), url: url}
	if err := w.writeCSV(); err != nil {
		return nil, err
	}
	if w.pool, err = pgxpool.New(ctx, url); err != nil {
		return nil, err
	}
	for _, name := range []string{"loaded", "stored"} {
		if _, err := w.pool.Exec(ctx, fmt.Sprintf(createSales, name)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *workshop) close() {
	if w.pool != nil {
		w.pool.Close()
	}
	_ = os.RemoveAll(w.dir) // a temporary folder
}

func (w *workshop) writeCSV() error {
	f, err := os.Create(w.csv)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	if _, err := io.WriteString(out, header); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range w.rows {
		_, err := fmt.Fprintf(out, "%d,Product %d,%d,%.2f,%s,Store number %d\n", i+1, random.IntN(1000), 1+random.IntN(20),
			float64(random.IntN(100_000))/100, day.AddDate(0, 0, random.IntN(365)).Format(time.DateOnly), random.IntN(50))
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// count describes what a table holds.
func (w *workshop) count(ctx context.Context, table string) (string, error) {
	var n, quantity int64
	var price float64
	err := w.pool.QueryRow(ctx, "select count(*), coalesce(sum(quantity), 0), round(coalesce(sum(unit_price), 0)::numeric, 2)::float8 from "+table).Scan(&n, &quantity, &price)
	return fmt.Sprintf("%d rows, quantity %d, prices %.2f", n, quantity, price), err
}
