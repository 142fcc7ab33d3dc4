package parquet

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/pipeline"
)

type benched struct {
	ID      int64     `parquet:"id"`
	Product string    `parquet:"product"`
	Shop    int64     `parquet:"shop"`
	Amount  float64   `parquet:"amount"`
	Sold    time.Time `parquet:"sold,timestamp(microsecond)"`
	Remark  string    `parquet:"remark"`
}

const benchRows = 500_000

func benchData() []benched {
	rows := make([]benched, benchRows)
	for i := range rows {
		rows[i] = benched{int64(i), "product " + name(i%97), int64(i % 1000), float64(i) / 7, time.UnixMicro(int64(i) * 1e6), "remark " + name(i%13)}
	}
	return rows
}

func perRow(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

// BenchmarkRead holds the source against the library's own generic reader.
func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bench.parquet")
	if err := pq.WriteFile(path, benchData(), pq.MaxRowsPerRowGroup(100_000)); err != nil {
		b.Fatal(err)
	}
	count := func(b *testing.B, lanes int) {
		for b.Loop() {
			n := 0
			p := pipeline.New("bench", pipeline.Options{})
			rows := pipeline.From(p, "read", Source[benched]{Path: path}, pipeline.Parallel(lanes))
			pipeline.To(rows, "count", pipeline.SinkFunc[benched](func(_ context.Context, in *pipeline.Reader[benched]) error {
				for batch, err := range in.Batches() {
					if err != nil {
						return err
					}
					n += len(batch)
					in.Recycle(batch)
				}
				return nil
			}))
			if _, err := p.Run(b.Context()); err != nil || n != benchRows {
				b.Fatal(n, err)
			}
		}
		perRow(b)
	}
	b.Run("Source", func(b *testing.B) { count(b, 1) })
	b.Run("Source in 2 lanes", func(b *testing.B) { count(b, 2) })
	b.Run("GenericReader", func(b *testing.B) {
		buf := make([]benched, 512)
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			r := pq.NewGenericReader[benched](f)
			n := 0
			for {
				k, err := r.Read(buf)
				n += k
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			if n != benchRows {
				b.Fatal(n)
			}
			_, _ = r.Close(), f.Close()
		}
		perRow(b)
	})
}

// BenchmarkWrite holds the sink against the library's own generic writer; both sync the file.
func BenchmarkWrite(b *testing.B) {
	rows, path := benchData(), filepath.Join(b.TempDir(), "bench.parquet")
	b.Run("Sink", func(b *testing.B) {
		for b.Loop() {
			p := pipeline.New("bench", pipeline.Options{})
			all := pipeline.From(p, "rows", pipeline.SourceFunc[benched](func(_ context.Context, out *pipeline.Writer[benched]) error {
				for i := 0; i < len(rows); i += 512 {
					if err := out.WriteBatch(append(out.NewBatch(), rows[i:min(i+512, len(rows))]...)); err != nil {
						return err
					}
				}
				return nil
			}))
			pipeline.To(all, "write", Sink[benched]{Path: path})
			if _, err := p.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		perRow(b)
	})
	b.Run("GenericWriter", func(b *testing.B) {
		for b.Loop() {
			f, err := os.Create(path)
			if err != nil {
				b.Fatal(err)
			}
			w := pq.NewGenericWriter[benched](f, pq.Compression(&pq.Snappy), pq.MaxRowsPerRowGroup(500_000))
			for i := 0; i < len(rows); i += 512 {
				if _, err := w.Write(rows[i:min(i+512, len(rows))]); err != nil {
					b.Fatal(err)
				}
			}
			if err := errors.Join(w.Close(), f.Sync(), f.Close()); err != nil {
				b.Fatal(err)
			}
		}
		perRow(b)
	})
}
