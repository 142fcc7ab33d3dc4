package pgunit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// turns gives the connection to one holder at a time, in the order of asking.
type turns struct {
	mu      sync.Mutex
	holder  *Turn
	waiting []chan *Turn
	failed  error // why the transaction can only be rolled back
}

// Turn is the right to use the unit's connection until Release. It belongs to one
// goroutine at a time.
type Turn struct {
	unit   *Unit
	wanted chan struct{} // closed when somebody waits for the turn
	asked  bool          // wanted is closed
}

// Acquire waits for the connection. The holder must not wait for anything but the
// server, and anybody who can be held up must give the turn back when [Turn.Wanted]
// says so.
//
// After a failure the transaction can only be rolled back. Whoever asks then is held
// until the run ends, so that the error which explains it is the run's, and not
// the echo of it; if the run goes on, Acquire returns that first error.
func (u *Unit) Acquire(ctx context.Context) (*Turn, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	t, err := u.turns.take(ctx, u)
	if err != nil {
		return nil, err
	}
	failed := u.failure()
	if failed == nil {
		return t, nil
	}
	t.Release()
	timer := time.NewTimer(echoDelay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C:
		return nil, &AbortedError{Unit: u.name, Err: failed}
	}
}

// echoDelay is how long an Acquire after a failure waits for the run to end.
const echoDelay = 2 * time.Second

func (s *turns) take(ctx context.Context, u *Unit) (*Turn, error) {
	s.mu.Lock()
	if s.holder == nil {
		t := s.hand(u)
		s.mu.Unlock()
		return t, nil
	}
	ready := make(chan *Turn, 1)
	s.waiting = append(s.waiting, ready)
	s.holder.ask()
	s.mu.Unlock()
	select {
	case t := <-ready:
		return t, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(s.waiting, ready)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // it was handed over in that moment
		(<-ready).Release()
	}
	return nil, context.Cause(ctx)
}

// hand makes the next turn. Called with the lock held.
func (s *turns) hand(u *Unit) *Turn {
	t := &Turn{unit: u, wanted: make(chan struct{})}
	s.holder = t
	if len(s.waiting) > 0 {
		t.ask()
	}
	return t
}

// ask lets the holder know that it is waited for. Called with the lock held.
func (t *Turn) ask() {
	if !t.asked {
		t.asked = true
		close(t.wanted)
	}
}

// Wanted is closed when somebody waits for the turn.
func (t *Turn) Wanted() <-chan struct{} { return t.wanted }

// Release gives the connection to the next in line. Further calls do nothing.
func (t *Turn) Release() {
	s := &t.unit.turns
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder != t {
		return
	}
	s.holder = nil
	if len(s.waiting) > 0 {
		ready := s.waiting[0]
		s.waiting = s.waiting[1:]
		ready <- s.hand(t.unit)
	}
}

// Conn is the connection, for use during the turn. Statements on it should go
// through [Turn.Do].
func (t *Turn) Conn() *pgx.Conn { return t.unit.conn.Conn() }

// fail notes the error after which the transaction can only be rolled back. The
// first counts.
func (u *Unit) fail(err error) {
	u.turns.mu.Lock()
	defer u.turns.mu.Unlock()
	if u.turns.failed == nil {
		u.turns.failed = err
	}
}

func (u *Unit) failure() error {
	u.turns.mu.Lock()
	defer u.turns.mu.Unlock()
	return u.turns.failed
}
