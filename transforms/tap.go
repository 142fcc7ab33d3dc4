package transforms

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// Tap calls see for each record, and passes it on as it is: to count, to
// log, to watch while debugging. see gets a pointer only to save a copy: it must
// not change the record ([Update] may).
func Tap[T any](see func(record *T)) pipeline.Transform[T, T] {
	return tap[T]{see}
}

type tap[T any] struct {
	see func(*T)
}

func (t tap[T]) Validate(context.Context) error {
	return missing("Tap", function{"the function", t.see == nil})
}

func (t tap[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			t.see(&batch[i])
		}
		if err := out.WriteBatch(batch); err != nil {
			return err
		}
	}
	return nil
}
