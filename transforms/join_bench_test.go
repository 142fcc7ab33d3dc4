package transforms_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transforms"
)

// named is the right side: a key, and text.
type named struct {
	ID   int64
	Name string
}

// BenchmarkJoin reports what a record of either side costs, of a million each with keys in no order.
func BenchmarkJoin(b *testing.B) {
	const records = 1_000_000
	ids := rand.New(rand.NewPCG(1, 2)).Perm(records)
	side := func(factor int) []int64 {
		keys := make([]int64, records)
		for i := range keys {
			keys[i] = int64(ids[i*factor%records])
		}
		return keys
	}
	lefts, rights := side(7), side(1)
	for _, c := range []struct {
		name      string
		maxMemory int64
	}{{"in memory", 0}, {"in files, 8 MiB", 8 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			p := pipeline.New("join", pipeline.Options{})
			left := pipeline.From(p, "left", emitKeys(lefts, func(r *small, key int64) { *r = small{key, key, key} }))
			right := pipeline.From(p, "right", emitKeys(rights, func(r *named, key int64) { *r = named{key, "a name"} }))
			pipeline.To(pipeline.Via2(left, right, "join", transforms.Join[small, named, int64, large]{
				LeftKey:  func(r *small) int64 { return r.A },
				RightKey: func(r *named) int64 { return r.ID },
				Combine: func(l *small, r *named, made *large) error {
					made.A, made.B = l.B, int64(len(r.Name))
					return nil
				},
				LeftMisses: transforms.DropMisses, RightMisses: transforms.DropMisses,
				MaxMemory: c.maxMemory, TempDir: b.TempDir(),
			}), "sink", swallow[large]())
			b.ReportAllocs()
			for b.Loop() {
				least := time.Duration(1<<63 - 1)
				for range 3 {
					start := time.Now()
					if _, err := p.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
					least = min(least, time.Since(start))
				}
				b.ReportMetric(float64(least)/2/records, "ns/record")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// emitKeys writes a record for each key.
func emitKeys[T any](keys []int64, set func(record *T, key int64)) pipeline.Source[T] {
	return pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error {
		for rest := keys; len(rest) > 0; {
			batch := out.NewBatch()
			batch = batch[:min(cap(batch), len(rest))]
			for i := range batch {
				set(&batch[i], rest[i])
			}
			rest = rest[len(batch):]
			if err := out.WriteBatch(batch); err != nil {
				return err
			}
		}
		return nil
	})
}
