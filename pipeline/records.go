package pipeline

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"sync"
	"sync/atomic"
)

// Records reads a source from within a stage (a reference table to look things up
// in, say) and yields its records. What the source rejects counts for the stage
// that ctx belongs to; outside a run any reject is an error. After an error,
// which is always the last pair, nothing more comes. Leaving the loop early stops
// the source.
func Records[T any](ctx context.Context, source Source[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		h := haltOn(ctx)
		lists := &freeLists{size: DefaultBatchSize, depth: DefaultBuffer, lists: map[reflect.Type]any{}}
		q := newQueue(freeListOf[T](lists), 1, DefaultBuffer)
		stats := newLaneStats()
		out := &Writer[T]{queues: []*queue[T]{q}, halt: h, stats: stats, free: q.free, buf: q.free.get(), over: make(chan struct{}), enough: new(atomic.Bool)}
		if s := scopeFrom(ctx); s != nil && s.node != nil {
			out.rejects = &rejectPort{run: s.node, book: s.attempt.rejects}
		}
		ended := make(chan error, 1)
		go func() {
			err := errGoexit
			defer func() {
				if err != nil {
					cancel(err)
				}
				ended <- err
			}()
			err = protect(func() error {
				return out.end(source.Extract(ctx, out))
			})
			if err == nil {
				q.producerDone()
			}
		}()

		// The source must be gone before its caller goes on, also by a panic.
		end := sync.OnceValue(func() error {
			cancel(errLeft)
			return <-ended
		})
		defer func() { _ = end() }() // told below, if anybody is there to be told

		in := &Reader[T]{origin: -1, queue: q, halt: h, stats: stats, rejects: out.rejects}
		left := false
		var failed error
		for record, err := range in.All() {
			if err != nil {
				failed = err
				break
			}
			if !yield(record, nil) {
				left = true
				break
			}
		}
		err := end()
		if left || failed == nil {
			return
		}
		if err == nil || errors.Is(err, context.Canceled) {
			err = failed
		}
		var zero T
		yield(zero, err)
	}
}

var errLeft = errors.New("nobody reads on")
