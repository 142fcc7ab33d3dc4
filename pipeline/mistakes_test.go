package pipeline_test

import (
	"errors"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// A mistake of the program is there in each attempt: it is told at once, by the validation.
func TestAMistakeOfTheProgramIsNotRetried(t *testing.T) {
	ints := func(p *pipeline.Pipeline) pipeline.Stream[int] { return pipeline.From(p, "numbers", numbers(1)) }
	for name, build := range map[string]func(p *pipeline.Pipeline){
		"a source of CSV whose records are no structs": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "from", sources.CSV[int]{Path: "no_such_file.csv"}), "to", &collector[int]{})
		},
		"a sink of CSV whose records are no structs": func(p *pipeline.Pipeline) {
			pipeline.To(ints(p), "to", sinks.CSV[int]{Path: "no_such_file.csv"})
		},
		"a source of a table without a pool": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "from", sources.Postgres[small]{Table: "t"}), "to", &collector[small]{})
		},
		"a sink of a table without a pool": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "from", emit[small](1)), "to", sinks.Postgres[small]{Table: "t"})
		},
		"a transform that lacks its functions": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.Via(ints(p), "sums", transforms.GroupBy[int, int, int]{}), "to", &collector[int]{})
		},
		"a join without a key": func(p *pipeline.Pipeline) {
			both := pipeline.Via2(ints(p), pipeline.From(p, "others", numbers(1)), "join", transforms.Join[int, int, int, int]{})
			pipeline.To(both, "to", &collector[int]{})
		},
		"a stream that nobody reads": func(p *pipeline.Pipeline) { ints(p) },
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			p := pipeline.New("p", pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 3}, OnEvent: func(e pipeline.Event) {
				attempts = max(attempts, e.Run.Attempt)
			}})
			build(p)
			report, err := p.Run(t.Context())
			var found *pipeline.ValidationError
			if !errors.As(err, &found) || !pipeline.IsPermanent(err) || report.Attempt > 1 || attempts > 1 {
				t.Errorf("%d attempts (%d told), permanent: %v, error %v", report.Attempt, attempts, pipeline.IsPermanent(err), err)
			}
		})
	}
}
