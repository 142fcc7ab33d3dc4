package transforms

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// Filter passes on the records for which keep returns true, and drops the others.
// keep gets a pointer only to save a copy: it must not change the record. To
// have the others set aside rather than dropped, use [Validate].
func Filter[T any](keep func(record *T) bool) pipeline.Transform[T, T] {
	return filter[T]{keep}
}

type filter[T any] struct {
	keep func(*T) bool
}

func (f filter[T]) Validate(context.Context) error {
	return missing("Filter", function{"the function", f.keep == nil})
}

func (f filter[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			if !f.keep(&batch[i]) {
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
