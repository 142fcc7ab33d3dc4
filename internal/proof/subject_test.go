package proof

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/sales/salesetl"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// sale is a row of every scenario.
type sale struct {
	ID       int64  `csv:"id" db:"id"`
	Product  string `csv:"product" db:"product"`
	Quantity int32  `csv:"quantity" db:"quantity"`
}

type total struct {
	Product  string `csv:"product" db:"product"`
	Quantity int64  `csv:"quantity" db:"quantity"`
}

const (
	salesInFile = 6000
	badInFile   = 12 // of which the quantity is not a number
	products    = 40
	eventsAdded = 2000 // to the source of the incremental scenario, before each run
)

// productOf and quantityOf are the rows' formula, so that expectations can be computed.
func productOf(id int64) string { return fmt.Sprintf("product %d", id%products) }
func quantityOf(id int64) int32 { return int32(id%7 + 1) }
func isBad(id int64) bool       { return id%(salesInFile/badInFile) == 3 }
func expectedTotal() (sum int64) { // of one whole file
	for id := range int64(salesInFile) {
		if !isBad(id) {
			sum += int64(quantityOf(id))
		}
	}
	return sum
}

func writeSales(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "id,product,quantity")
	for id := range int64(salesInFile) {
		if isBad(id) {
			fmt.Fprintf(w, "%d,%s,many\n", id, productOf(id))
			continue
		}
		fmt.Fprintf(w, "%d,%s,%d\n", id, productOf(id), quantityOf(id))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// subject is a pipeline to be broken: what it needs, how it is built, and what
// must hold of the tables after each number of committed runs.
type subject struct {
	name  string
	build func(p *pipeline.Pipeline, pool *pgxpool.Pool, dir string)
	// whole is instead of build: a pipeline that somebody else has built.
	whole func(pool *pgxpool.Pool) *pipeline.Pipeline
	// table and totals are queries for the ID and the quantity of each row.
	table, totals string
	// prepare is called before each run, 1 for the first.
	prepare func(ctx context.Context, pool *pgxpool.Pool, run int) error
	// want is what counts must return after that many committed runs.
	want func(runs int) counts
}

// counts is what one snapshot shows.
type counts struct {
	rows, distinct, quantity int64 // of the table that was loaded
	totals                   int64 // sum over the totals
	rejects                  int64
	commits                  int64 // in the ledger
	cursor                   int64 // of the incremental source
}

const schema = `
create table sales (id bigint not null, product text not null, quantity integer not null);
create table unique_sales (id bigint primary key, product text not null, quantity integer not null);
create table totals (product text primary key, quantity bigint not null);
create table rejects (stage text, source text, line bigint, "offset" bigint, raw bytea, "column" text, value text, reason text, record jsonb);
create table events (id bigserial primary key, product text not null, quantity integer not null);`

func subjects() []subject {
	file := func(p *pipeline.Pipeline, dir string) pipeline.Stream[sale] {
		return pipeline.From(p, "extract", sources.CSV[sale]{Path: filepath.Join(dir, "sales.csv")})
	}
	// rest is what all file scenarios have beside the table that names them.
	rest := func(p *pipeline.Pipeline, sales pipeline.Stream[sale], pool *pgxpool.Pool, dir string) {
		byProduct := pipeline.Via(sales, "total", transforms.GroupBy[sale, string, total]{
			Key:  func(s *sale) string { return s.Product },
			New:  func(product string) total { return total{Product: product} },
			Fold: func(t *total, s *sale) error { t.Quantity += int64(s.Quantity); return nil },
		})
		pipeline.To(byProduct, "load_totals", sinks.Postgres[total]{Pool: pool, Table: "totals", Mode: sinks.Replace})
		pipeline.To(byProduct, "write_totals", sinks.CSV[total]{Path: filepath.Join(dir, "totals.csv")})
		pipeline.To(pipeline.Rejects(p), "keep_rejects", sinks.Postgres[pipeline.Reject]{Pool: pool, Table: "rejects"})
	}
	nothing := func(context.Context, *pgxpool.Pool, int) error { return nil }
	const good = salesInFile - badInFile
	loaded := func(runs, copies int) counts {
		n, c := int64(runs), int64(copies)
		if runs == 0 {
			return counts{}
		}
		return counts{rows: c * good, distinct: good, quantity: c * expectedTotal(), totals: expectedTotal(), rejects: n * badInFile, commits: n}
	}
	return []subject{
		{
			name:  "append",
			table: "select id, quantity from sales", totals: "select quantity from totals",
			build: func(p *pipeline.Pipeline, pool *pgxpool.Pool, dir string) {
				s := file(p, dir)
				pipeline.To(s, "load", sinks.Postgres[sale]{Pool: pool, Table: "sales"})
				rest(p, s, pool, dir)
			},
			prepare: nothing,
			want:    func(runs int) counts { return loaded(runs, runs) },
		},
		{
			name:  "replace",
			table: "select id, quantity from sales", totals: "select quantity from totals",
			build: func(p *pipeline.Pipeline, pool *pgxpool.Pool, dir string) {
				s := file(p, dir)
				pipeline.To(s, "load", sinks.Postgres[sale]{Pool: pool, Table: "sales", Mode: sinks.Replace})
				rest(p, s, pool, dir)
			},
			prepare: nothing,
			want:    func(runs int) counts { return loaded(runs, min(runs, 1)) },
		},
		{
			name:  "upsert",
			table: "select id, quantity from unique_sales", totals: "select quantity from totals",
			build: func(p *pipeline.Pipeline, pool *pgxpool.Pool, dir string) {
				s := file(p, dir)
				pipeline.To(s, "load", sinks.Postgres[sale]{Pool: pool, Table: "unique_sales", Mode: sinks.Upsert, Keys: []string{"id"}})
				rest(p, s, pool, dir)
			},
			prepare: nothing,
			want:    func(runs int) counts { return loaded(runs, min(runs, 1)) },
		},
		{
			name:  "incremental",
			table: "select id, quantity from sales", totals: "select quantity from totals",
			build: func(p *pipeline.Pipeline, pool *pgxpool.Pool, _ string) {
				s := pipeline.From(p, "extract", sources.Postgres[sale]{Pool: pool, Table: "events", Cursor: "id"})
				pipeline.To(s, "load", sinks.Postgres[sale]{Pool: pool, Table: "sales"})
			},
			prepare: func(ctx context.Context, pool *pgxpool.Pool, run int) error {
				// By ID, so that preparing the same run twice adds nothing.
				_, err := pool.Exec(ctx, `insert into events (id, product, quantity)
					select id, 'product ' || id, 1 from generate_series($1::bigint, $2::bigint) id on conflict do nothing`,
					(run-1)*eventsAdded+1, run*eventsAdded)
				return err
			},
			want: func(runs int) counts {
				n := int64(runs) * eventsAdded
				return counts{rows: n, distinct: n, quantity: n, commits: int64(runs), cursor: n}
			},
		},
		{
			name:  salesetl.Name,
			whole: func(pool *pgxpool.Pool) *pipeline.Pipeline { return salesetl.New(salesetl.Config{Pool: pool}) },
			table: "select sale_id, quantity from in_store_sales", totals: "select total_quantity from aggregated_sales",
			prepare: func(ctx context.Context, pool *pgxpool.Pool, run int) error {
				if run > 1 {
					return nil
				}
				if err := salesetl.CreateTables(ctx, pool); err != nil {
					return err
				}
				return salesetl.FillOnlineSales(ctx, pool, onlineSales)
			},
			want: func(runs int) counts {
				if runs == 0 {
					return counts{}
				}
				inStore, online := salesQuantities()
				return counts{
					rows: salesetl.InStoreRows, distinct: salesetl.InStoreRows, quantity: inStore,
					totals: inStore + online, commits: int64(runs),
				}
			},
		},
	}
}

const onlineSales = 5000

// salesQuantities is what the sales job has to sum up.
func salesQuantities() (inStore, online int64) {
	for i := range salesetl.InStoreRows {
		inStore += salesetl.MakeInStoreSale(i).Quantity
	}
	for i := range onlineSales {
		online += salesetl.MakeOnlineSale(i).Quantity
	}
	return inStore, online
}

func subjectNamed(name string) (subject, error) {
	for _, s := range subjects() {
		if s.name == name {
			return s, nil
		}
	}
	return subject{}, fmt.Errorf("no subject %q", name)
}

// pipelineOf builds the subject's pipeline for one run.
func (s subject) pipelineOf(pool *pgxpool.Pool, dir, runID string, attempt int, retry pipeline.Retry) *pipeline.Pipeline {
	options := pipeline.Options{
		RunID: runID, Attempt: attempt, Retry: retry,
		MaxRejects: -1,
		State:      sinks.PostgresState{Pool: pool},
		BatchSize:  64, // many small batches: more instants to be killed at
	}
	if s.whole != nil {
		return s.whole(pool).WithOptions(func(o *pipeline.Options) { *o = options })
	}
	p := pipeline.New(s.name, options)
	s.build(p, pool, dir)
	return p
}

func runName(run int) string { return fmt.Sprintf("run %d", run) }

// look reads everything in one snapshot.
func (s subject) look(ctx context.Context, pool *pgxpool.Pool) (c counts, err error) {
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "select count(*), count(distinct id), coalesce(sum(quantity), 0)::bigint from ("+s.table+") as t (id, quantity)").
			Scan(&c.rows, &c.distinct, &c.quantity)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, "select coalesce(sum(quantity), 0)::bigint, (select count(*) from rejects) from ("+s.totals+") as t (quantity)").
			Scan(&c.totals, &c.rejects)
		if err != nil {
			return err
		}
		var ledger bool
		if err := tx.QueryRow(ctx, "select to_regclass('millrace.commits') is not null").Scan(&ledger); err != nil || !ledger {
			return err
		}
		return tx.QueryRow(ctx, `
select (select count(*) from millrace.commits where pipeline = $1),
       (select coalesce(max((value->>'value')::bigint), 0) from millrace.cursors where pipeline = $1)`, s.name).Scan(&c.commits, &c.cursor)
	})
	return c, err
}

// quickRetry is for runs that must outlive a database's restart.
var quickRetry = pipeline.Retry{MaxAttempts: 60, Backoff: 50 * time.Millisecond, MaxBackoff: 500 * time.Millisecond}
