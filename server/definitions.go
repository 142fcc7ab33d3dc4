package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/sales/salesetl"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

// definitions are the pipelines that this server knows.
func definitions(c config, pool *pgxpool.Pool) []runs.Definition {
	return []runs.Definition{
		{
			Name:        salesetl.Name,
			Description: "Sums up sales in stores (a CSV file) and online (table online_sales) by product, in aggregated_sales.",
			Timeout:     time.Hour,
			Retry:       pipeline.Retry{MaxAttempts: 3, Backoff: 2 * time.Second},
			Params: []runs.Param{{
				Name: "max_rejects", Type: runs.Int, Default: "0",
				Description: "how many records may be set aside before the run fails; -1 is no limit",
			}},
			Build: func(_ context.Context, r runs.Run) (*pipeline.Pipeline, error) {
				return salesetl.New(salesetl.Config{
					Pool: pool, CSV: c.salesCSV,
					Options: pipeline.Options{MaxRejects: int(max(r.Params.Int("max_rejects"), -1))},
				}), nil
			},
		},
		{
			Name:        salesetl.RollupName,
			Description: "Sums up the sales online of the day before the logical date, in daily_online_sales.",
			Schedule:    "0 2 * * *",
			CatchUp:     runs.CatchUpLast,
			MaxActive:   4,
			Timeout:     time.Hour,
			Retry:       pipeline.Retry{MaxAttempts: 3, Backoff: 2 * time.Second},
			Build: func(_ context.Context, r runs.Run) (*pipeline.Pipeline, error) {
				// At two in the morning the day that is over is the one before.
				return salesetl.NewRollup(salesetl.RollupConfig{Pool: pool, Day: r.LogicalDate.AddDate(0, 0, -1)}), nil
			},
		},
	}
}
