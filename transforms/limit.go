package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/pipeline"
)

// Limit passes on the first n records and drops the others. 0 drops all; a
// negative n is an error at the start. Once it has them, the stages before it are told that
// nobody wants more ([pipeline.ErrEnough]), so that an endless source ends too, unless
// others read the same stream.
//
// It counts the whole stream, so it cannot run in lanes.
func Limit[T any](n int) pipeline.Transform[T, T] { return limit[T]{n} }

type limit[T any] struct{ n int }

func (l limit[T]) Serial() {}

func (l limit[T]) Describe() string { return fmt.Sprintf("at most %d records", l.n) }

func (l limit[T]) Validate(context.Context) error {
	if l.n < 0 {
		return pipeline.Permanent(fmt.Errorf("transforms.Limit: %d is negative: say how many records to pass on", l.n))
	}
	return nil
}

func (l limit[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	left := l.n
	if left == 0 {
		return nil
	}
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		batch = batch[:min(left, len(batch))]
		left -= len(batch)
		if err := out.WriteBatch(batch); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
	}
	return nil
}
