package pipelinetest

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// feed is the input of a stage that is tested.
type feed[T any] struct {
	records []T
	// cut is how many records go into a batch. Defaults to a full batch of the run.
	cut int
	// fresh makes the batches such that the run does not use them again. A stage
	// that recycles a batch and goes on using it then gets away with it.
	fresh bool
	// before is called before the first batch. May be nil.
	before func(ctx context.Context)
	// after is called after each batch, with how many records were written so far. May be nil.
	after func(ctx context.Context, written int)
	// end decides how the stream ends. Defaults to well.
	end func(ctx context.Context) error
}

// freshCut is in records: less than a batch of the size that checks use with fresh.
const freshCut = 100

func (f *feed[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	if f.before != nil {
		f.before(ctx)
	}
	for written := 0; written < len(f.records); {
		batch := out.NewBatch()
		cut := min(cap(batch), len(f.records)-written)
		if f.cut > 0 {
			cut = min(cut, f.cut)
		}
		if f.fresh {
			cut = min(cut, freshCut)
			batch = make([]T, 0, cut)
		}
		batch = append(batch, f.records[written:written+cut]...)
		written += cut
		if err := out.WriteBatch(batch); err != nil {
			return err
		}
		if f.after != nil {
			f.after(ctx, written)
		}
	}
	if f.end != nil {
		return f.end(ctx)
	}
	return nil
}
