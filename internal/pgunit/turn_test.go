package pgunit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestTurnsAreGivenInTheOrderOfAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &Unit{}
		first, err := u.Acquire(t.Context())
		if err != nil || isClosed(first.Wanted()) {
			t.Fatalf("got %v, wanted at once: %v", err, isClosed(first.Wanted()))
		}
		var order []int
		for i := range 3 {
			go func() {
				turn, err := u.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i) // the turn is the lock
				if isClosed(turn.Wanted()) != (i < 2) {
					t.Errorf("turn %d: wanted is %v", i, isClosed(turn.Wanted()))
				}
				turn.Release()
				turn.Release() // does nothing
			}()
			synctest.Wait()
			if !isClosed(first.Wanted()) {
				t.Error("the holder is not told")
			}
		}
		first.Release()
		synctest.Wait()
		if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 2 {
			t.Errorf("the order is %v", order)
		}
	})
}

func TestAWaiterThatIsCancelledLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &Unit{}
		first, _ := u.Acquire(t.Context())
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			if _, err := u.Acquire(ctx); !errors.Is(err, gone) {
				t.Errorf("got %v", err)
			}
		}()
		synctest.Wait()
		cancel(gone)
		synctest.Wait()
		if len(u.turns.waiting) != 0 {
			t.Error("it is still in the line")
		}
		first.Release()
		second, err := u.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second.Release()
		if _, err := u.Acquire(ctx); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAfterAFailureOthersWaitForTheRunToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, over := errors.New("broken"), errors.New("the run is over")
		u := &Unit{name: `database "x"`}
		u.fail(broken)
		u.fail(errors.New("an echo"))
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			if _, err := u.Acquire(ctx); !errors.Is(err, over) {
				t.Errorf("got %v", err)
			}
		}()
		synctest.Wait()
		cancel(over)
		synctest.Wait()

		// A run that goes on all the same is told.
		begin := time.Now()
		_, err := u.Acquire(t.Context())
		var aborted *AbortedError
		if !errors.As(err, &aborted) || !errors.Is(err, broken) || time.Since(begin) != echoDelay {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		if u.turns.holder != nil {
			t.Error("the turn is kept")
		}
	})
}
