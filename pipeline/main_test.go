package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbers is a source of 0 … n-1.
func numbers(n int) pipeline.Source[int] {
	return pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		for i := range n {
			if err := out.Write(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// collector is a sink that keeps what it gets, as a liar would: without waiting
// for the run's success.
type collector[T any] struct {
	mu   sync.Mutex
	got  []T
	ends int // how often it saw the end of its input
}

func (c *collector[T]) Load(_ context.Context, in *pipeline.Reader[T]) error {
	for r, err := range in.All() {
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.got = append(c.got, r)
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends++
	return nil
}

func each[In, Out any](f func(In) (Out, error)) pipeline.Transform[In, Out] {
	return pipeline.TransformFunc[In, Out](func(_ context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			o, err := f(r)
			if err != nil {
				return err
			}
			if err := out.Write(o); err != nil {
				return err
			}
		}
		return nil
	})
}

func double(i int) (int, error) { return 2 * i, nil }

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func sorted(s []int) []int {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func mustRun(t *testing.T, p *pipeline.Pipeline) pipeline.Report {
	t.Helper()
	rep, err := p.Run(t.Context())
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if rep.State != pipeline.StateSucceeded || rep.Error != "" {
		t.Fatalf("report of a good run: state %q, error %q", rep.State, rep.Error)
	}
	return rep
}

var errBroken = errors.New("broken")

func sourceOf[T any](f func(out *pipeline.Writer[T]) error) pipeline.Source[T] {
	return pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error { return f(out) })
}

// sinkOf calls f with each record.
func sinkOf[T any](f func(T) error) pipeline.Sink[T] {
	return pipeline.SinkFunc[T](func(_ context.Context, in *pipeline.Reader[T]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	})
}
