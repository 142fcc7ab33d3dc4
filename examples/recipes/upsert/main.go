// Command upsert loads orders.csv into a table, but for those that were cancelled. An order that is there already is
// updated. Lines that some stage refuses go into bad.csv as they are, to be mended and loaded again.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// Order embeds its origin, so that the line is known also where the database refuses it.
type Order struct {
	pipeline.Origin
	ID      int64     `csv:"id" db:"id"`
	Product string    `csv:"product" db:"product"`
	Amount  int       `csv:"amount" db:"amount"`
	Placed  time.Time `csv:"placed" db:"placed"`
	Status  string    `csv:"status" db:"-"`
}

func main() {
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood")
	}
	p := pipeline.New("orders", pipeline.Options{MaxRejects: 1000})
	orders := pipeline.From(p, "read", sources.CSV[Order]{Path: "orders.csv"})
	kept := pipeline.Via(orders, "not_cancelled", transforms.Filter(func(o *Order) bool { return o.Status != "cancelled" }))
	pipeline.To(kept, "load", sinks.Postgres[Order]{
		Pool: pool, Table: "orders", Mode: sinks.Upsert, Keys: []string{"id"},
	})
	pipeline.To(pipeline.Rejects(p), "bad", sinks.RejectedLines{Path: "bad.csv", HeaderOf: "orders.csv"})
	report, err := p.Run(context.Background())
	pool.Close()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
}
