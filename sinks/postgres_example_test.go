package sinks_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// exampleTB lets an example use what tests use.
type exampleTB struct{ cleanups []func() }

func (*exampleTB) Helper()                   {}
func (*exampleTB) Logf(string, ...any)       {}
func (*exampleTB) Errorf(f string, a ...any) { fmt.Printf(f+"\n", a...) }
func (*exampleTB) Fatalf(f string, a ...any) { fmt.Printf(f+"\n", a...); os.Exit(1) }
func (tb *exampleTB) Cleanup(f func())       { tb.cleanups = append(tb.cleanups, f) }
func (tb *exampleTB) done() {
	for i := len(tb.cleanups) - 1; i >= 0; i-- {
		tb.cleanups[i]()
	}
}

// exampleDB returns a pool to an empty database.
func exampleDB() (pool *pgxpool.Pool, done func()) {
	tb := &exampleTB{}
	return devdb.Test(tb), tb.done
}

type productTotal struct {
	Product  string
	Quantity int64
}

// Two tables and a step of SQL, all in one transaction.
func ExamplePostgres() {
	ctx := context.Background()
	pool, done := exampleDB()
	defer done()

	p := pipeline.New("totals", pipeline.Options{})
	totals := pipeline.From(p, "extract", give(productTotal{"pen", 3}, productTotal{"ink", 5}, productTotal{"pen", 4}))
	pipeline.To(totals, "history", sinks.Postgres[productTotal]{Pool: pool, Table: "history", Create: true})
	latest := pipeline.To(totals, "latest", sinks.Postgres[productTotal]{
		Pool: pool, Table: "latest", Mode: sinks.Upsert, Keys: []string{"product"}, Create: true,
	})
	pipeline.Do(p, "analyze", sinks.Exec(pool, "analyze latest"), pipeline.After(latest))
	if _, err := p.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}

	rows, _ := pool.Query(ctx, "select product, quantity from latest order by product")
	defer rows.Close()
	for rows.Next() {
		var t productTotal
		if err := rows.Scan(&t.Product, &t.Quantity); err != nil {
			fmt.Println(err)
		}
		fmt.Println(t.Product, t.Quantity)
	}
	// Output:
	// ink 5
	// pen 4
}

// With a State, a run that has a name is loaded once, however often it is started.
func ExamplePostgresState() {
	pool, done := exampleDB()
	defer done()

	for range 2 {
		p := pipeline.New("totals", pipeline.Options{RunID: "2024-05-01", State: sinks.PostgresState{Pool: pool}})
		in := pipeline.From(p, "extract", give(productTotal{"pen", 3}))
		pipeline.To(in, "load", sinks.Postgres[productTotal]{Pool: pool, Table: "totals", Create: true})
		report, err := p.Run(context.Background())
		fmt.Println(report.State, report.AlreadyCommitted, err)
	}
	// Output:
	// succeeded false <nil>
	// succeeded true <nil>
}

// A rule that the loaded rows must keep: a run that breaks it leaves nothing.
func ExampleCheck() {
	pool, done := exampleDB()
	defer done()

	p := pipeline.New("totals", pipeline.Options{})
	totals := pipeline.From(p, "extract", give(productTotal{"pen", 3}, productTotal{"ink", -5}))
	load := pipeline.To(totals, "load", sinks.Postgres[productTotal]{Pool: pool, Table: "totals", Create: true})
	pipeline.Do(p, "check", sinks.Check(pool, "no total is negative", "select * from totals where quantity < $1", 0), pipeline.After(load))
	_, err := p.Run(context.Background())
	fmt.Println(err)
	// Output: totals: check: check "no total is negative": 1 row breaks it: (product "ink", quantity -5)
}

// A step looks at what the run has loaded, before it is committed.
func ExampleQuery() {
	pool, done := exampleDB()
	defer done()

	p := pipeline.New("totals", pipeline.Options{})
	totals := pipeline.From(p, "extract", give(productTotal{"pen", 3}, productTotal{"ink", 5}))
	load := pipeline.To(totals, "load", sinks.Postgres[productTotal]{Pool: pool, Table: "totals", Create: true})
	pipeline.Do(p, "tell", func(ctx context.Context) error {
		for total, err := range sinks.Query[productTotal](ctx, pool, "select product, quantity from totals where quantity > $1 order by product", 4) {
			if err != nil {
				return err
			}
			fmt.Println(total.Product, total.Quantity)
		}
		return nil
	}, pipeline.After(load))
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: ink 5
}
