// Command rejects loads a file that has mistakes in it, shows what was refused and
// why, mends the refused lines, and loads those:
//
//	go run ./examples/rejects
//
// The good rows, the table of what was refused, and the file of refused lines
// appear together, or not at all.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/database"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// Price is a line of the file and a row of the table. Its origin lets every stage say which line it refuses.
type Price struct {
	pipeline.Origin
	Article    string `csv:"article" db:"article"`
	PriceCents int64  `csv:"price_cents" db:"price_cents"`
	Currency   string `csv:"currency" db:"currency"`
}

// load loads what it can of a file. The lines that some stage refuses go into the
// file refused as they are; every refusal goes into the table refused_prices.
func load(ctx context.Context, pool *pgxpool.Pool, path, refused string) (pipeline.Report, error) {
	p := pipeline.New("prices", pipeline.Options{MaxRejects: 100})
	read := pipeline.From(p, "read", sources.CSV[Price]{Path: path})
	checked := pipeline.Via(read, "check", transforms.Validate[Price]{Rules: []transforms.Rule[Price]{{
		Column: "price_cents",
		Valid:  func(p *Price) bool { return p.PriceCents >= 0 },
		Value:  func(p *Price) any { return p.PriceCents },
		Reason: "is negative",
	}}})
	pipeline.To(checked, "load", sinks.Postgres[Price]{Pool: pool, Table: "prices"})
	rejects := pipeline.Rejects(p)
	pipeline.To(rejects, "keep", sinks.Postgres[pipeline.Reject]{Pool: pool, Table: "refused_prices", Create: true})
	pipeline.To(rejects, "give_back", sinks.RejectedLines{Path: refused, HeaderOf: path})
	return p.Run(ctx)
}

// The table knows what a currency is; the file's "EURO" is for it to refuse.
const tables = `
create table prices (article text primary key, price_cents bigint not null, currency char(3) not null check (currency = upper(currency)));`

//go:embed prices.csv
var prices []byte

func demo(ctx context.Context, pool *pgxpool.Pool, dir string) error {
	if _, err := pool.Exec(ctx, tables); err != nil {
		return err
	}
	first, refused := filepath.Join(dir, "prices.csv"), filepath.Join(dir, "refused.csv")
	if err := os.WriteFile(first, prices, 0o600); err != nil {
		return err
	}
	report, err := load(ctx, pool, first, refused)
	if err != nil {
		return err
	}
	fmt.Printf("%d rows loaded, %d refused:\n", report.Stage("load").RecordsIn-report.Stage("load").Rejects, report.Rejects)
	rows, err := pool.Query(ctx, `select stage, line, "column", value, reason from refused_prices order by stage, line`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r pipeline.Reject
		if err := rows.Scan(&r.Stage, &r.Line, &r.Column, &r.Value, &r.Reason); err != nil {
			return err
		}
		fmt.Printf("  by %s: %v\n", r.Stage, r)
	}
	if err := rows.Err(); err != nil {
		return err
	}

	// What somebody would do in an editor: the file holds the line as it was.
	lines, err := os.ReadFile(refused)
	if err != nil {
		return err
	}
	mended := filepath.Join(dir, "mended.csv")
	mend := strings.NewReplacer("expensive", "420", "EURO", "EUR", "-1", "180")
	if err := os.WriteFile(mended, []byte(mend.Replace(string(lines))), 0o600); err != nil {
		return err
	}
	report, err = load(ctx, pool, mended, refused)
	if err != nil {
		return err
	}
	fmt.Printf("mended: %d more loaded, %d refused\n", report.Stage("load").RecordsIn, report.Rejects)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "millrace-rejects-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return database.Use(ctx, func(ctx context.Context, pool *pgxpool.Pool) error { return demo(ctx, pool, dir) })
}
