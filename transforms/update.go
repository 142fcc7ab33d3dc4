package transforms

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// Update changes each record in place, and passes it on. An error of f fails the
// run, unless it is made by [Reject].
//
// What a record points to may be shared with other branches of the graph and
// must not be changed: give it a new slice or pointer instead.
func Update[T any](f func(record *T) error) pipeline.Transform[T, T] {
	return updater[T]{f}
}

type updater[T any] struct {
	f func(*T) error
}

func (u updater[T]) Validate(context.Context) error {
	return missing("Update", function{"the function", u.f == nil})
}

func (u updater[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			if err := u.f(&batch[i]); err != nil {
				if err := setAside(in.Reject, &batch[i], err); err != nil {
					return err
				}
				continue
			}
			if kept != i {
				batch[kept] = batch[i]
			}
			kept++
		}
		if err := passOn(in, out, batch[:kept]); err != nil {
			return err
		}
	}
	return nil
}
