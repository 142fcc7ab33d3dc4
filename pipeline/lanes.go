package pipeline

import (
	"context"
	"runtime/debug"
	"sync"
)

// EachLane runs work once for each reader, side by side, and waits for all. It is
// what a [LaneTransform] wants of its readers: the first error fails the run at
// once, so that the lanes that wait for input end too, and a panic is an error.
// ctx is the one that TransformLanes was given.
func EachLane[In any](ctx context.Context, ins []*Reader[In], work func(lane int, in *Reader[In]) error) error {
	return sideBySide(len(ins), func(i int) error { return work(i, ins[i]) }, func(err error) {
		if s := scopeFrom(ctx); s != nil && s.node != nil {
			s.node.fail(err)
		}
	})
}

// sideBySide runs f n times at once and returns the first error, after failed was
// called with it.
func sideBySide(n int, f func(i int) error, failed func(error)) error {
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := errGoexit
			defer func() {
				if v := recover(); v != nil {
					err = Permanent(&PanicError{Value: v, Stack: debug.Stack()})
				}
				if err != nil {
					once.Do(func() {
						first = err
						failed(err)
					})
				}
			}()
			err = f(i)
		}()
	}
	wg.Wait()
	return first
}
