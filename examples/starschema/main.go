// Command starschema loads a star schema in one run: the dimension, the key that each fact needs from it, and
// the facts, all or nothing.
//
//	go run ./examples/starschema
//
// shows it on a private database, two nights in a row.
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
	"github.com/millrace/millrace/transforms"
)

// Sale is what comes in.
type Sale struct {
	Product, Category string
	Quantity          int64
}

// Product is a row of the dimension.
type Product struct {
	ID       int64  `db:"id"`
	Name     string `db:"name"`
	Category string `db:"category"`
}

// Fact is a row of the facts.
type Fact struct {
	ProductID int64 `db:"product_id"`
	Quantity  int64 `db:"quantity"`
}

const tables = `
create table products (id bigint primary key, name text not null unique, category text not null);
create table sales (product_id bigint not null references products, quantity bigint not null);`

// load is one run: both tables are as the sales say, or as they were.
//
//	sales ┬▶ first_of_each ▶ number ┬▶ load_products
//	      │                         └▶ look_up ▶ load_sales, after load_products
//	      └─────────────────────────────▲
func load(ctx context.Context, pool *pgxpool.Pool, sales pipeline.Source[Sale]) (pipeline.Report, error) {
	p := pipeline.New("star", pipeline.Options{})
	in := pipeline.From(p, "sales", sales)
	first := pipeline.Via(in, "first_of_each", transforms.Distinct[Sale, string]{Key: func(s *Sale) string { return s.Product }})
	products := pipeline.Via(first, "number", pipeline.TransformFunc[Sale, Product](number))
	dimension := pipeline.To(products, "load_products",
		sinks.Postgres[Product]{Pool: pool, Table: "products", Mode: sinks.Replace})
	facts := pipeline.Via2(products, in, "look_up", pipeline.Transform2Func[Product, Sale, Fact](lookUp))
	pipeline.To(facts, "load_sales",
		sinks.Postgres[Fact]{Pool: pool, Table: "sales", Mode: sinks.Replace}, pipeline.After(dimension))
	return p.Run(ctx)
}

// number gives each product its key.
func number(_ context.Context, in *pipeline.Reader[Sale], out *pipeline.Writer[Product]) error {
	id := int64(0)
	for sale, err := range in.All() {
		if err != nil {
			return err
		}
		id++
		if err := out.Write(Product{ID: id, Name: sale.Product, Category: sale.Category}); err != nil {
			return err
		}
	}
	return nil
}

// lookUp reads all products before the first sale; the sales wait.
func lookUp(_ context.Context, products *pipeline.Reader[Product], sales *pipeline.Reader[Sale], out *pipeline.Writer[Fact]) error {
	ids := map[string]int64{}
	for product, err := range products.All() {
		if err != nil {
			return err
		}
		ids[product.Name] = product.ID
	}
	for sale, err := range sales.All() {
		if err != nil {
			return err
		}
		if err := out.Write(Fact{ProductID: ids[sale.Product], Quantity: sale.Quantity}); err != nil {
			return err
		}
	}
	return nil
}

// someSales are n sales of up to 500 products.
func someSales(n int) pipeline.Source[Sale] {
	all := make([]Sale, n)
	for i := range all {
		product := i * i % 500
		all[i] = Sale{fmt.Sprintf("product %d", product), fmt.Sprintf("category %d", product%10), int64(1 + i%5)}
	}
	return sources.Slice[Sale](all)
}

func demo(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, tables); err != nil {
		return err
	}
	for _, n := range []int{20_000, 25_000} {
		report, err := load(ctx, pool, someSales(n))
		if err != nil {
			return err
		}
		fmt.Printf("%d products, %d sales\n", report.Stage("load_products").RecordsIn, report.Stage("load_sales").RecordsIn)
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
