package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/millrace/millrace/internal/jsoncodec"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

func (w *workshop) json() string { return filepath.Join(w.dir, "sales.jsonl") }

// writeJSON writes the sales as JSON lines, once.
func (w *workshop) writeJSON(ctx context.Context) error {
	if _, err := os.Stat(w.json()); err == nil {
		return nil
	}
	p := pipeline.New("json", pipeline.Options{})
	pipeline.To(pipeline.From(p, "read", sources.CSV[sale]{Path: w.csv}), "write", sinks.JSONLines[sale]{Path: w.json()})
	_, err := p.Run(ctx)
	return err
}

// jsonToStructs decodes all six members in one thread.
func (w *workshop) jsonToStructs() comparison {
	open := func(read func(f *os.File, s *sums) error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			f, err := os.Open(w.json())
			if err != nil {
				return "", err
			}
			defer f.Close()
			var s sums
			err = read(f, &s)
			return s.String(), err
		}
	}
	return comparison{name: "JSON lines to structs, 6 members, 1 thread", sides: []side{
		{name: "Millrace", run: open(func(f *os.File, s *sums) error {
			in, err := jsoncodec.NewScanner(f, jsoncodec.ScanOptions{})
			if err != nil {
				return err
			}
			decode, err := jsoncodec.NewDecoder[sale](jsoncodec.DecodeOptions{})
			if err != nil {
				return err
			}
			for {
				rec, err := in.Next()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				var r sale
				if err := decode.Decode(rec, &r); err != nil {
					return err
				}
				s.add(r.Quantity, r.Price)
			}
		})},
		{name: "encoding/json", goal: 1.4, run: open(func(f *os.File, s *sums) error {
			decode := json.NewDecoder(f)
			for {
				var r sale
				if err := decode.Decode(&r); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				s.add(r.Quantity, r.Price)
			}
		})},
	}}
}

// jsonToSums sums up the quantity of each product, with two threads. DuckDB reads only the two members that it needs of the six
// that it is told of.
func (w *workshop) jsonToSums() comparison {
	return comparison{name: "JSON lines to sum per product, 2 threads", sides: []side{
		{name: "Millrace", run: func(ctx context.Context) (string, error) {
			var groups, total atomic.Int64
			p := pipeline.New("sums", pipeline.Options{})
			rows := pipeline.From(p, "read", sources.JSONLines[sale]{Path: w.json()}, pipeline.Parallel(2))
			sum := pipeline.Via(rows, "sum", transforms.Sum[sale, string, int64]{
				Key: func(r *sale) string { return r.Product }, Value: func(r *sale) int64 { return r.Quantity },
			}, pipeline.Parallel(2))
			pipeline.To(sum, "count", pipeline.SinkFunc[transforms.Total[string, int64]](func(_ context.Context, in *pipeline.Reader[transforms.Total[string, int64]]) error {
				for t, err := range in.All() {
					if err != nil {
						return err
					}
					groups.Add(1)
					total.Add(t.Sum)
				}
				return nil
			}))
			_, err := p.Run(ctx)
			return fmt.Sprintf("%d products, quantity %d", groups.Load(), total.Load()), err
		}},
		{name: "DuckDB read_json, 2 threads", goal: 1.5, run: func(ctx context.Context) (string, error) {
			db, err := sql.Open("duckdb", "?threads=2")
			if err != nil {
				return "", err
			}
			defer db.Close()
			var groups, total int64
			err = db.QueryRowContext(ctx, `
select count(*), sum(quantity)::bigint from (
	select product, sum(quantity) as quantity
	  from read_json(?, format = 'newline_delimited', columns = {'sale_id': 'BIGINT', 'product': 'VARCHAR', 'quantity': 'BIGINT',
	       'unit_price': 'DOUBLE', 'sale_date': 'TIMESTAMP', 'store': 'VARCHAR'})
	 group by product)`, w.json()).Scan(&groups, &total)
			return fmt.Sprintf("%d products, quantity %d", groups, total), err
		}},
	}}
}
