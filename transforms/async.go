package transforms

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/pipeline"
)

// DefaultCalls is how many calls of [Async] are under way at once when it does not say.
const DefaultCalls = 8

// Async makes one record of each by a call that takes its time: of a service, a
// model, a program. Many calls are under way at once, and what they made is written in the
// order of the input.
//
//	transforms.Async[Order, Rated]{
//		Calls:   20,
//		Timeout: 5 * time.Second,
//		Retry:   pipeline.Retry{MaxAttempts: 3},
//		Limiter: rate.NewLimiter(100, 1), // a second; golang.org/x/time/rate
//		Call: func(ctx context.Context, order *Order, rated *Rated) (err error) {
//			rated.Order = *order
//			rated.Rate, err = client.Rate(ctx, order.Currency)
//			return err
//		},
//	}
//
// An error fails the run at once, even while earlier calls are under way; a panic counts as an error. The context of
// the other calls then ends, and Async waits for them: when it has returned, no call is under way. An error made by
// [Reject] sets the record aside instead, in its turn.
//
// Results are passed on as soon as no further one is ready, so that none of them waits for a slow
// source. Memory holds a few records and results for each call.
//
// Async has lanes of its own, and refuses pipeline.Parallel. A call costs about a
// microsecond besides its work: what takes less is better done by [Map], with
// pipeline.Parallel.
type Async[In, Out any] struct {
	// Call fills in made, which is the zero value at each try. Required. It is called by several goroutines
	// at once, and must return soon after ctx is done. The pointers are good until it returns.
	Call func(ctx context.Context, record *In, made *Out) error

	// Calls is how many may be under way at once, those that wait for Limiter or for their next
	// try included. Defaults to [DefaultCalls].
	Calls int

	// Unordered writes results, and rejects, as they come. Otherwise up to three times as many results as Calls wait
	// for one that is slower; then no further call is started.
	Unordered bool

	// Limiter bounds how many tries are started a second. Defaults to no limit. It may be
	// shared by several stages and runs that use the same service.
	Limiter *rate.Limiter

	// Timeout bounds each try: its context ends then. Defaults to none.
	Timeout time.Duration

	// Retry says how often and when a call is tried again after an error that is not permanent
	// (see pipeline.IsPermanent). One of [Reject] is permanent, unless pipeline.Transient marks it.
	// Defaults to one try.
	Retry pipeline.Retry
}

// Serial says that it cannot run in lanes.
func (a Async[In, Out]) Serial() {}

// Describe says how many calls there are at once.
func (a Async[In, Out]) Describe() string { return fmt.Sprintf("%d calls at once", a.calls()) }

func (a Async[In, Out]) calls() int {
	if a.Calls <= 0 { // a stage that is run by hand, without Validate
		return DefaultCalls
	}
	return a.Calls
}

// maxCalls bounds a slip of the pen: each call has a goroutine.
const maxCalls = 100_000

// Validate checks that there is a Call, and that the settings can be.
func (a Async[In, Out]) Validate(context.Context) error {
	if err := missing("Async", function{"Call", a.Call == nil}); err != nil {
		return err
	}
	if what := a.wrong(); what != "" {
		return pipeline.Permanent(fmt.Errorf("transforms.Async: %s", what))
	}
	return nil
}

// wrong says what is wrong with the settings, if anything.
func (a Async[In, Out]) wrong() string {
	switch {
	case a.Calls < 0 || a.Calls > maxCalls:
		return fmt.Sprintf("Calls is %d: say how many may be under way at once, 1 to %d, or 0 for %d",
			a.Calls, maxCalls, DefaultCalls)
	case a.Timeout < 0:
		return fmt.Sprintf("Timeout is %v: say how long a try may take, or 0 for any time", a.Timeout)
	case a.Retry.MaxAttempts < 0:
		return fmt.Sprintf("Retry.MaxAttempts is %d: it counts from 1; leave it 0 for no retry", a.Retry.MaxAttempts)
	case a.Retry.Backoff < 0 || a.Retry.MaxBackoff < 0:
		return "Retry: a backoff cannot be negative"
	case a.Limiter == nil || a.Limiter.Limit() == rate.Inf:
		return ""
	case a.Limiter.Limit() <= 0 || a.Limiter.Burst() < 1:
		return fmt.Sprintf("Limiter allows no call (limit %v a second, burst %d): both must be positive",
			a.Limiter.Limit(), a.Limiter.Burst())
	}
	return ""
}

// Transform calls for the whole input.
func (a Async[In, Out]) Transform(ctx context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j := &calling[In, Out]{
		Async: a, ctx: within, cancel: cancel,
		fail:    func(err error) { pipeline.Fail(ctx, err) },
		free:    make(chan *call[In, Out], a.window()),
		started: make(chan *call[In, Out], a.window()),
		results: make(chan *call[In, Out], a.window()),
	}
	go j.read(in)
	j.write(in, out)
	return j.err
}

// window is how many calls there may be at once with those that have returned and are not
// written yet.
func (a Async[In, Out]) window() int { return 4 * a.calls() }
