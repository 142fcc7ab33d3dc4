// Command quickstart loads a CSV file into a Postgres table, which it creates:
//
//	DATABASE_URL=postgres://user:password@localhost/db go run ./examples/quickstart examples/quickstart/books.csv
//
// Loading the file again updates the rows that are there; a file with a mistake in it changes nothing.
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

// Book is a line of the file and a row of the table.
type Book struct {
	ISBN  string `csv:"isbn" db:"isbn"`
	Title string `csv:"title" db:"title"`
	Pages int    `csv:"pages" db:"pages"`
}

func load(ctx context.Context, pool *pgxpool.Pool, path string) (pipeline.Report, error) {
	p := pipeline.New("quickstart", pipeline.Options{})
	books := pipeline.From(p, "read", sources.CSV[Book]{Path: path})
	pipeline.To(books, "load", sinks.Postgres[Book]{
		Pool: pool, Table: "books", Create: true, Mode: sinks.Upsert, Keys: []string{"isbn"},
	})
	return p.Run(ctx)
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: quickstart FILE.csv")
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood") // err may repeat the password
	}
	report, err := load(ctx, pool, os.Args[1])
	pool.Close()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Stage("load").RecordsIn, "books loaded")
}
