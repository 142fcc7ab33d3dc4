// Command pagedapi reads an HTTP API page by page. Each page names the token of the next one, which is the cursor: it moves
// in the transaction that holds the rows, so that a run takes up where the last one that was committed ended. The API
// answers 429 where it is asked too often, and is asked again when it says.
//
//	go run ./examples/pagedapi
//
// shows it on a private database and an API of its own: three runs, with events that come in between.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/signal"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/database"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// loadNew is one run.
func loadNew(ctx context.Context, pool *pgxpool.Pool, url string) (pipeline.Report, error) {
	p := pipeline.New("load_events", pipeline.Options{State: sinks.PostgresState{Pool: pool}})
	events := pipeline.From(p, "read", Feed{URL: url})
	pipeline.To(events, "append", sinks.Postgres[Event]{Pool: pool, Table: "events"})
	return p.Run(ctx)
}

const table = `create table events (id bigint primary key, kind text not null)`

func demo(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, table); err != nil {
		return err
	}
	api := &fakeAPI{pageSize: 2, refuse: 3}
	server := httptest.NewServer(api)
	defer server.Close()
	for _, kinds := range [][]string{{"signup", "login", "order", "login", "logout"}, {"order"}, {}} {
		api.happen(kinds...)
		report, err := loadNew(ctx, pool, server.URL)
		if err != nil {
			return err
		}
		fmt.Printf("%d happened, %d loaded\n", len(kinds), report.Stage("append").RecordsIn)
	}
	fmt.Printf("%d requests, of which %d were refused\n", api.requests, api.refused)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := database.Use(ctx, demo)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}
