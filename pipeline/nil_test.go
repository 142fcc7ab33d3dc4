package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// There is no pipeline in which these could be noted as problems.
func TestANilPipelineOrAZeroStreamIsSaidInWords(t *testing.T) {
	var none *pipeline.Pipeline
	var zero pipeline.Stream[int]
	same := pipeline.TransformFunc[int, int](func(context.Context, *pipeline.Reader[int], *pipeline.Writer[int]) error { return nil })
	pair := pipeline.Transform2Func[int, int, int](func(context.Context, *pipeline.Reader[int], *pipeline.Reader[int], *pipeline.Writer[int]) error {
		return nil
	})
	for name, build := range map[string]func(){
		`From of "x"`:      func() { pipeline.From(none, "x", numbers(1)) },
		`Via of "x"`:       func() { pipeline.Via(zero, "x", same) },
		`Via2 of "x"`:      func() { pipeline.Via2(zero, zero, "x", pair) },
		`To of "x"`:        func() { pipeline.To(zero, "x", &collector[int]{}) },
		`Do of "x"`:        func() { pipeline.Do(none, "x", func(context.Context) error { return nil }) },
		`Split of "x"`:     func() { pipeline.Split(zero, "x", 2, func(*int) int { return 0 }) },
		`Partition of "x"`: func() { pipeline.Partition(zero, "x", func(*int) bool { return true }) },
		"Merge":            func() { pipeline.Merge(zero) },
		"Rejects":          func() { pipeline.Rejects(none) },
		"Start":            func() { _, _ = none.Run(t.Context()) },
		"Validate":         func() { _ = none.Validate(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.HasPrefix(said, "pipeline: "+name+": there is no pipeline") && !strings.Contains(said, `"x": there is no pipeline`) {
					t.Errorf("it says %s", said)
				}
			}()
			build()
		})
	}
}
