package transforms

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/millrace/millrace/pipeline"
)

// How Async works: a goroutine reads, and hands each record to one that makes calls, of which
// there are at most so many; the stage's own goroutine writes results and rejects.
//
//	           started                  done
//	read ──────▶ work ×Calls ──────────▶ write      unordered: results come as they are done
//	  │                                    ▲
//	  └────────────── results ─────────────┘        in order: results come as they were started,
//	  ◀─────────────── free ───────────────┘        and write waits for each
//
// Whatever goes wrong ends the context of calls first; then read stops, work ends, and write
// comes to the end of results, having written nothing more.

// call is one record on its way through.
type call[In, Out any] struct {
	record In
	made   Out
	err    error
	done   chan struct{} // has one when the call has returned; for order only
}

// calling is one run of Async.
type calling[In, Out any] struct {
	Async[In, Out]
	ctx    context.Context //nolint:containedctx // that of this run
	cancel context.CancelCauseFunc
	fail   func(error) // the run

	free    chan *call[In, Out]
	started chan *call[In, Out]
	results chan *call[In, Out]
	workers sync.WaitGroup

	once sync.Once
	err  error // what Transform returns
}

// stop ends everything. The first error counts.
func (j *calling[In, Out]) stop(err error) {
	j.once.Do(func() {
		j.err = err
		j.cancel(err)
	})
}

// failed is what becomes of the error of a call: the stage's own goroutines may be waiting
// for input and output, so the run must be told.
func (j *calling[In, Out]) failed(err error) {
	j.once.Do(func() {
		j.err = err
		j.fail(err)
		j.cancel(err)
	})
}

// read starts a call for each record.
func (j *calling[In, Out]) read(in *pipeline.Reader[In]) {
	defer func() {
		close(j.started)
		j.workers.Wait()
		close(j.results)
	}()
	workers, calls := 0, 0
	for batch, err := range in.Batches() {
		if err != nil {
			j.stop(err)
			return
		}
		for i := range batch {
			c := j.take(&calls)
			if c == nil {
				return
			}
			c.record = batch[i]
			if workers < j.calls() {
				workers++
				j.workers.Add(1)
				go j.work()
			}
			// Both have room for all.
			j.started <- c
			if !j.Unordered {
				j.results <- c
			}
		}
		in.Recycle(batch)
	}
}

// take returns a call that is free, nil when there are to be no more.
func (j *calling[In, Out]) take(calls *int) *call[In, Out] {
	if j.ctx.Err() != nil {
		return nil
	}
	select {
	case c := <-j.free:
		return c
	default:
	}
	if *calls < j.window() {
		*calls++
		return &call[In, Out]{done: make(chan struct{}, 1)}
	}
	select {
	case c := <-j.free:
		return c
	case <-j.ctx.Done():
		return nil
	}
}

// work makes calls, one after the other.
func (j *calling[In, Out]) work() {
	var c *call[In, Out] // under way
	defer func() {
		if c != nil {
			j.failed(errGoexit)
			j.handOver(c)
		}
		j.workers.Done()
	}()
	for c = range j.started {
		err := j.ctx.Err()
		if err == nil {
			err = j.try(&c.record, &c.made)
		}
		if err != nil {
			err = j.again(c, err)
		}
		c.err = err
		var r *rejection
		if err != nil && j.ctx.Err() != nil {
			j.stop(context.Cause(j.ctx))
		} else if err != nil && !errors.As(err, &r) {
			j.failed(err)
		}
		j.handOver(c)
		c = nil
	}
}

var errGoexit = errors.New("a call ended its goroutine (runtime.Goexit, or a test's FailNow) instead of returning")

func (j *calling[In, Out]) handOver(c *call[In, Out]) {
	if j.Unordered {
		j.results <- c // has room for all
	} else {
		c.done <- struct{}{}
	}
}

// try calls once.
func (j *calling[In, Out]) try(record *In, made *Out) (err error) {
	if err := j.limit(); err != nil {
		return err
	}
	ctx := j.ctx
	if j.Timeout > 0 {
		within, cancel := context.WithTimeout(ctx, j.Timeout)
		defer cancel()
		ctx = within
	}
	defer func() {
		if v := recover(); v != nil {
			err = pipeline.Permanent(&pipeline.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	err = j.Call(ctx, record, made)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil && j.ctx.Err() == nil {
		return fmt.Errorf("no answer within %v: %w", j.Timeout, err)
	}
	return err
}

// again tries as often as it may after a try has failed, and returns the last error.
func (j *calling[In, Out]) again(c *call[In, Out], err error) error {
	if j.Retry.MaxAttempts <= 1 || pipeline.IsPermanent(err) {
		return err
	}
	wait := backoff.NewExponentialBackOff()
	if j.Retry.Backoff > 0 {
		wait.InitialInterval = j.Retry.Backoff
	}
	if j.Retry.MaxBackoff > 0 {
		wait.MaxInterval = j.Retry.MaxBackoff
	}
	wait.InitialInterval = min(wait.InitialInterval, wait.MaxInterval)
	for tries := 1; ; tries++ {
		if tries == j.Retry.MaxAttempts || pipeline.IsPermanent(err) {
			return fmt.Errorf("after %d tries: %w", tries, err)
		}
		if err := sleep(j.ctx, wait.NextBackOff()); err != nil {
			return err
		}
		var none Out
		c.made = none
		if err = j.try(&c.record, &c.made); err == nil {
			return nil
		}
	}
}

// limit waits until another try may be started. Not by Limiter.Wait: where the run has a deadline, that
// fails as soon as the turn would come too late, with an error that tells nobody why.
func (j *calling[In, Out]) limit() error {
	if j.Limiter == nil {
		return nil
	}
	turn := j.Limiter.Reserve()
	if !turn.OK() {
		return pipeline.Permanent(errors.New("transforms.Async: the Limiter has a burst of 0 now, and allows no call"))
	}
	err := sleep(j.ctx, turn.Delay())
	if err != nil {
		turn.Cancel()
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write writes what comes of calls.
func (j *calling[In, Out]) write(in *pipeline.Reader[In], out *pipeline.Writer[Out]) {
	for c := j.next(out); c != nil; c = j.next(out) {
		if j.ctx.Err() == nil {
			var err error
			if c.err != nil {
				err = setAside(in.Reject, &c.record, c.err)
			} else {
				err = out.Write(c.made)
			}
			if err != nil {
				j.stop(err)
			}
		}
		var (
			record In
			made   Out
		)
		c.record, c.made, c.err = record, made, nil
		j.free <- c // has room for all
	}
}

// next waits for the next call that has returned; nil comes after the last. What is written is passed on
// before there is anything to wait for.
func (j *calling[In, Out]) next(out *pipeline.Writer[Out]) (c *call[In, Out]) {
	select {
	case c = <-j.results:
	default:
		j.flush(out)
		c = <-j.results
	}
	if c == nil || j.Unordered {
		return c
	}
	select {
	case <-c.done:
	default:
		j.flush(out)
		<-c.done
	}
	return c
}

func (j *calling[In, Out]) flush(out *pipeline.Writer[Out]) {
	if j.ctx.Err() != nil {
		return
	}
	if err := out.Flush(); err != nil {
		j.stop(err)
	}
}
