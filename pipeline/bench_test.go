package pipeline_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// The records of the benchmarks: 24 and 56 bytes.
type small struct {
	Product  string
	Quantity int64
}

type medium struct {
	ID       int64
	Product  string
	Quantity int64
	Price    float64
	Store    string
}

// emit writes n records in whole batches.
func emit[T any](n int) pipeline.SourceFunc[T] {
	return func(_ context.Context, out *pipeline.Writer[T]) error {
		for n > 0 {
			b := out.NewBatch()
			b = b[:min(cap(b), n)]
			n -= len(b)
			if err := out.WriteBatch(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// swallow reads whole batches.
func swallow[T any]() pipeline.SinkFunc[T] {
	return func(_ context.Context, in *pipeline.Reader[T]) error {
		for b, err := range in.Batches() {
			if err != nil {
				return err
			}
			in.Recycle(b)
		}
		return nil
	}
}

// touch changes each record in place and passes the batch on, as built-in stages do.
func touch[T any](f func(*T)) pipeline.TransformFunc[T, T] {
	return func(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
		for b, err := range in.Batches() {
			if err != nil {
				return err
			}
			for i := range b {
				f(&b[i])
			}
			if err := out.WriteBatch(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// oneByOne is the stage a user writes first: All and Write.
type oneByOne struct{}

func (oneByOne) Transform(_ context.Context, in *pipeline.Reader[medium], out *pipeline.Writer[medium]) error {
	for r, err := range in.All() {
		if err != nil {
			return err
		}
		r.Quantity++
		if err := out.Write(r); err != nil {
			return err
		}
	}
	return nil
}

func runStage[T any](b *testing.B, stages ...pipeline.Transform[T, T]) {
	b.Helper()
	p := pipeline.New("bench", pipeline.Options{})
	s := pipeline.From(p, "emit", emit[T](b.N))
	for i, t := range stages {
		s = pipeline.Via(s, string(rune('a'+i)), t)
	}
	pipeline.To(s, "swallow", swallow[T]())
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := p.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/record")
}

// BenchmarkRunner measures what a stage costs by its presence: the hop to it and its
// call. One op is one record; the rows with a stage less the row without are the
// stage's own cost.
func BenchmarkRunner(b *testing.B) {
	b.Run("24 bytes/no stage", func(b *testing.B) { runStage[small](b) })
	b.Run("24 bytes/Batches", func(b *testing.B) { runStage[small](b, touch(func(r *small) { r.Quantity++ })) })
	b.Run("56 bytes/no stage", func(b *testing.B) { runStage[medium](b) })
	b.Run("56 bytes/Batches", func(b *testing.B) { runStage[medium](b, touch(func(r *medium) { r.Quantity++ })) })
	b.Run("56 bytes/All and Write", func(b *testing.B) { runStage[medium](b, oneByOne{}) })
}

// BenchmarkSmallRuns is the cost of a whole run of three stages and one record.
func BenchmarkSmallRuns(b *testing.B) {
	p := pipeline.New("small", pipeline.Options{})
	pipeline.To(pipeline.Via(pipeline.From(p, "emit", emit[small](1)), "touch", touch(func(r *small) { r.Quantity++ })), "swallow", swallow[small]())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

type wide struct {
	Key int64
	Pad [10]int64
}

func runSplit[T any](b *testing.B, ways int, choose func(*T) int) {
	b.Helper()
	p := pipeline.New("bench", pipeline.Options{})
	s := pipeline.From(p, "emit", emit[T](b.N))
	streams := []pipeline.Stream[T]{s}
	if ways > 0 {
		streams = pipeline.Split(s, "split", ways, choose)
	}
	for i, s := range streams {
		pipeline.To(s, string(rune('a'+i)), swallow[T]())
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := p.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/record")
}

// BenchmarkSplit less the row without is what it costs beyond the hop. One op is one record.
func BenchmarkSplit(b *testing.B) {
	next := 0
	b.Run("8 bytes/none", func(b *testing.B) { runSplit[int64](b, 0, nil) })
	b.Run("8 bytes/3 ways", func(b *testing.B) { runSplit(b, 3, func(*int64) int { next++; return next % 3 }) })
	b.Run("88 bytes/none", func(b *testing.B) { runSplit[wide](b, 0, nil) })
	b.Run("88 bytes/3 ways", func(b *testing.B) { runSplit(b, 3, func(*wide) int { next++; return next % 3 }) })
}
