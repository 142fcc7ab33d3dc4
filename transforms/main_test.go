package transforms_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slice is a source of what is in memory.
func slice[T any](records ...T) pipeline.Source[T] {
	return pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error {
		for _, record := range records {
			if err := out.Write(record); err != nil {
				return err
			}
		}
		return nil
	})
}

// upTo returns the numbers from 1 to n.
func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}
