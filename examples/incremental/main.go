// Command incremental copies what is new in one table into another, each time it is
// run: the cursor moves in the transaction that holds the copied rows, so that a run
// that is killed copies again what it had not committed, and nothing twice.
//
//	go run ./examples/incremental
//
// shows it on a private database: three runs, with orders placed in between.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/database"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// Order is a row of both tables.
type Order struct {
	ID      int64  `db:"id"`
	Product string `db:"product"`
}

// copyNew is one run. The serial column id is the cursor; that is safe where orders are
// placed one after the other. Where transactions that take long place them side by side,
// a timestamp with OldestTransaction misses nothing.
func copyNew(ctx context.Context, pool *pgxpool.Pool) (pipeline.Report, error) {
	p := pipeline.New("copy_orders", pipeline.Options{State: sinks.PostgresState{Pool: pool}})
	orders := pipeline.From(p, "read", sources.Postgres[Order]{Pool: pool, Table: "orders", Cursor: "id"})
	pipeline.To(orders, "append", sinks.Postgres[Order]{Pool: pool, Table: "orders_copy"})
	return p.Run(ctx)
}

const tables = `
create table orders (id bigint generated always as identity primary key, product text not null);
create table orders_copy (id bigint primary key, product text not null);`

func place(ctx context.Context, pool *pgxpool.Pool, products ...string) error {
	_, err := pool.Exec(ctx, "insert into orders (product) select unnest($1::text[])", products)
	return err
}

func demo(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, tables); err != nil {
		return err
	}
	for _, products := range [][]string{{"tea", "coffee"}, {"milk"}, {}} {
		if err := place(ctx, pool, products...); err != nil {
			return err
		}
		report, err := copyNew(ctx, pool)
		if err != nil {
			return err
		}
		fmt.Printf("%d placed, %d copied\n", len(products), report.Stage("append").RecordsIn)
	}
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
