package sinks_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

type wideSale struct {
	ID       int64     `csv:"sale_id"`
	Product  string    `csv:"product"`
	Quantity int64     `csv:"quantity"`
	Price    float64   `csv:"unit_price"`
	Date     time.Time `csv:"sale_date"`
	Store    string    `csv:"store"`
}

const benchRows = 1_000_000

// generated gives copies of a few hundred records, so that making them costs next to nothing.
func generated(n int) pipeline.Source[wideSale] {
	day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	var some [512]wideSale
	for i := range some {
		some[i] = wideSale{int64(i + 1_000_000), fmt.Sprint("Product number ", i), int64(i % 20), float64(i) / 4, day.AddDate(0, 0, i%365), fmt.Sprint("Store ", i%50)}
	}
	return pipeline.SourceFunc[wideSale](func(_ context.Context, out *pipeline.Writer[wideSale]) error {
		for n := n; n > 0; n -= len(some) {
			if err := out.WriteBatch(append(out.NewBatch(), some[:min(n, len(some))]...)); err != nil {
				return err
			}
		}
		return nil
	})
}

func benchWrite(b *testing.B, name string) {
	path := filepath.Join(b.TempDir(), name)
	for b.Loop() {
		p := pipeline.New("bench", pipeline.Options{})
		pipeline.To(pipeline.From(p, "generate", generated(benchRows)), "load", sinks.CSV[wideSale]{Path: path, Dialect: dialect.CSV{Layout: time.DateOnly}})
		report, err := p.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if n := report.Stage("load").RecordsIn; n != benchRows {
			b.Fatalf("%d records", n)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size()) // of the file, packed as it is
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/record")
}

func BenchmarkCSV(b *testing.B)     { benchWrite(b, "out.csv") }
func BenchmarkCSVGzip(b *testing.B) { benchWrite(b, "out.csv.gz") }
func BenchmarkCSVZstd(b *testing.B) { benchWrite(b, "out.csv.zst") }
