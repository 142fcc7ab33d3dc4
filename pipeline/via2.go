package pipeline

import (
	"context"
	"reflect"
	"slices"
)

// Transform2 reads two streams, in whatever order it likes, and writes one: a join, a
// comparison, a merge by order.
//
// While it waits for one of its inputs, the records of the other one are kept in memory and
// then in files, if the two could hold each other up ([Options].MaxWaiting): it may
// read one input to its end before it looks at the other. Each Reader belongs to one goroutine at a
// time; the two may be read by two goroutines. Returning nil before an input ends is
// allowed: the rest of it is dropped.
type Transform2[A, B, Out any] interface {
	Transform(ctx context.Context, a *Reader[A], b *Reader[B], out *Writer[Out]) error
}

// Transform2Func makes a [Transform2] of a function.
type Transform2Func[A, B, Out any] func(ctx context.Context, a *Reader[A], b *Reader[B], out *Writer[Out]) error

// Transform calls f.
func (f Transform2Func[A, B, Out]) Transform(ctx context.Context, a *Reader[A], b *Reader[B], out *Writer[Out]) error {
	return f(ctx, a, b, out)
}

// Via2 adds a transform that reads two streams, and returns its own. It has one lane.
func Via2[A, B, Out any](a Stream[A], b Stream[B], name string, transform Transform2[A, B, Out], options ...StageOption) Stream[Out] {
	n := &node{
		name: name, kind: KindTransform, value: transform, record: reflect.TypeFor[Out](),
		inputs: []input{inputOf("a", a), inputOf("b", b)},
	}
	n.work = func(ctx context.Context, r *nodeRun) error {
		return r.lanesOf(1, func(_ int, stats *laneStats) error {
			out := newWriter[Out](r, 0, stats)
			a, b := newReader[A](r, 0, stats), newReader[B](r, 1, r.addStats(1, 0))
			a.other, b.other = r.inputs[1], r.inputs[0]
			return out.end(transform.Transform(ctx, a, b, out))
		})
	}
	a.p.must("Via2", name).add(n, options)
	if b.p != a.p {
		a.p.problem(name, "%s is a stream of another pipeline", b.describe())
	}
	if slices.Equal(a.origins, b.origins) {
		a.p.problem(name, "reads the stream of %s on both sides: put a stage on one of them (Via) that says how the two differ", a.describe())
	}
	if n.lanes > 1 {
		a.p.problem(name, "a stage with two inputs cannot run in %d lanes; leave Parallel out", n.lanes)
	}
	return streamOf[Out](a.p, n)
}
