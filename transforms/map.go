package transforms

import (
	"context"
	"slices"

	"github.com/millrace/millrace/pipeline"
)

// Map makes one record of each. f fills in made, which starts as the zero value:
//
//	transforms.Map(func(s *Sale, line *Line) error {
//		*line = Line{Product: s.Product, Amount: s.Price * s.Quantity}
//		return nil
//	})
//
// Both pointers are good until f returns. They are pointers because a record of
// more than about 32 bytes costs more to pass by value, and far more to return
// by value, than the hop between two stages does. When the type stays
// the same, [Update] copies nothing at all.
//
// An error of f fails the run, unless it is made by [Reject].
func Map[In, Out any](f func(record *In, made *Out) error) pipeline.Transform[In, Out] {
	return mapper[In, Out]{f}
}

type mapper[In, Out any] struct {
	f func(*In, *Out) error
}

func (m mapper[In, Out]) Validate(context.Context) error {
	return missing("Map", function{"the function", m.f == nil})
}

func (m mapper[In, Out]) Transform(_ context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		made := slices.Grow(out.NewBatch(), len(batch))[:len(batch)]
		clear(made)
		kept := 0
		for i := range batch {
			if err := m.f(&batch[i], &made[kept]); err != nil {
				if err := setAside(in.Reject, &batch[i], err); err != nil {
					return err
				}
				clear(made[kept : kept+1])
				continue
			}
			kept++
		}
		in.Recycle(batch)
		if err := out.WriteBatch(made[:kept]); err != nil {
			return err
		}
	}
	return nil
}
