// Command checked loads sales.csv, sums it up by SQL, and holds two rules before anything is committed: as many rows as
// the file has lines, and no total that is negative. If one is broken, the tables stay as they were.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// Sale is a line of the file and a row of the table.
type Sale struct {
	Shop   string `csv:"shop" db:"shop"`
	Amount int    `csv:"amount" db:"amount"`
}

const (
	sumUp    = `truncate totals; insert into totals select shop, sum(amount) from sales group by shop`
	negative = `select shop, amount from totals where amount < 0`
	missing  = `select count(*) as loaded, $1::bigint as expected from sales having count(*) <> $1`
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: checked ROWS")
	}
	var expected int64
	if _, err := fmt.Sscan(os.Args[1], &expected); err != nil {
		log.Fatal(err)
	}
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood")
	}
	p := pipeline.New("sales", pipeline.Options{})
	sales := pipeline.From(p, "read", sources.CSV[Sale]{Path: "sales.csv"})
	load := pipeline.To(sales, "load", sinks.Postgres[Sale]{Pool: pool, Table: "sales", Mode: sinks.Replace})
	sum := pipeline.Do(p, "sum", sinks.Exec(pool, sumUp), pipeline.After(load))
	pipeline.Do(p, "count", sinks.Check(pool, "all rows are there", missing, expected), pipeline.After(load))
	pipeline.Do(p, "check", sinks.Check(pool, "no total is negative", negative), pipeline.After(sum))
	_, err = p.Run(context.Background())
	pool.Close()
	if err != nil {
		log.Fatal(err)
	}
}
