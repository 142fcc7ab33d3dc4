package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// psql runs commands in one session; the password travels in the URL's environment.
func (w *workshop) psql(ctx context.Context, commands ...string) error {
	path, err := exec.LookPath("psql")
	if err != nil {
		return &missing{"psql"}
	}
	cmd := exec.CommandContext(ctx, path, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", w.url)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

func (w *workshop) truncate(ctx context.Context) error {
	_, err := w.pool.Exec(ctx, "truncate loaded")
	return err
}

// csvToTable loads the file. The server's own COPY from a binary file on its disk is the floor.
func (w *workshop) csvToTable() comparison {
	loaded := func(ctx context.Context, err error) (string, error) {
		if err != nil {
			return "", err
		}
		return w.count(ctx, "loaded")
	}
	return comparison{name: "CSV to a table", ready: w.truncate, sides: []side{
		{name: "Millrace", run: func(ctx context.Context) (string, error) {
			p := pipeline.New("load", pipeline.Options{})
			rows := pipeline.From(p, "read", sources.CSV[sale]{Path: w.csv})
			pipeline.To(rows, "load", sinks.Postgres[sale]{Pool: w.pool, Table: "loaded"})
			_, err := p.Run(ctx)
			return loaded(ctx, err)
		}},
		{name: `psql \copy`, goal: 1.4, run: func(ctx context.Context) (string, error) {
			return loaded(ctx, w.psql(ctx, `\copy loaded from '`+w.csv+`' with (format csv, header)`))
		}},
		{name: "server's COPY from a binary file", goal: 1 / 1.25, run: func(ctx context.Context) (string, error) {
			file, err := w.binaryFile(ctx)
			if err != nil {
				return "", err
			}
			_, err = w.pool.Exec(ctx, "copy loaded from "+quoteLiteral(file)+" with (format binary)")
			return loaded(ctx, err)
		}},
		{name: "pgloader", run: func(ctx context.Context) (string, error) {
			return loaded(ctx, w.pgloader(ctx))
		}},
		{name: "pgx CopyFrom of rows in memory", goal: 1, run: func(ctx context.Context) (string, error) {
			rows, err := w.inMemory(ctx)
			if err != nil {
				return "", err
			}
			_, err = w.pool.CopyFrom(ctx, pgx.Identifier{"loaded"}, []string{"sale_id", "product", "quantity", "unit_price", "sale_date", "store"},
				pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
					r := &rows[i]
					return []any{r.ID, r.Product, r.Quantity, r.Price, r.Date, r.Store}, nil
				}))
			return loaded(ctx, err)
		}},
	}}
}

// pgloader loads the file as its manual shows.
func (w *workshop) pgloader(ctx context.Context) error {
	path, err := exec.LookPath("pgloader")
	if err != nil {
		return &missing{"pgloader"}
	}
	script := filepath.Join(w.dir, "load.pgloader")
	load := fmt.Sprintf(`LOAD CSV FROM '%s' (sale_id, product, quantity, unit_price, sale_date, store)
     INTO %s TARGET TABLE loaded
     WITH skip header = 1, fields terminated by ',', fields optionally enclosed by '"';`, w.csv, w.url)
	if err := os.WriteFile(script, []byte(load), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, path, "--root-dir", w.dir, script).CombinedOutput(); err != nil {
		return fmt.Errorf("pgloader: %w: %s", err, out)
	}
	return nil
}

// quoteLiteral is for the one place where COPY takes no parameter: a path of our own making.
func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

var binary string

// binaryFile is made by the server, once, where only the server can write.
func (w *workshop) binaryFile(ctx context.Context) (string, error) {
	if binary != "" {
		return binary, nil
	}
	if err := w.fillStored(ctx); err != nil {
		return "", err
	}
	var dir string
	if err := w.pool.QueryRow(ctx, "select current_setting('data_directory')").Scan(&dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "millrace-bench.bin")
	if _, err := w.pool.Exec(ctx, "copy stored to "+quoteLiteral(path)+" with (format binary)"); err != nil {
		return "", err
	}
	binary = path
	return path, nil
}

