package pipelinetest_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// shout is a transform of one's own: it writes its records in capitals, and sets the empty
// ones aside.
type shout struct{}

func (shout) Transform(_ context.Context, in *pipeline.Reader[string], out *pipeline.Writer[string]) error {
	for word, err := range in.All() {
		if err != nil {
			return err
		}
		if word == "" {
			err = out.Reject(pipeline.Reject{Column: "word", Reason: "is empty"})
		} else {
			err = out.Write(strings.ToUpper(word))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ExampleRunTransform() {
	r := pipelinetest.RunTransform(context.Background(), shout{}, []string{"quiet", "", "words"})
	fmt.Println(r.Records, r.Err)
	fmt.Println(r.Rejects[0])
	fmt.Println(r.Stage().RecordsIn, "in,", r.Stage().RecordsOut, "out")
	// Output:
	// [QUIET WORDS] <nil>
	// column "word" is empty
	// 3 in, 2 out
}

func ExampleRunSource() {
	squares := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		for i := range 5 {
			if err := out.Write(i * i); err != nil {
				return err
			}
		}
		return nil
	})
	r := pipelinetest.RunSource(context.Background(), squares)
	fmt.Println(r.Records, r.Err)
	// Output: [0 1 4 9 16] <nil>
}

func ExampleRunSink() {
	printer := pipeline.SinkFunc[string](func(_ context.Context, in *pipeline.Reader[string]) error {
		for word, err := range in.All() {
			if err != nil {
				return err
			}
			if word == "" {
				return fmt.Errorf("cannot print nothing")
			}
			fmt.Println(word)
		}
		return nil
	})
	r := pipelinetest.RunSink(context.Background(), printer, []string{"one", "two", ""})
	fmt.Println(r.Err)
	// Output:
	// one
	// two
	// pipelinetest: stage: cannot print nothing
}
