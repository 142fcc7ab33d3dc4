package pipeline_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// lanes reads its input in lanes, and calls f for each record.
type lanes struct{ f func(lane int) error }

func (l lanes) Transform(ctx context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
	return l.TransformLanes(ctx, []*pipeline.Reader[int]{in}, out)
}

func (l lanes) TransformLanes(ctx context.Context, ins []*pipeline.Reader[int], _ *pipeline.Writer[int]) error {
	return pipeline.EachLane(ctx, ins, func(lane int, in *pipeline.Reader[int]) error {
		for _, err := range in.All() {
			if err != nil {
				return err
			}
			if err := l.f(lane); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestEachLaneEndsAllLanesAtTheFirstFailure(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		f    func(lane int) error
		want func(err error) bool
	}{
		{"an error", func(int) error { return boom }, func(err error) bool { return errors.Is(err, boom) }},
		{"a panic", func(int) error { panic(boom) }, func(err error) bool {
			var p *pipeline.PanicError
			return errors.As(err, &p) && errors.Is(err, boom)
		}},
		{"the end of its goroutine", func(int) error { runtime.Goexit(); return nil }, func(err error) bool { return err != nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			// One lane gets the only record; the others wait for more, which never comes.
			p := pipeline.New("lanes", pipeline.Options{})
			source := pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
				if err := out.WriteBatch([]int{1}); err != nil {
					return err
				}
				<-ctx.Done()
				return context.Cause(ctx)
			})
			sink := &collector[int]{}
			pipeline.To(pipeline.Via(pipeline.From(p, "source", source), "lanes", lanes{c.f}, pipeline.Parallel(3)), "sink", sink)
			_, err := p.Run(t.Context())
			var failed *pipeline.StageError
			if !c.want(err) || !errors.As(err, &failed) || failed.Stage != "lanes" {
				t.Errorf("error %v", err)
			}
			if sink.ends != 0 {
				t.Error("the sink took a torn stream for a whole one")
			}
		})
	}
}
