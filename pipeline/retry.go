package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Retry says how often and when a failed run is tried again. Retries are of the
// whole run: nothing is committed until its end, so a second attempt starts clean.
type Retry struct {
	// MaxAttempts counts the first one too. Defaults to 1: no retry.
	MaxAttempts int

	// Backoff is the wait before the second attempt; it grows by half each time,
	// and is spread by up to half either way, so that many runs do not come back at
	// once. Defaults to 500 ms.
	Backoff time.Duration

	// MaxBackoff bounds the wait. Defaults to 1 minute.
	MaxBackoff time.Duration
}

func (r Retry) check() error {
	switch {
	case r.MaxAttempts < 0:
		return fmt.Errorf("Options.Retry.MaxAttempts is %d: it counts from 1; leave it 0 for no retry", r.MaxAttempts)
	case r.Backoff < 0 || r.MaxBackoff < 0:
		return fmt.Errorf("Options.Retry: a backoff cannot be negative")
	}
	return nil
}

// waits returns the successive times between attempts.
func (r Retry) waits() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = r.Backoff
	if r.Backoff == 0 {
		b.InitialInterval = 500 * time.Millisecond
	}
	b.MaxInterval = r.MaxBackoff
	if r.MaxBackoff == 0 {
		b.MaxInterval = time.Minute
	}
	b.MaxInterval = max(b.MaxInterval, b.InitialInterval)
	b.Reset()
	return b
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
