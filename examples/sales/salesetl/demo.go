package salesetl

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// DemoConfig says how much data to make up, and where it goes.
type DemoConfig struct {
	// Pool is the database whose table online_sales is filled; what was in it is
	// replaced.
	Pool *pgxpool.Pool

	// Online is how many sales online are made.
	Online int

	// CSV is the path of a file to write sales in stores to. Defaults to none.
	CSV string

	// InStore is how many sales in stores are made, if there is a CSV.
	InStore int

	// Options are the runner's.
	Options pipeline.Options
}

// NewDemo returns a pipeline that makes up the data for the one of New, row by row: it holds a few batches in memory,
// however much it writes. The table and the file change together, or not at all.
func NewDemo(c DemoConfig) *pipeline.Pipeline {
	p := pipeline.New("sales_demo_data", c.Options)
	online := pipeline.From(p, "make_online", rows(c.Online, MakeOnlineSale))
	pipeline.To(online, OnlineTable, sinks.Postgres[OnlineSale]{Pool: c.Pool, Table: OnlineTable, Mode: sinks.Replace})
	if c.CSV != "" {
		inStore := pipeline.From(p, "make_in_store", rows(c.InStore, MakeInStoreSale))
		pipeline.To(inStore, InStoreTable, sinks.CSV[Sale]{Path: c.CSV, Dialect: dialect.CSV{Layout: time.DateOnly}})
	}
	return p
}

// rows is a source of the first n rows that at makes.
func rows[T any](n int, at func(int) T) pipeline.Source[T] {
	return pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error {
		for i := range n {
			if err := out.Write(at(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// FillOnlineSales replaces what is in online_sales by n sales of MakeOnlineSale.
func FillOnlineSales(ctx context.Context, pool *pgxpool.Pool, n int) error {
	if _, err := NewDemo(DemoConfig{Pool: pool, Online: n}).Run(ctx); err != nil {
		return fmt.Errorf("filling %s: %w", OnlineTable, err)
	}
	return nil
}
