package sources_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// exampleDatabase is an empty database for an example, gone after done.
func exampleDatabase(sql ...string) (pool *pgxpool.Pool, done func()) {
	var t exampleTB
	pool = devdb.Test(&t)
	for _, s := range sql {
		if _, err := pool.Exec(context.Background(), s); err != nil {
			log.Fatal(err)
		}
	}
	return pool, func() {
		for i := len(t.cleanups) - 1; i >= 0; i-- {
			t.cleanups[i]()
		}
	}
}

// exampleTB is what devdb needs of a test, for examples, which have none.
type exampleTB struct{ cleanups []func() }

func (*exampleTB) Helper()                           {}
func (t *exampleTB) Cleanup(f func())                { t.cleanups = append(t.cleanups, f) }
func (*exampleTB) Errorf(format string, args ...any) { log.Panicf(format, args...) }
func (*exampleTB) Fatalf(format string, args ...any) { log.Panicf(format, args...) }
func (*exampleTB) Logf(string, ...any)               {}

type OnlineSale struct {
	ID       int64  `db:"sale_id"`
	Product  string // column product
	Quantity int64
	Customer *string // may be null
}

var printSale = pipeline.SinkFunc[OnlineSale](func(ctx context.Context, in *pipeline.Reader[OnlineSale]) error {
	for s, err := range in.All() {
		if err != nil {
			return err
		}
		fmt.Println(s.ID, s.Product, s.Quantity, s.Customer != nil)
	}
	return nil
})

func ExamplePostgres() {
	pool, done := exampleDatabase(
		`CREATE TABLE online_sales (sale_id bigint, product text, quantity integer, customer text, note text)`,
		`INSERT INTO online_sales VALUES (1, 'Tea', 2, 'Ann'), (2, 'Rice', 5, NULL)`)
	defer done()

	p := pipeline.New("sales", pipeline.Options{})
	sales := pipeline.From(p, "extract", sources.Postgres[OnlineSale]{Pool: pool, Table: "online_sales"})
	pipeline.To(sales, "print", printSale)
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 Tea 2 true
	// 2 Rice 5 false
}

func ExamplePostgres_query() {
	pool, done := exampleDatabase(
		`CREATE TABLE online_sales (sale_id bigint, product text, quantity integer, customer text)`,
		`INSERT INTO online_sales VALUES (1, 'Tea', 2, 'Ann'), (2, 'Rice', 5, NULL)`)
	defer done()

	p := pipeline.New("sales", pipeline.Options{})
	sales := pipeline.From(p, "extract", sources.Postgres[OnlineSale]{
		Pool:  pool,
		Query: `SELECT * FROM online_sales WHERE quantity >= $1 ORDER BY sale_id`,
		Args:  []any{5},
	})
	pipeline.To(sales, "print", printSale)
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2 Rice 5 false
}

// What does not fit is found before any data moves.
func ExamplePostgres_Validate() {
	pool, done := exampleDatabase(`CREATE TABLE online_sales (sale_id bigint, prodct text, quantity integer, customer text)`)
	defer done()

	fmt.Println(sources.Postgres[OnlineSale]{Pool: pool, Table: "online_sale"}.Validate(context.Background()))
	fmt.Println(sources.Postgres[OnlineSale]{Pool: pool, Table: "online_sales"}.Validate(context.Background()))
	// Output:
	// table "online_sale": there is no such table in the search path; the nearest is "online_sales"
	// table "online_sales": field Product: there is no column "product"; the columns are "sale_id", "prodct", "quantity", "customer"; the nearest is "prodct"
}

// Each run reads what the last committed one has not. The State is a
// sinks.PostgresState outside of this test.
func ExamplePostgres_Bound() {
	pool, done := exampleDatabase(
		`CREATE TABLE online_sales (sale_id bigint PRIMARY KEY, product text, quantity integer, customer text)`,
		`INSERT INTO online_sales VALUES (1, 'Tea', 2, 'Ann'), (2, 'Rice', 5, NULL)`)
	defer done()

	p := pipeline.New("sales", pipeline.Options{State: &memory{}})
	sales := pipeline.From(p, "extract", sources.Postgres[OnlineSale]{Pool: pool, Table: "online_sales", Cursor: "sale_id"})
	pipeline.To(sales, "print", printSale)
	for range 2 {
		if _, err := p.Run(context.Background()); err != nil {
			fmt.Println(err)
		}
		fmt.Println("--")
		if _, err := pool.Exec(context.Background(), `INSERT INTO online_sales VALUES (3, 'Salt', 1, 'Bob')`); err != nil {
			break
		}
	}
	// Output:
	// 1 Tea 2 true
	// 2 Rice 5 false
	// --
	// 3 Salt 1 true
	// --
}

// A run that reads back what it has just loaded: the ids that the database gave, say.
func ExamplePostgres_inRun() {
	pool, done := exampleDatabase(
		`CREATE TABLE products (id bigint GENERATED ALWAYS AS IDENTITY, name text)`)
	defer done()

	type newProduct struct{ Name string }
	type product struct {
		ID   int64
		Name string
	}
	p := pipeline.New("products", pipeline.Options{})
	names := pipeline.From(p, "names", sources.Slice[newProduct]{{"Tea"}, {"Rice"}})
	load := pipeline.To(names, "load", sinks.Postgres[newProduct]{Pool: pool, Table: "products"})
	products := pipeline.From(p, "read back", sources.Postgres[product]{Pool: pool, Table: "products", InRun: true}, pipeline.After(load))
	var all []product
	pipeline.To(products, "keep", sinks.Slice[product]{Into: &all})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	for _, product := range all {
		fmt.Println(product.ID, product.Name)
	}
	// Output:
	// 1 Tea
	// 2 Rice
}

// A table is read as it was before the run, which replaces it: what is read is cleaned and written back.
func ExamplePostgres_replaceWhatIsRead() {
	pool, done := exampleDatabase(
		`CREATE TABLE names (name text)`, `INSERT INTO names VALUES (' Tea'), ('Rice '), (' ')`)
	defer done()

	type name struct{ Name string }
	p := pipeline.New("clean", pipeline.Options{})
	names := pipeline.From(p, "read", sources.Postgres[name]{Pool: pool, Table: "names"})
	clean := pipeline.Via(names, "clean", transforms.FlatMap(func(n *name, out []name) ([]name, error) {
		if trimmed := strings.TrimSpace(n.Name); trimmed != "" {
			out = append(out, name{trimmed})
		}
		return out, nil
	}))
	pipeline.To(clean, "replace", sinks.Postgres[name]{Pool: pool, Table: "names", Mode: sinks.Replace})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	var left string
	if err := pool.QueryRow(context.Background(), `SELECT string_agg(format('"%s"', name), ' ' ORDER BY name) FROM names`).Scan(&left); err != nil {
		fmt.Println(err)
	}
	fmt.Println(left)
	// Output: "Rice" "Tea"
}
