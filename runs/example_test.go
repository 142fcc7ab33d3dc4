package runs_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

type visit struct {
	Day  time.Time `db:"day"`
	Page string    `db:"page"`
}

// visits is a pipeline that runs every night, and can be run for any day.
func visits(pool *pgxpool.Pool) runs.Definition {
	return runs.Definition{
		Name:        "visits",
		Description: "Loads the visits of one day.",
		Schedule:    "TZ=Europe/Istanbul 30 3 * * *",
		CatchUp:     runs.CatchUpAll,
		Retry:       pipeline.Retry{MaxAttempts: 3},
		Params:      []runs.Param{{Name: "page", Description: "which page", Default: "/"}},
		Build: func(_ context.Context, run runs.Run) (*pipeline.Pipeline, error) {
			p := pipeline.New("visits", pipeline.Options{})
			in := pipeline.From(p, "extract", sources.Slice[visit]{{Day: run.LogicalDate, Page: run.Params.String("page")}})
			pipeline.To(in, "load", sinks.Postgres[visit]{Pool: pool, Table: "visits", Create: true})
			return p, nil
		},
	}
}

func Example() {
	ctx := context.Background()
	db, err := devdb.Start(ctx, devdb.Options{}) // any Postgres from 13 on
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	pool, err := pgxpool.New(ctx, db.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	registry := &runs.Registry{}
	registry.Add(visits(pool))
	service, err := runs.New(ctx, runs.Config{Pool: pool, Registry: registry})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := service.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := service.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := service.Stop(ctx); err != nil {
			fmt.Println(err)
		}
	}()

	run, err := service.Trigger(ctx, "visits", runs.Trigger{
		Params: map[string]string{"page": "/prices"}, LogicalDate: time.Date(2025, 3, 14, 0, 0, 0, 0, time.UTC), By: "Ada",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for snapshot, err := range service.Watch(ctx, run.ID, 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		run = snapshot.Record
	}
	fmt.Println(run.State, "in attempt", run.Attempt, "with", run.Report.Stage("load").RecordsIn, "record")

	_, err = service.Trigger(ctx, "visits", runs.Trigger{Params: map[string]string{"pgae": "/"}})
	fmt.Println(err)
	// Output:
	// succeeded in attempt 1 with 1 record
	// pipeline "visits" has no param "pgae"; it has page
}
