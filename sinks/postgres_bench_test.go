package sinks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// sale is a row of the sales job: about 60 bytes on the wire.
type sale struct {
	SaleID    int64
	Product   string
	Quantity  int64
	UnitPrice float64
	SaleDate  pgtype.Date
	Store     string
}

const saleTable = "create table sales (sale_id bigint, product text, quantity bigint, unit_price double precision, sale_date date, store text)"

func sales(n int) pipeline.SourceFunc[sale] {
	products, stores := make([]string, 1000), make([]string, 50)
	for i := range products {
		products[i] = fmt.Sprintf("Product number %d", i)
	}
	for i := range stores {
		stores[i] = fmt.Sprintf("Store %d", i)
	}
	day := pgtype.Date{Time: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), Valid: true}
	return func(ctx context.Context, out *pipeline.Writer[sale]) error {
		for i := 0; i < n; {
			batch := out.NewBatch()
			for ; i < n && len(batch) < cap(batch); i++ {
				batch = append(batch, sale{int64(i), products[i%1000], int64(i % 7), float64(i%10000) / 100, day, stores[i%50]})
			}
			if err := out.WriteBatch(batch); err != nil {
				return err
			}
		}
		return nil
	}
}

// BenchmarkCopy loads rows into an empty table, server included, in three ways: the
// sink as it is; the sink where rejects are allowed; and pgx's CopyFrom with rows made
// on the fly.
func BenchmarkCopy(b *testing.B) {
	const n = 200_000
	pool := devdb.Test(b)
	exec(b, pool, saleTable)
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
		b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "rows/s")
	}
	for name, o := range map[string]pipeline.Options{"strict": {}, "rejects": {MaxRejects: -1}} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				exec(b, pool, "truncate sales")
				b.StartTimer()
				if _, err := load(b, sales(n), sinks.Postgres[sale]{Pool: pool, Table: "sales"}, o); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
	b.Run("pgx", func(b *testing.B) {
		var all []sale
		mustLoad(b, pipeline.Source[sale](sales(n)), pipeline.Sink[sale](sinks.Slice[sale]{Into: &all}))
		b.ResetTimer()
		for range b.N {
			b.StopTimer()
			exec(b, pool, "truncate sales")
			b.StartTimer()
			_, err := pool.CopyFrom(b.Context(), pgx.Identifier{"sales"}, []string{"sale_id", "product", "quantity", "unit_price", "sale_date", "store"},
				pgx.CopyFromSlice(n, func(i int) ([]any, error) {
					s := &all[i]
					return []any{s.SaleID, s.Product, s.Quantity, s.UnitPrice, s.SaleDate, s.Store}, nil
				}))
			if err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
}
