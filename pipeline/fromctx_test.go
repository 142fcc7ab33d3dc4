package pipeline_test

import (
	"context"
	"errors"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

func TestFailEndsARunWhoseStageWaitsForInput(t *testing.T) {
	broken := errors.New("the server refused it")
	p := pipeline.New("p", pipeline.Options{})
	stalled := pipeline.From(p, "stalled", pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	pipeline.To(stalled, "load", pipeline.SinkFunc[int](func(ctx context.Context, in *pipeline.Reader[int]) error {
		go pipeline.Fail(ctx, broken)
		for _, err := range in.Batches() {
			return err
		}
		return nil
	}))
	report, err := p.Run(t.Context())
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	var stage *pipeline.StageError
	if !errors.As(err, &stage) || stage.Stage != "load" {
		t.Errorf("the failure is not the stage's own: %v", err)
	}
	if s := report.Stage("load").State; s != pipeline.StateFailed {
		t.Errorf("load is %s", s)
	}
	pipeline.Fail(t.Context(), broken) // outside a run: nothing
}

func TestMaxRejectsFromTellsWhatAStageMayReject(t *testing.T) {
	var step, letters int
	p := pipeline.New("p", pipeline.Options{MaxRejects: 7})
	pipeline.Do(p, "step", func(ctx context.Context) error {
		step = pipeline.MaxRejectsFrom(ctx)
		return nil
	})
	pipeline.To(pipeline.Rejects(p), "letters", pipeline.SinkFunc[pipeline.Reject](func(ctx context.Context, in *pipeline.Reader[pipeline.Reject]) error {
		letters = pipeline.MaxRejectsFrom(ctx)
		return nil
	}))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if step != 7 {
		t.Errorf("a step is told %d, want 7", step)
	}
	if letters != 0 {
		t.Errorf("a stage behind the rejects is told %d, want 0: it may not reject", letters)
	}
	if n := pipeline.MaxRejectsFrom(t.Context()); n != 0 {
		t.Errorf("outside a run there is no budget, got %d", n)
	}
}
