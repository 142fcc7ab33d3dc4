package pipelinetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// Result is what came of the run of one stage.
type Result[T any] struct {
	// Records are what the stage wrote; nil for a sink. After an error, those that had
	// arrived by then.
	Records []T
	// Rejects are the records that it set aside. After an error some may be missing.
	Rejects []pipeline.Reject
	// Err is the error of the run.
	Err error
	// Report is that of the whole run; [Result.Stage] is the part about the stage.
	Report pipeline.Report
}

// Stage returns the report of the stage that was run.
func (r Result[T]) Stage() pipeline.StageReport { return r.Report.Stage(stageName) }

// RunSource runs a source to its end. All its rejects are collected, unless
// [WithOptions] sets a budget.
func RunSource[T any](ctx context.Context, source pipeline.Source[T], options ...Option) Result[T] {
	return run(ctx, aSource(source), newSettings(options), nil)
}

// RunTransform runs a transform on a slice, which it does not change. All its
// rejects are collected, unless [WithOptions] sets a budget.
func RunTransform[In, Out any](ctx context.Context, transform pipeline.Transform[In, Out], in []In, options ...Option) Result[Out] {
	return run(ctx, aTransform(transform), newSettings(options), in)
}

// RunTransform2 runs a transform of two inputs on two slices, which it does not change. All its
// rejects are collected, unless [WithOptions] sets a budget.
func RunTransform2[A, B, Out any](ctx context.Context, transform pipeline.Transform2[A, B, Out], a []A, b []B, options ...Option) Result[Out] {
	return run(ctx, aLeft(transform, b), newSettings(options), a)
}

// RunSink runs a sink on a slice, which it does not change. All its rejects are
// collected, unless [WithOptions] sets a budget.
func RunSink[T any](ctx context.Context, sink pipeline.Sink[T], in []T, options ...Option) Result[T] {
	r := run(ctx, aSink(sink), newSettings(options), in)
	return Result[T]{Rejects: r.Rejects, Err: r.Err, Report: r.Report}
}

func run[In, Out any](ctx context.Context, s subject[In, Out], set settings, in []In) Result[Out] {
	output := &collector[Out]{}
	p, rejects := s.build(set, nil, &feed[In]{records: in}, output)
	report, err := p.Run(ctx)
	return Result[Out]{Records: output.taken(), Rejects: rejects.taken(), Err: err, Report: report}
}

// Source runs a source to its end and returns what it wrote. An error or a reject
// ends the test.
func Source[T any](t testing.TB, source pipeline.Source[T], options ...Option) []T {
	t.Helper()
	return RunSource(t.Context(), source, options...).must(t)
}

// Transform runs a transform on a slice and returns what it wrote. An error or a
// reject ends the test.
func Transform[In, Out any](t testing.TB, transform pipeline.Transform[In, Out], in []In, options ...Option) []Out {
	t.Helper()
	return RunTransform(t.Context(), transform, in, options...).must(t)
}

// Transform2 runs a transform of two inputs on two slices and returns what it wrote. An error or a
// reject ends the test.
func Transform2[A, B, Out any](t testing.TB, transform pipeline.Transform2[A, B, Out], a []A, b []B, options ...Option) []Out {
	t.Helper()
	return RunTransform2(t.Context(), transform, a, b, options...).must(t)
}

// Sink runs a sink on a slice, and commits it. An error or a reject ends the test.
func Sink[T any](t testing.TB, sink pipeline.Sink[T], in []T, options ...Option) {
	t.Helper()
	RunSink(t.Context(), sink, in, options...).must(t)
}

// must returns the records of a run that went well.
func (r Result[T]) must(t testing.TB) []T {
	t.Helper()
	if r.Err != nil {
		t.Fatalf("the run failed: %v", r.Err)
	}
	if n := len(r.Rejects); n > 0 {
		const shown = 5
		var b strings.Builder
		for _, reject := range r.Rejects[:min(n, shown)] {
			fmt.Fprintf(&b, "\n\t%v", reject)
		}
		if n > shown {
			fmt.Fprintf(&b, "\n\tand %d more", n-shown)
		}
		t.Fatalf("%d records were rejected:%s", n, &b)
	}
	return r.Records
}
