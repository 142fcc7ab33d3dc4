package transforms_test

import (
	"context"
	"errors"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

func TestLimitEndsAnEndlessSource(t *testing.T) {
	for name, source := range map[string]pipeline.SourceFunc[int]{
		"one that writes": func(_ context.Context, out *pipeline.Writer[int]) error {
			for {
				if err := out.Write(1); err != nil {
					return err
				}
			}
		},
		"one that waits for its own input": func(ctx context.Context, out *pipeline.Writer[int]) error {
			if err := errors.Join(out.Write(1), out.Flush()); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := pipeline.New("p", pipeline.Options{})
			s := pipeline.Via(pipeline.From(p, "endless", source), "odd", transforms.Filter(func(i *int) bool { return *i%2 == 1 }))
			got := 0
			pipeline.To(pipeline.Via(s, "limit", transforms.Limit[int](1)), "sink", pipeline.SinkFunc[int](
				func(_ context.Context, in *pipeline.Reader[int]) error {
					for _, err := range in.All() {
						if err != nil {
							return err
						}
						got++
					}
					return nil
				}))
			if _, err := p.Run(t.Context()); err != nil || got != 1 {
				t.Errorf("%d records, error %v", got, err)
			}
		})
	}
	if got := pipelinetest.Transform(t, transforms.Limit[int](0), []int{1, 2}); len(got) != 0 {
		t.Errorf("a limit of 0 passed on %v", got)
	}
}
