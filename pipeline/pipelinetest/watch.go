package pipelinetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/millrace/millrace/pipeline"
)

// watch learns of the calls of a stage, which the report cannot tell apart from
// what the runner does after them.
type watch struct {
	mu     sync.Mutex
	called int
	errs   []error // of the calls that returned
}

var errNotReturned = errors.New("it panicked, or ended its goroutine")

// call runs f and notes how it returned.
func (w *watch) call(f func() error) error {
	w.mu.Lock()
	w.called++
	w.mu.Unlock()
	err := errNotReturned
	defer func() {
		w.mu.Lock()
		w.errs = append(w.errs, err)
		w.mu.Unlock()
	}()
	err = f()
	return err
}

// returned tells whether the stage was called and all its calls came back.
func (w *watch) returned() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.called > 0 && len(w.errs) == w.called
}

// results returns how the calls that came back did, from the nth on.
func (w *watch) results(n int) []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]error(nil), w.errs[min(n, len(w.errs)):]...)
}

// abilities passes on what the runner asks of a stage that is wrapped.
type abilities struct{ stage any }

func (a abilities) Validate(ctx context.Context) error {
	if v, ok := a.stage.(pipeline.Validator); ok {
		return v.Validate(ctx)
	}
	return nil
}

func (a abilities) Describe() string {
	if d, ok := a.stage.(pipeline.Describer); ok {
		return d.Describe()
	}
	return ""
}

func (a abilities) Claims() []pipeline.Claim {
	if c, ok := a.stage.(pipeline.Claimer); ok {
		return c.Claims()
	}
	return nil
}

func (a abilities) Incremental() bool {
	c, ok := a.stage.(pipeline.Cursored)
	return ok && c.Incremental()
}

func (a abilities) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	if c, ok := a.stage.(pipeline.Cursored); ok {
		return c.Bound(ctx, last)
	}
	return last, nil
}

func (a abilities) Open(ctx context.Context) error {
	if o, ok := a.stage.(pipeline.Opener); ok {
		return o.Open(ctx)
	}
	return nil
}

func (a abilities) Finish(ctx context.Context) error {
	if f, ok := a.stage.(pipeline.Finisher); ok {
		return f.Finish(ctx)
	}
	return nil
}

type watchedSource[T any] struct {
	abilities
	source pipeline.Source[T]
	w      *watch
}

func (s watchedSource[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	return s.w.call(func() error { return s.source.Extract(ctx, out) })
}

type watchedSplitter[T any] struct{ watchedSource[T] }

func (s watchedSplitter[T]) Split(ctx context.Context, n int) ([]pipeline.Source[T], error) {
	parts, err := s.source.(pipeline.Splitter[T]).Split(ctx, n)
	for i, part := range parts {
		parts[i] = watchSource(s.w, part)
	}
	return parts, err
}

func watchSource[T any](w *watch, source pipeline.Source[T]) pipeline.Source[T] {
	if w == nil {
		return source
	}
	watched := watchedSource[T]{abilities{source}, source, w}
	if _, ok := source.(pipeline.Splitter[T]); ok {
		return watchedSplitter[T]{watched}
	}
	return watched
}

type watchedTransform[In, Out any] struct {
	abilities
	transform pipeline.Transform[In, Out]
	w         *watch
}

func (s watchedTransform[In, Out]) Transform(ctx context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	return s.w.call(func() error { return s.transform.Transform(ctx, in, out) })
}

type watchedLanes[In, Out any] struct{ watchedTransform[In, Out] }

func (s watchedLanes[In, Out]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	return s.w.call(func() error {
		return s.transform.(pipeline.LaneTransform[In, Out]).TransformLanes(ctx, ins, out)
	})
}

func watchTransform[In, Out any](w *watch, transform pipeline.Transform[In, Out]) pipeline.Transform[In, Out] {
	if w == nil {
		return transform
	}
	watched := watchedTransform[In, Out]{abilities{transform}, transform, w}
	if _, ok := transform.(pipeline.LaneTransform[In, Out]); ok {
		return watchedLanes[In, Out]{watched}
	}
	return watched
}

type watchedTransform2[A, B, Out any] struct {
	abilities
	transform pipeline.Transform2[A, B, Out]
	w         *watch
}

func (s watchedTransform2[A, B, Out]) Transform(ctx context.Context, a *pipeline.Reader[A], b *pipeline.Reader[B], out *pipeline.Writer[Out]) error {
	return s.w.call(func() error { return s.transform.Transform(ctx, a, b, out) })
}

func watchTransform2[A, B, Out any](w *watch, transform pipeline.Transform2[A, B, Out]) pipeline.Transform2[A, B, Out] {
	if w == nil {
		return transform
	}
	return watchedTransform2[A, B, Out]{abilities{transform}, transform, w}
}

type watchedSink[T any] struct {
	abilities
	sink pipeline.Sink[T]
	w    *watch
}

func (s watchedSink[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	return s.w.call(func() error { return s.sink.Load(ctx, in) })
}

func watchSink[T any](w *watch, sink pipeline.Sink[T]) pipeline.Sink[T] {
	if w == nil {
		return sink
	}
	return watchedSink[T]{abilities{sink}, sink, w}
}
