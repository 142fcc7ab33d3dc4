package transforms

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// FlatMap makes none, one or many records of each. f appends them to out, which
// is empty, and returns it, as append does:
//
//	transforms.FlatMap(func(o *Order, out []Line) ([]Line, error) {
//		for _, item := range o.Items {
//			out = append(out, Line{Order: o.ID, Item: item})
//		}
//		return out, nil
//	})
//
// f may return a slice of its own too, whose records are copied. The records of one
// call are in memory together: a stage that makes millions of one record is better
// written as a pipeline.Transform, which writes them one by one.
//
// An error of f fails the run, unless it is made by [Reject]; then nothing of
// what f returned with it is written.
func FlatMap[In, Out any](f func(record *In, out []Out) ([]Out, error)) pipeline.Transform[In, Out] {
	return flatMapper[In, Out]{f}
}

type flatMapper[In, Out any] struct {
	f func(*In, []Out) ([]Out, error)
}

func (m flatMapper[In, Out]) Validate(context.Context) error {
	return missing("FlatMap", function{"the function", m.f == nil})
}

func (m flatMapper[In, Out]) Transform(_ context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	var made []Out
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		if made, err = m.batch(batch, made, in, out); err != nil {
			return err
		}
		in.Recycle(batch)
	}
	return out.WriteBatch(made)
}

// batch adds what is made of one batch to made, and returns what is not written yet.
func (m flatMapper[In, Out]) batch(batch []In, made []Out, in *pipeline.Reader[In], out *pipeline.Writer[Out]) ([]Out, error) {
	for i := range batch {
		n := len(made)
		if n == cap(made) {
			if err := out.WriteBatch(made); err != nil {
				return nil, err
			}
			made, n = out.NewBatch(), 0
		}
		// f sees only the free room, so that it cannot lose what was made before.
		more, err := m.f(&batch[i], made[n:])
		switch {
		case err != nil:
			if err := setAside(in.Reject, &batch[i], err); err != nil {
				return nil, err
			}
		case len(more) == 0:
		case &more[0] == &made[:n+1][n] && len(more) <= cap(made)-n:
			made = made[:n+len(more)] // it is in its place already
		default:
			if len(more) > cap(made)-n {
				if err := out.WriteBatch(made); err != nil {
					return nil, err
				}
				made = out.NewBatch()
			}
			made = append(made, more...)
		}
	}
	return made, nil
}
