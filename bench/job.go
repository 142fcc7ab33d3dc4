package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

//go:embed job.py
var pythonJob []byte

// salesJob is the main job, and what people would write instead.
func (w *workshop) salesJob(ctx context.Context) (comparison, error) {
	if err := salesetl.CreateTables(ctx, w.pool); err != nil {
		return comparison{}, err
	}
	file := filepath.Join(w.dir, "in_store_sales.csv")
	if _, err := salesetl.NewDemo(salesetl.DemoConfig{Pool: w.pool, Online: w.rows, CSV: file, InStore: w.rows}).Run(ctx); err != nil {
		return comparison{}, err
	}
	script := filepath.Join(w.dir, "job.py")
	if err := os.WriteFile(script, pythonJob, 0o600); err != nil {
		return comparison{}, err
	}
	totals := func(ctx context.Context, err error) (string, error) {
		if err != nil {
			return "", err
		}
		var n, quantity, rows int64
		var revenue string
		err = w.pool.QueryRow(ctx, "select count(*), sum(total_quantity)::bigint, sum(total_revenue)::text, (select count(*) from in_store_sales) from aggregated_sales").
			Scan(&n, &quantity, &revenue, &rows)
		return fmt.Sprintf("%d products, quantity %d, revenue %s, %d rows in stores", n, quantity, revenue, rows), err
	}
	return comparison{
		name: "the sales job",
		ready: func(ctx context.Context) error {
			_, err := w.pool.Exec(ctx, "truncate in_store_sales, aggregated_sales")
			return err
		},
		sides: []side{
			{name: "Millrace", run: func(ctx context.Context) (string, error) {
				_, err := salesetl.New(salesetl.Config{Pool: w.pool, CSV: file}).Run(ctx)
				return totals(ctx, err)
			}},
			{name: "a psql script", goal: 2, run: func(ctx context.Context) (string, error) {
				return totals(ctx, w.psql(ctx,
					"begin;", "delete from in_store_sales;",
					`\copy in_store_sales from '`+file+`' with (format csv, header)`,
					"delete from aggregated_sales;",
					`insert into aggregated_sales
					 select product, sum(quantity), sum(quantity * unit_price)
					   from (select product, quantity, unit_price from in_store_sales
					         union all
					         select product, quantity, unit_price from online_sales) as sales
					  group by product;`,
					"commit;"))
			}},
			{name: "pandas and psycopg2", goal: 30, run: func(ctx context.Context) (string, error) {
				return totals(ctx, w.pandas(ctx, script, file))
			}},
		},
	}, nil
}

// pandas runs the job in Python.
func (w *workshop) pandas(ctx context.Context, script, file string) error {
	python, err := exec.LookPath("/usr/bin/python3") // where Debian's packages are
	if err != nil || exec.CommandContext(ctx, python, "-c", "import pandas, psycopg2").Run() != nil {
		return &missing{"Python with pandas and psycopg2 (python3-pandas, python3-psycopg2)"}
	}
	cmd := exec.CommandContext(ctx, python, script, file)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+w.url)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
