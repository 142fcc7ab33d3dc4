// Command join writes all orders of one table with the names of their customers from another into orders.csv.gz. An
// order whose customer is not known is written without a name.
package main

import (
	"context"
	"log"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

type order struct {
	ID       int64
	Customer int64
	Amount   int
}

type customer struct {
	ID   int64
	Name string
}

type line struct {
	ID       int64   `csv:"id"`
	Customer *string `csv:"customer"`
	Amount   int     `csv:"amount"`
}

func main() {
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood")
	}
	p := pipeline.New("orders_to_csv", pipeline.Options{})
	orders := pipeline.From(p, "orders", sources.Postgres[order]{Pool: pool, Table: "orders"})
	customers := pipeline.From(p, "customers", sources.Postgres[customer]{Pool: pool, Table: "customers"})
	lines := pipeline.Via2(orders, customers, "join", transforms.Join[order, customer, int64, line]{
		LeftKey:  func(o *order) int64 { return o.Customer },
		RightKey: func(c *customer) int64 { return c.ID },
		Combine: func(o *order, c *customer, made *line) error {
			made.ID, made.Amount = o.ID, o.Amount
			if c != nil {
				made.Customer = &c.Name
			}
			return nil
		},
		LeftMisses: transforms.KeepMisses, RightMisses: transforms.DropMisses,
	})
	pipeline.To(lines, "write", sinks.CSV[line]{Path: "orders.csv.gz"})
	_, err = p.Run(context.Background())
	pool.Close()
	if err != nil {
		log.Fatal(err)
	}
}
