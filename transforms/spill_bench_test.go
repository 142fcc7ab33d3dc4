package transforms_test

import (
	"cmp"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transforms"
)

// benchKeys reports what records cost of which each has a key of its own, in memory and in
// files: a million, the best of three.
func benchKeys(b *testing.B, make func(maxMemory int64) pipeline.Transform[small, small]) {
	b.Helper()
	const records = 1_000_000
	for _, c := range []struct {
		name      string
		maxMemory int64
	}{{"in memory", 0}, {"in files, 8 MiB", 8 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			p := pipeline.New("keys", pipeline.Options{})
			pipeline.To(pipeline.Via(pipeline.From(p, "source", distinctKeys(records)), "stage", make(c.maxMemory)), "sink", swallow[small]())
			for b.Loop() {
				least := time.Duration(1<<63 - 1)
				for range 3 {
					start := time.Now()
					if _, err := p.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
					least = min(least, time.Since(start))
				}
				b.ReportMetric(float64(least)/records, "ns/record")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func BenchmarkDistinctKeys(b *testing.B) {
	benchKeys(b, func(maxMemory int64) pipeline.Transform[small, small] {
		return transforms.Distinct[small, int64]{Key: func(r *small) int64 { return r.A }, MaxMemory: maxMemory, TempDir: b.TempDir()}
	})
}

func BenchmarkGroupByDistinctKeys(b *testing.B) {
	benchKeys(b, func(maxMemory int64) pipeline.Transform[small, small] {
		return transforms.GroupBy[small, int64, small]{
			Key:       func(r *small) int64 { return r.A },
			Fold:      func(group, r *small) error { *group = *r; return nil },
			MaxMemory: maxMemory, TempDir: b.TempDir(),
		}
	})
}

func BenchmarkSort(b *testing.B) {
	benchKeys(b, func(maxMemory int64) pipeline.Transform[small, small] {
		return transforms.Sort[small]{Compare: func(x, y *small) int { return cmp.Compare(x.A, y.A) }, MaxMemory: maxMemory, TempDir: b.TempDir()}
	})
}
