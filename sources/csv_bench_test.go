package sources_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

type wideSale struct {
	ID       int64     `csv:"sale_id"`
	Product  string    `csv:"product"`
	Quantity int64     `csv:"quantity"`
	Price    float64   `csv:"unit_price"`
	Date     time.Time `csv:"sale_date"`
	Store    string    `csv:"store"`
}

type narrowSale struct {
	Product  string `csv:"product"`
	Quantity int64  `csv:"quantity"`
}

const benchRows = 1_000_000

func benchFile(b *testing.B) (path string, size int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "sales.csv")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	fmt.Fprintln(w, "sale_id,product,quantity,unit_price,sale_date,store")
	day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range benchRows {
		fmt.Fprintf(w, "%d,Product number %d,%d,%d.%02d,%s,Store %d\n", i+1, r.IntN(1000), r.IntN(20), r.IntN(100), r.IntN(100),
			day.AddDate(0, 0, r.IntN(365)).Format(time.DateOnly), r.IntN(50))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return path, info.Size()
}

func discard[T any](_ context.Context, in *pipeline.Reader[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		in.Recycle(batch)
	}
	return nil
}

func benchRead[T any](b *testing.B, lanes int) {
	path, size := benchFile(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		p := pipeline.New("bench", pipeline.Options{})
		pipeline.To(pipeline.From(p, "extract", sources.CSV[T]{Path: path}, pipeline.Parallel(lanes)), "discard", pipeline.SinkFunc[T](discard[T]))
		report, err := p.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if n := report.Stage("extract").RecordsOut; n != benchRows {
			b.Fatalf("%d records", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/record")
}

func BenchmarkCSVSixColumns(b *testing.B)         { benchRead[wideSale](b, 1) }
func BenchmarkCSVTwoOfSixColumns(b *testing.B)    { benchRead[narrowSale](b, 1) }
func BenchmarkCSVTwoColumnsTwoLanes(b *testing.B) { benchRead[narrowSale](b, 2) }
func BenchmarkCSVSixColumnsTwoLanes(b *testing.B) { benchRead[wideSale](b, 2) }
