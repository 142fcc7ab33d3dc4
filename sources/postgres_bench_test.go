package sources_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// benchSale is the row that the project's figures are about: bigint, text, bigint, double
// precision, date, text.
type benchSale struct {
	SaleID    int64
	Product   string
	Quantity  int64
	UnitPrice float64
	SaleDate  time.Time
	Customer  string
}

const pgBenchRows = 500_000

func benchTable(b *testing.B) (pool *pgxpool.Pool, bytes int64) {
	b.Helper()
	pool = database(b, fmt.Sprintf(`CREATE TABLE bench AS SELECT i::bigint AS sale_id, 'product ' || (i %% 1000) AS product, (i %% 50)::bigint AS quantity,
		(i %% 10000)::float8 / 7 AS unit_price, date '2020-01-01' + (i %% 1500) AS sale_date, 'customer ' || (i %% 50000) AS customer
		FROM generate_series(1, %d) AS i`, pgBenchRows), `VACUUM ANALYZE bench`)
	bytes = one[int64](b, pool, `SELECT sum(8 + octet_length(product) + 8 + 8 + 4 + octet_length(customer)) FROM bench`)
	return pool, bytes
}

func pgReport(b *testing.B, bytes int64) {
	b.SetBytes(bytes)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pgBenchRows, "ns/row")
}

// BenchmarkPostgres reads a table as a pipeline does.
func BenchmarkPostgres(b *testing.B) {
	pool, bytes := benchTable(b)
	for _, lanes := range []int{1, 2} {
		for name, source := range map[string]sources.Postgres[benchSale]{
			"table": {Pool: pool, Table: "bench"},
			"query": {Pool: pool, Query: `SELECT * FROM bench WHERE sale_id > $1`, Args: []any{0}},
		} {
			if name == "query" && lanes > 1 {
				continue
			}
			b.Run(fmt.Sprintf("%s/lanes=%d", name, lanes), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p := pipeline.New("bench", pipeline.Options{})
					rows := 0
					pipeline.To(pipeline.From(p, "read", source, pipeline.Parallel(lanes)), "drop", pipeline.SinkFunc[benchSale](func(ctx context.Context, in *pipeline.Reader[benchSale]) error {
						for batch, err := range in.Batches() {
							if err != nil {
								return err
							}
							rows += len(batch)
							in.Recycle(batch)
						}
						return nil
					}))
					if _, err := p.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
					if rows != pgBenchRows {
						b.Fatalf("%d rows", rows)
					}
				}
				pgReport(b, bytes)
			})
		}
	}
}

// BenchmarkPostgresScan reads the same by pgx's Scan, for comparison.
func BenchmarkPostgresScan(b *testing.B) {
	pool, bytes := benchTable(b)
	b.ReportAllocs()
	for b.Loop() {
		rows, err := pool.Query(b.Context(), `SELECT sale_id, product, quantity, unit_price, sale_date, customer FROM bench`)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		var s benchSale
		_, err = pgx.ForEachRow(rows, []any{&s.SaleID, &s.Product, &s.Quantity, &s.UnitPrice, &s.SaleDate, &s.Customer}, func() error {
			n++
			return nil
		})
		if err != nil || n != pgBenchRows {
			b.Fatal(n, err)
		}
	}
	pgReport(b, bytes)
}
