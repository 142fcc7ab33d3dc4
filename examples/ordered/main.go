// Command ordered loads two tables from one stream, the parents before the children that
// reference them, in every mode and twice each, as it would run night after night.
//
//	go run ./examples/ordered
//
// shows it on a private database.
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
	"github.com/millrace/millrace/transforms"
)

// Line is what comes in: a line of an order, with what belongs to the whole order.
type Line struct {
	Order    int64
	Customer string
	Line     int64
	Product  string
}

// Order is a row of the table of parents.
type Order struct {
	ID       int64  `db:"id"`
	Customer string `db:"customer"`
}

// Item is a row of the table of children.
type Item struct {
	Order   int64  `db:"order_id"`
	Line    int64  `db:"line"`
	Product string `db:"product"`
}

const tables = `
create table orders (id bigint primary key, customer text not null);
create table items (
	order_id bigint not null references orders,
	line bigint not null,
	product text not null,
	primary key (order_id, line)
);`

// load is one run. Both tables come from one stream. An item is refused by the foreign key until its order
// is there, so the second sink waits for the first; what comes for it meanwhile is kept for it.
func load(ctx context.Context, pool *pgxpool.Pool, mode sinks.Mode, lines pipeline.Source[Line]) (pipeline.Report, error) {
	orders := sinks.Postgres[Order]{Pool: pool, Table: "orders", Mode: mode}
	items := sinks.Postgres[Item]{Pool: pool, Table: "items", Mode: mode}
	if mode == sinks.Upsert {
		orders.Keys, items.Keys = []string{"id"}, []string{"order_id", "line"}
	}

	p := pipeline.New("load_orders", pipeline.Options{})
	in := pipeline.From(p, "lines", lines)
	first := pipeline.Via(in, "one_an_order", transforms.Distinct[Line, int64]{Key: func(l *Line) int64 { return l.Order }})
	parents := pipeline.To(pipeline.Via(first, "orders", transforms.Map(orderOf)), "load_orders", orders)
	pipeline.To(pipeline.Via(in, "items", transforms.Map(itemOf)), "load_items", items, pipeline.After(parents))
	return p.Run(ctx)
}

func orderOf(l *Line, made *Order) error {
	*made = Order{ID: l.Order, Customer: l.Customer}
	return nil
}

func itemOf(l *Line, made *Item) error {
	*made = Item{Order: l.Order, Line: l.Line, Product: l.Product}
	return nil
}

// night makes the lines that come in one night. Each night has orders of its own.
func night(night, orders int) pipeline.Source[Line] {
	return pipeline.SourceFunc[Line](func(_ context.Context, out *pipeline.Writer[Line]) error {
		for i := range orders {
			id := int64(night*orders + i + 1)
			for line := range int64(3) {
				err := out.Write(Line{id, fmt.Sprintf("customer %d", id%7), line + 1, fmt.Sprintf("product %d", (id+line)%11)})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func demo(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, tables); err != nil {
		return err
	}
	for i, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate, sinks.Upsert} {
		for again := range 2 {
			if _, err := load(ctx, pool, mode, night(2*i+again, 10_000)); err != nil {
				return err
			}
			var orders, items int64
			err := pool.QueryRow(ctx, "select (select count(*) from orders), (select count(*) from items)").Scan(&orders, &items)
			if err != nil {
				return err
			}
			fmt.Printf("%-8v night %d: %d orders, %d items\n", mode, again+1, orders, items)
		}
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
