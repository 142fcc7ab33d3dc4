package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// endless writes until it is told to stop.
func endless(out *pipeline.Writer[int]) error {
	for i := 0; ; i++ {
		if err := out.Write(i); err != nil {
			return err
		}
	}
}

// first takes n records and returns.
func first(n int) pipeline.Transform[int, int] {
	return pipeline.TransformFunc[int, int](func(_ context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
		left := n
		for i, err := range in.All() {
			if err != nil {
				return err
			}
			if err := out.Write(i); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
		return nil
	})
}

func TestASourceEndsWhenNobodyReadsAnyMore(t *testing.T) {
	pass := func(i int) (int, error) { return i, nil }
	for name, source := range map[string]pipeline.Source[int]{
		"one that writes":                sourceOf(endless),
		"one that wraps what Write says": sourceOf(func(out *pipeline.Writer[int]) error { return fmt.Errorf("writing: %w", endless(out)) }),
		"one that writes batches": sourceOf(func(out *pipeline.Writer[int]) error {
			for {
				if err := out.WriteBatch([]int{1, 2, 3}); err != nil {
					return err
				}
			}
		}),
		"one that waits for its context": pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
			if err := errors.Join(out.Write(1), out.Flush()); err != nil {
				return err
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), pipeline.ErrEnough) {
				return errBroken
			}
			return ctx.Err()
		}),
		"one that returns the cause": pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
			if err := errors.Join(out.Write(1), out.Flush()); err != nil {
				return err
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}),
		"one that returns nil": sourceOf(func(out *pipeline.Writer[int]) error { _ = endless(out); return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			var got collector[int]
			p := pipeline.New("p", pipeline.Options{BatchSize: 1})
			s := pipeline.Via(pipeline.From(p, "endless", source), "pass", each(pass))
			pipeline.To(pipeline.Via(s, "first", first(1)), "sink", &got)
			report := mustRun(t, p)
			if len(got.got) != 1 || got.ends != 1 {
				t.Errorf("got %v, %d ends", got.got, got.ends)
			}
			for _, s := range report.Stages {
				if s.State != pipeline.StateSucceeded {
					t.Errorf("%s: %s %s", s.Name, s.State, s.Error)
				}
			}
		})
	}
}

func TestAStageGoesOnWhileOneOfItsReadersIsThere(t *testing.T) {
	const n = 5000
	var few, all collector[int]
	p := pipeline.New("p", pipeline.Options{BatchSize: 2, Buffer: 1})
	s := pipeline.Via(pipeline.From(p, "numbers", numbers(n)), "lanes", each(double), pipeline.Parallel(3))
	pipeline.To(pipeline.Via(s, "first", first(3)), "few", &few)
	pipeline.To(s, "all", &all)
	mustRun(t, p)
	if len(few.got) != 3 || len(all.got) != n {
		t.Errorf("%d and %d records", len(few.got), len(all.got))
	}
}

func TestLanesAndSplitsEndWhenNobodyReadsAnyMore(t *testing.T) {
	var even, odd collector[int]
	p := pipeline.New("p", pipeline.Options{BatchSize: 2, Buffer: 1})
	s := pipeline.Via(pipeline.From(p, "endless", sourceOf(endless)), "lanes", each(func(i int) (int, error) { return i, nil }), pipeline.Parallel(3))
	yes, no := pipeline.Partition(s, "even", func(i *int) bool { return *i%2 == 0 }, pipeline.Parallel(2))
	pipeline.To(pipeline.Via(yes, "first_even", first(3)), "yes", &even)
	pipeline.To(pipeline.Via(no, "first_odd", first(500)), "no", &odd)
	mustRun(t, p)
	if len(even.got) != 3 || len(odd.got) != 500 {
		t.Errorf("%d and %d records", len(even.got), len(odd.got))
	}
}

func TestATwoInputStageThatHasEnoughLeavesBoth(t *testing.T) {
	var got collector[int]
	p := pipeline.New("p", pipeline.Options{BatchSize: 2, Buffer: 1, MaxWaiting: 1})
	s := pipeline.From(p, "endless", sourceOf(endless))
	both := pipeline.Via2(s, pipeline.Via(s, "double", each(double)), "both", zip{})
	pipeline.To(pipeline.Via(both, "first", first(1000)), "sink", &got)
	mustRun(t, p)
	if len(got.got) != 1000 {
		t.Errorf("%d records", len(got.got))
	}
}

func TestAStageThatWasNotToldFailsWithErrEnough(t *testing.T) {
	p := pipeline.New("p", pipeline.Options{})
	pipeline.To(pipeline.From(p, "s", sourceOf(func(*pipeline.Writer[int]) error { return pipeline.ErrEnough })), "sink", &collector[int]{})
	if _, err := p.Run(t.Context()); !errors.Is(err, pipeline.ErrEnough) {
		t.Errorf("error %v", err)
	}
}

func TestAFailureAfterItWasToldIsAFailure(t *testing.T) {
	p := pipeline.New("p", pipeline.Options{BatchSize: 1})
	s := pipeline.From(p, "s", sourceOf(func(out *pipeline.Writer[int]) error { _ = endless(out); return errBroken }))
	pipeline.To(pipeline.Via(s, "first", first(1)), "sink", &collector[int]{})
	if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

func TestAnIncrementalSourceIsNeverTold(t *testing.T) {
	state := newMemoryState()
	to := 1000
	p := pipeline.New("p", pipeline.Options{BatchSize: 1, State: state})
	var got collector[int]
	source := counter{limit: &to, bounds: new(int)}
	pipeline.To(pipeline.Via(pipeline.From(p, "counter", source), "first", first(1)), "sink", &got)
	report := mustRun(t, p)
	if len(got.got) != 1 || report.Stage("counter").RecordsOut != 1000 {
		t.Errorf("got %v, %d were read", got.got, report.Stage("counter").RecordsOut)
	}
}

// Rejects that nobody reads any more are still counted, and nobody is told.
func TestARejectIsNoFailureWhenTheRejectsAreNotReadToTheirEnd(t *testing.T) {
	var clean collector[int]
	p := pipeline.New("p", pipeline.Options{BatchSize: 1, Buffer: 1, MaxRejects: -1})
	pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(5000)), "picky", picky(everyTenth)), "clean", &clean)
	pipeline.To(pipeline.Rejects(p), "letters", pipeline.SinkFunc[pipeline.Reject](func(context.Context, *pipeline.Reader[pipeline.Reject]) error { return nil }))
	if report := mustRun(t, p); report.Rejects != 500 || len(clean.got) != 4500 {
		t.Errorf("%d rejects, %d records", report.Rejects, len(clean.got))
	}
}
