package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/gocarina/gocsv"
	"github.com/jszwec/csvutil"

	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// sums is what the CSV readers are held to.
type sums struct {
	rows, quantity int64
	price          float64
}

func (s *sums) add(quantity int64, price float64) { s.rows++; s.quantity += quantity; s.price += price }
func (s *sums) String() string {
	return fmt.Sprintf("%d rows, quantity %d, prices %.2f", s.rows, s.quantity, s.price)
}

// csvToStructs decodes all six columns in one thread.
func (w *workshop) csvToStructs() comparison {
	open := func(read func(f *os.File, s *sums) error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			f, err := os.Open(w.csv)
			if err != nil {
				return "", err
			}
			defer f.Close()
			var s sums
			err = read(f, &s)
			return s.String(), err
		}
	}
	return comparison{name: "CSV to structs, 6 columns, 1 thread", sides: []side{
		{name: "Millrace", run: open(func(f *os.File, s *sums) error {
			in, err := csvcodec.NewReader[sale](f, csvcodec.ReadOptions{})
			if err != nil {
				return err
			}
			batch := make([]sale, pipeline.DefaultBatchSize)
			for {
				n, err := in.ReadBatch(batch)
				for i := range batch[:n] {
					s.add(batch[i].Quantity, batch[i].Price)
				}
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
			}
		})},
		{name: "gocsv (dates as text)", goal: 10, run: open(func(f *os.File, s *sums) error {
			return gocsv.UnmarshalToCallback(f, func(r saleText) { s.add(r.Quantity, r.Price) })
		})},
		{name: "csvutil (dates as text)", goal: 2.7, run: open(func(f *os.File, s *sums) error {
			in, err := csvutil.NewDecoder(csv.NewReader(f))
			if err != nil {
				return err
			}
			for {
				var r saleText
				if err := in.Decode(&r); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				s.add(r.Quantity, r.Price)
			}
		})},
		{name: "encoding/csv, converted by hand (dates as text)", goal: 1, run: open(func(f *os.File, s *sums) error {
			in := csv.NewReader(f)
			in.ReuseRecord = true
			if _, err := in.Read(); err != nil {
				return err
			}
			for {
				fields, err := in.Read()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				var r saleText
				if r.ID, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
					return err
				}
				if r.Quantity, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
					return err
				}
				if r.Price, err = strconv.ParseFloat(fields[3], 64); err != nil {
					return err
				}
				r.Product, r.Date, r.Store = fields[1], fields[4], fields[5]
				s.add(r.Quantity, r.Price)
			}
		})},
	}}
}

// csvToSums sums up the quantity of each product, with two threads.
func (w *workshop) csvToSums() comparison {
	return comparison{name: "CSV to sum per product, 2 threads", sides: []side{
		{name: "Millrace", run: func(ctx context.Context) (string, error) {
			type few struct {
				Product  string `csv:"product"`
				Quantity int64  `csv:"quantity"`
			}
			var groups, total atomic.Int64
			p := pipeline.New("sums", pipeline.Options{})
			rows := pipeline.From(p, "read", sources.CSV[few]{Path: w.csv}, pipeline.Parallel(2))
			sum := pipeline.Via(rows, "sum", transforms.Sum[few, string, int64]{
				Key: func(r *few) string { return r.Product }, Value: func(r *few) int64 { return r.Quantity },
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
		{name: "DuckDB read_csv, 2 threads", goal: 2, run: func(ctx context.Context) (string, error) { return duckSums(ctx, w.csv) }},
	}}
}
