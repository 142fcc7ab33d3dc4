package transforms_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transforms"
)

// small and large are the records that DESIGN gives budgets for: 24 and 56 bytes.
type small struct{ A, B, C int64 }

type large struct{ A, B, C, D, E, F, G int64 }

// emit writes n records, copies of a few that were made beforehand: what is to be
// measured is the stage, which must not hide behind a slow source.
func emit[T any](n int, set func(record *T, i int)) pipeline.Source[T] {
	made := make([]T, 8*pipeline.DefaultBatchSize)
	for i := range made {
		set(&made[i], i)
	}
	return pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error {
		for at := 0; at < n; {
			from := made[at%len(made):]
			batch := out.NewBatch()
			batch = append(batch, from[:min(cap(batch), n-at)]...)
			at += len(batch)
			if err := out.WriteBatch(batch); err != nil {
				return err
			}
		}
		return nil
	})
}

// swallow reads everything.
func swallow[T any]() pipeline.Sink[T] {
	return pipeline.SinkFunc[T](func(_ context.Context, in *pipeline.Reader[T]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			in.Recycle(batch)
		}
		return nil
	})
}

// benchStage reports what a stage adds to a run, a record: the time of source,
// stage and sink less that of source and sink, each the best of sixty,
// so that a busy machine does not count. The source and the sink run beside the stage where
// there are processors for it.
func benchStage[In, Out any](b *testing.B, set func(*In, int), stage pipeline.Transform[In, Out], options ...pipeline.StageOption) {
	b.Helper()
	const records, rounds = 200_000, 10
	best := func(p *pipeline.Pipeline) time.Duration {
		least := time.Duration(1<<63 - 1)
		for range rounds {
			start := time.Now()
			if _, err := p.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	without := pipeline.New("without", pipeline.Options{})
	pipeline.To(pipeline.From(without, "source", emit(records, set)), "sink", swallow[In]())
	with := pipeline.New("with", pipeline.Options{})
	pipeline.To(pipeline.Via(pipeline.From(with, "source", emit(records, set)), "stage", stage, options...), "sink", swallow[Out]())
	for b.Loop() {
		base, all := best(without), best(with)
		b.ReportMetric(float64(all-base)/records, "ns/record")
		b.ReportMetric(float64(base)/records, "hop-ns/record")
		b.ReportMetric(0, "ns/op")
	}
}

func setSmall(r *small, i int) { *r = small{int64(i), int64(i), int64(i)} }

func setLarge(r *large, i int) { *r = large{int64(i), int64(i), 3, 4, 5, 6, int64(i)} }

func BenchmarkUpdate(b *testing.B) {
	b.Run("24 bytes", func(b *testing.B) {
		benchStage(b, setSmall, transforms.Update(func(r *small) error { r.B++; return nil }))
	})
	b.Run("56 bytes", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Update(func(r *large) error { r.B++; return nil }))
	})
}

func BenchmarkMap(b *testing.B) {
	b.Run("24 bytes", func(b *testing.B) {
		benchStage(b, setSmall, transforms.Map(func(r, made *small) error { *made = small{r.C, r.A, r.B}; return nil }))
	})
	b.Run("56 bytes", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Map(func(r, made *large) error { *made = large{A: r.G, B: r.F, G: r.A}; return nil }))
	})
}

func BenchmarkFlatMap(b *testing.B) {
	b.Run("24 bytes", func(b *testing.B) {
		benchStage(b, setSmall, transforms.FlatMap(func(r *small, out []small) ([]small, error) { return append(out, *r), nil }))
	})
	b.Run("56 bytes", func(b *testing.B) {
		benchStage(b, setLarge, transforms.FlatMap(func(r *large, out []large) ([]large, error) { return append(out, *r), nil }))
	})
}

func BenchmarkFilter(b *testing.B) {
	b.Run("24 bytes", func(b *testing.B) {
		benchStage(b, setSmall, transforms.Filter(func(r *small) bool { return r.A&3 != 0 }))
	})
	b.Run("56 bytes", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Filter(func(r *large) bool { return r.A&3 != 0 }))
	})
}

func BenchmarkTap(b *testing.B) {
	var n int64
	b.Run("56 bytes", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Tap(func(r *large) { n += r.A }))
	})
}

func BenchmarkLimit(b *testing.B) {
	b.Run("56 bytes", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Limit[large](1<<40))
	})
}

func BenchmarkValidate(b *testing.B) {
	b.Run("56 bytes, 2 rules", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Validate[large]{Rules: []transforms.Rule[large]{
			{Column: "a", Valid: func(r *large) bool { return r.A >= 0 }},
			{Column: "b", Valid: func(r *large) bool { return r.B >= 0 }},
		}})
	})
}