// memory holds the rows for the sides that begin with rows in memory.
var memory []sale

func (w *workshop) inMemory(ctx context.Context) ([]sale, error) {
	if memory != nil {
		return memory, nil
	}
	for r, err := range pipeline.Records(ctx, sources.CSV[sale]{Path: w.csv}) {
		if err != nil {
			return nil, err
		}
		memory = append(memory, r)
	}
	return memory, nil
}

// fillStored fills the table that is read from.
func (w *workshop) fillStored(ctx context.Context) error {
	p := pipeline.New("fill", pipeline.Options{})
	rows := pipeline.From(p, "read", sources.CSV[sale]{Path: w.csv})
	pipeline.To(rows, "load", sinks.Postgres[sale]{Pool: w.pool, Table: "stored", Mode: sinks.Truncate})
	if _, err := p.Run(ctx); err != nil {
		return err
	}
	_, err := w.pool.Exec(ctx, "vacuum analyze stored")
	return err
}

func inLanes(n int) string {
	if n == 1 {
		return ", in order"
	}
	return fmt.Sprintf(", %d lanes", n)
}

// tableToCSV writes the table to a file, read in so many lanes; one keeps the order.
func (w *workshop) tableToCSV(lanes int) comparison {
	target := filepath.Join(w.dir, "out.csv")
	size := func(err error) (string, error) {
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(target)
		return fmt.Sprintf("%d lines", strings.Count(string(data), "\n")), err
	}
	return comparison{name: "a table to CSV" + inLanes(lanes), sides: []side{
		{name: "Millrace", run: func(ctx context.Context) (string, error) {
			p := pipeline.New("dump", pipeline.Options{})
			rows := pipeline.From(p, "read", sources.Postgres[sale]{Pool: w.pool, Table: "stored"}, pipeline.Parallel(lanes))
			pipeline.To(rows, "write", sinks.CSV[sale]{Path: target, Dialect: dialect.CSV{Layout: time.DateOnly}})
			_, err := p.Run(ctx)
			return size(err)
		}},
		{name: `psql \copy to`, goal: 1.5, run: func(ctx context.Context) (string, error) {
			return size(w.psql(ctx, `\copy stored to '`+target+`' with (format csv, header)`))
		}},
	}}
}

// tableToStructs reads the table in so many lanes; one keeps the order.
func (w *workshop) tableToStructs(lanes int) comparison {
	return comparison{name: "a table to structs" + inLanes(lanes), sides: []side{
		{name: "Millrace", run: func(ctx context.Context) (string, error) {
			var s sums
			p := pipeline.New("read", pipeline.Options{})
			rows := pipeline.From(p, "read", sources.Postgres[sale]{Pool: w.pool, Table: "stored"}, pipeline.Parallel(lanes))
			pipeline.To(rows, "sum", pipeline.SinkFunc[sale](func(_ context.Context, in *pipeline.Reader[sale]) error {
				for batch, err := range in.Batches() {
					if err != nil {
						return err
					}
					for i := range batch {
						s.add(batch[i].Quantity, batch[i].Price)
					}
					in.Recycle(batch)
				}
				return nil
			}))
			_, err := p.Run(ctx)
			return s.String(), err
		}},
		{name: "pgx Scan loop", goal: 1.7, run: func(ctx context.Context) (string, error) {
			var s sums
			rows, err := w.pool.Query(ctx, "select sale_id, product, quantity, unit_price, sale_date, store from stored")
			if err != nil {
				return "", err
			}
			defer rows.Close()
			for rows.Next() {
				var r sale
				if err := rows.Scan(&r.ID, &r.Product, &r.Quantity, &r.Price, &r.Date, &r.Store); err != nil {
					return "", err
				}
				s.add(r.Quantity, r.Price)
			}
			return s.String(), rows.Err()
		}},
	}}
}
