package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// bothInTurn reads a to its end and then b.
type bothInTurn struct{}

func (bothInTurn) Transform(_ context.Context, a *pipeline.Reader[int], b *pipeline.Reader[string], out *pipeline.Writer[string]) error {
	sum := 0
	for i, err := range a.All() {
		if err != nil {
			return err
		}
		sum += i
	}
	for s, err := range b.All() {
		if err != nil {
			return err
		}
		if err := out.Write(s + strings.Repeat("!", sum)); err != nil {
			return err
		}
	}
	return nil
}

func words(all ...string) pipeline.Source[string] {
	return pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error {
		return out.WriteBatch(slices.Clone(all))
	})
}

func TestAStageReadsTwoStreams(t *testing.T) {
	var got collector[string]
	p := pipeline.New("p", pipeline.Options{BatchSize: 2})
	a, b := pipeline.From(p, "numbers", numbers(3)), pipeline.From(p, "words", words("x", "y"))
	pipeline.To(pipeline.Via2(a, b, "both", bothInTurn{}), "sink", &got)
	report := mustRun(t, p)
	if !slices.Equal(got.got, []string{"x!!!", "y!!!"}) {
		t.Errorf("got %q", got.got)
	}
	s := report.Stage("both")
	if s.RecordsIn != 5 || s.RecordsOut != 2 || !slices.Equal(s.Inputs, []pipeline.StreamReport{{Name: "a", Records: 3}, {Name: "b", Records: 2}}) || s.Outputs != nil {
		t.Errorf("report %+v", s)
	}
	edges := p.Graph().Edges
	if want := (pipeline.GraphEdge{From: "words", To: "both", Record: "string", Input: "b"}); !slices.Contains(edges, want) {
		t.Errorf("edges %+v", edges)
	}
	if picture := p.Graph().Mermaid(); !strings.Contains(picture, "n2 -->|b| n3\n") {
		t.Errorf("picture %s", picture)
	}
	if picture := p.Graph().DOT(); !strings.Contains(picture, `n1 -> n3 [label="a"];`) {
		t.Errorf("picture %s", picture)
	}
}

func TestATwoInputStageThatFailsFailsTheRun(t *testing.T) {
	p := pipeline.New("p", pipeline.Options{})
	a, b := pipeline.From(p, "numbers", numbers(3)), pipeline.From(p, "words", words("x", "y"))
	failing := pipeline.Transform2Func[int, string, int](func(context.Context, *pipeline.Reader[int], *pipeline.Reader[string], *pipeline.Writer[int]) error {
		return errBroken
	})
	pipeline.To(pipeline.Via2(a, b, "both", failing), "sink", &collector[int]{})
	if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "p: both: ") {
		t.Errorf("error %v", err)
	}
}

func TestMistakesWithTwoInputs(t *testing.T) {
	pass := pipeline.Transform2Func[int, int, int](func(context.Context, *pipeline.Reader[int], *pipeline.Reader[int], *pipeline.Writer[int]) error {
		return nil
	})
	for name, c := range map[string]struct {
		build func(p *pipeline.Pipeline) pipeline.Stream[int]
		want  string
	}{
		"one stream on both sides": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			s := pipeline.From(p, "s", numbers(1))
			return pipeline.Via2(s, s, "both", pass)
		}, `both: reads the stream of "s" on both sides`},
		"a stream of another pipeline": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			s := pipeline.From(p, "s", numbers(1))
			return pipeline.Via2(s, pipeline.From(pipeline.New("q", pipeline.Options{}), "other", numbers(1)), "both", pass)
		}, `both: "other" is a stream of another pipeline`},
		"lanes": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			return pipeline.Via2(pipeline.From(p, "s", numbers(1)), pipeline.From(p, "r", numbers(1)), "both", pass, pipeline.Parallel(2))
		}, `both: a stage with two inputs cannot run in 2 lanes`},
		"no function": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			return pipeline.Via2(pipeline.From(p, "s", numbers(1)), pipeline.From(p, "r", numbers(1)), "both", pipeline.Transform2Func[int, int, int](nil))
		}, `both: the transform is nil`},
	} {
		t.Run(name, func(t *testing.T) {
			p := pipeline.New("p", pipeline.Options{})
			pipeline.To(c.build(p), "sink", &collector[int]{})
			var invalid *pipeline.ValidationError
			if err := p.Validate(t.Context()); !errors.As(err, &invalid) || len(invalid.Problems) != 1 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant %q", err, c.want)
			}
		})
	}
}