func BenchmarkLookup(b *testing.B) {
	reference := emit(1000, setSmall)
	b.Run("56 bytes, 1000 references", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Lookup[large, small, int64]{
			Reference:    reference,
			Key:          func(r *large) int64 { return r.A % 1000 },
			ReferenceKey: func(r *small) int64 { return r.A },
			Enrich:       func(r *large, ref *small) error { r.C = ref.B; return nil },
		})
	})
}

func BenchmarkDistinct(b *testing.B) {
	b.Run("56 bytes, 1000 keys", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Distinct[large, int64]{Key: func(r *large) int64 { return r.A % 1000 }})
	})
}

// sale is the record of the sales job, as far as grouping is concerned.
type sale struct {
	Product  string
	Quantity int64
	Price    float64
}

var products = func() (names [1000]string) {
	for i := range names {
		names[i] = fmt.Sprintf("Product no. %d", i)
	}
	return names
}()

func setSale(r *sale, i int) { *r = sale{products[i%len(products)], int64(i & 7), 1.5} }

func BenchmarkGroupBy(b *testing.B) {
	type total struct {
		Product  string
		Quantity int64
		Revenue  float64
	}
	stage := transforms.GroupBy[sale, string, total]{
		Key: func(s *sale) string { return s.Product },
		New: func(product string) total { return total{Product: product} },
		Fold: func(t *total, s *sale) error {
			t.Quantity += s.Quantity
			t.Revenue += float64(s.Quantity) * s.Price
			return nil
		},
		Merge: func(t, other *total) error {
			t.Quantity += other.Quantity
			t.Revenue += other.Revenue
			return nil
		},
	}
	b.Run("1000 names", func(b *testing.B) { benchStage(b, setSale, stage) })
	b.Run("1000 names in a row", func(b *testing.B) {
		benchStage(b, func(r *sale, i int) { setSale(r, i/512) }, stage)
	})
	b.Run("1000 names, 2 lanes", func(b *testing.B) { benchStage(b, setSale, stage, pipeline.Parallel(2)) })
}

func BenchmarkSum(b *testing.B) {
	b.Run("1000 integer keys", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Sum[large, int64, int64]{
			Key:   func(r *large) int64 { return r.A % 1000 },
			Value: func(r *large) int64 { return r.C },
		})
	})
}

func BenchmarkTopN(b *testing.B) {
	compare := func(x, y *large) int { return int(y.B*7919%4096 - x.B*7919%4096) }
	b.Run("10 of all", func(b *testing.B) {
		benchStage(b, setLarge, transforms.TopN[large, struct{}]{N: 10, Compare: compare})
	})
	b.Run("10 of each of 1000 keys", func(b *testing.B) {
		benchStage(b, setLarge, transforms.TopN[large, int64]{N: 10, Compare: compare, Key: func(r *large) int64 { return r.A % 1000 }})
	})
}

func BenchmarkChunk(b *testing.B) {
	b.Run("100 of 56 bytes", func(b *testing.B) { benchStage(b, setLarge, transforms.Chunk[large](100)) })
}

func BenchmarkWindow(b *testing.B) {
	stage := transforms.Window[small, int64, small]{
		Time:  func(r *small) time.Time { return time.Unix(r.A, 0) },
		Key:   func(r *small) int64 { return r.B % 100 },
		Fold:  func(sum, r *small) error { sum.C += r.C; return nil },
		Merge: func(into, from *small) error { into.C += from.C; return nil },
	}
	tumbling, sliding, session := stage, stage, stage
	tumbling.Size = 10 * time.Minute
	sliding.Size, sliding.Every = 10*time.Minute, 5*time.Minute
	session.Gap = 101 * time.Second
	b.Run("tumbling", func(b *testing.B) { benchStage(b, setSmall, tumbling) })
	b.Run("sliding, each record in 2", func(b *testing.B) { benchStage(b, setSmall, sliding) })
	b.Run("session", func(b *testing.B) { benchStage(b, setSmall, session) })
}

func BenchmarkAsync(b *testing.B) {
	call := func(_ context.Context, r, made *large) error { *made = *r; return nil }
	for _, calls := range []int{1, 20, 1000} {
		b.Run(fmt.Sprintf("%d calls that return at once", calls), func(b *testing.B) {
			benchStage(b, setLarge, transforms.Async[large, large]{Calls: calls, Call: call})
		})
	}
	b.Run("20 calls, unordered", func(b *testing.B) {
		benchStage(b, setLarge, transforms.Async[large, large]{Calls: 20, Call: call, Unordered: true})
	})
}
