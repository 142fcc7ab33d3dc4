package transforms

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// Tumbling and sliding windows are groups whose key has the start of a window. A record
// goes to the groups together with that start, once for each window that holds it, so
// that it can also come back from a file and find its group.

// windowed is a record and one of the windows that hold it. Its fields are exported for the
// sake of temporary files; so are those of the next two.
type windowed[In any] struct {
	Start  int64
	Record In
}

type windowKey[K comparable] struct {
	Start int64
	Key   K
}

// pane is what is folded of a window.
type pane[Out any] struct {
	Start int64
	Group Out
}

func (w *Window[In, K, Out]) panes() GroupBy[windowed[In], windowKey[K], pane[Out]] {
	key := orOneKey(w.Key)
	g := GroupBy[windowed[In], windowKey[K], pane[Out]]{
		Key: func(r *windowed[In]) windowKey[K] { return windowKey[K]{r.Start, key(&r.Record)} },
		New: func(key windowKey[K]) pane[Out] {
			p := pane[Out]{Start: key.Start}
			if w.New != nil {
				p.Group = w.New(key.Key)
			}
			return p
		},
		Fold:      func(p *pane[Out], r *windowed[In]) error { return w.Fold(&p.Group, &r.Record) },
		MaxMemory: w.MaxMemory,
		TempDir:   w.TempDir,
	}
	if w.Merge != nil {
		g.Merge = func(into, from *pane[Out]) error { return w.Merge(&into.Group, &from.Group) }
	}
	return g
}

// slide makes the windows of one lane or of several.
func (w *Window[In, K, Out]) slide(
	ctx context.Context, ins []*pipeline.Reader[In], out *pipeline.Writer[Out],
) (err error) {
	if err := needsMerge("Window", w.Merge == nil, len(ins)); err != nil {
		return err
	}
	job := newGrouping(ctx, w.panes(), "Window", len(ins))
	defer closeFolder(job.folder, &err)
	job.reject = func(r *windowed[In], reject pipeline.Reject) error { return ins[0].Reject(&r.Record, reject) }
	write := func(p *pane[Out]) error {
		w.bounds(&p.Group, p.Start, p.Start+int64(w.Size))
		return out.Write(p.Group)
	}
	if len(ins) == 1 {
		level := job.level(0)
		if err := w.foldPanes(level, ins[0]); err != nil {
			return err
		}
		return job.finish(level, write)
	}
	levels := make([]*groupLevel[windowed[In], windowKey[K], pane[Out]], len(ins))
	err = pipeline.EachLane(ctx, ins, func(lane int, in *pipeline.Reader[In]) error {
		levels[lane] = job.level(0)
		return w.foldPanes(levels[lane], in)
	})
	if err != nil {
		return err
	}
	return job.finishLanes(levels, write)
}

// foldPanes folds each record of a lane into the windows that hold it, from the first to
// the last.
func (w *Window[In, K, Out]) foldPanes(
	level *groupLevel[windowed[In], windowKey[K], pane[Out]], in *pipeline.Reader[In],
) error {
	var one windowed[In] // for all, since it escapes
	size, every := int64(w.Size), int64(w.every())
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		folds := 0
		for i := range batch {
			at, err := w.at(&batch[i])
			if err != nil {
				if err := setAside(in.Reject, &batch[i], err); err != nil {
					return err
				}
				continue
			}
			one.Record = batch[i]
			last := floor(at, every)
			for one.Start = last - (size-1-(at-last))/every*every; one.Start <= last; one.Start += every {
				folds++
				if err := level.add(level.next(), &one); err != nil {
					if err := setAside(in.Reject, &batch[i], err); err != nil {
						return err
					}
				}
			}
		}
		if err := level.folded(folds); err != nil {
			return err
		}
		in.Recycle(batch)
	}
	return nil
}

// floor returns the greatest multiple of unit that is not greater than n.
func floor(n, unit int64) int64 {
	rest := n % unit
	if rest < 0 {
		rest += unit
	}
	return n - rest
}
