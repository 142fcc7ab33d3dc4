package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/millrace/millrace/internal/sqlstate"
)

// StageError says which stage of which pipeline failed. [errors.Is] and
// [errors.As] see through it.
type StageError struct {
	Pipeline string
	Stage    string // empty when the trouble is with the pipeline as a whole
	Err      error
}

func (e *StageError) Error() string {
	if e.Stage == "" {
		return fmt.Sprintf("%s: %v", e.Pipeline, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Pipeline, e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *StageError) Unwrap() error { return e.Err }

// ValidationError holds everything that was found wrong before the start. Each
// problem is a [*StageError].
type ValidationError struct {
	Pipeline string
	Problems []error
}

func (e *ValidationError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d problems, nothing was moved:", e.Pipeline, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(strings.TrimPrefix(p.Error(), e.Pipeline+": "))
	}
	return b.String()
}

// Unwrap returns the problems.
func (e *ValidationError) Unwrap() []error { return e.Problems }

// PanicError is the error of a stage that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error leaves the stack out, which the run's log has.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var errGoexit = errors.New("the stage ended its goroutine (runtime.Goexit, or a test's FailNow) instead of returning")

// protect calls f and makes an error of a panic.
func protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Permanent(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return f()
}

// CancelledError is what a run returns when it was cancelled rather than
// failed: errors.Is(err, context.Canceled) holds.
type CancelledError struct {
	Pipeline string
	Cause    error // who or what cancelled it
}

func (e *CancelledError) Error() string {
	if e.Cause == nil || errors.Is(e.Cause, context.Canceled) && e.Cause.Error() == context.Canceled.Error() {
		return e.Pipeline + ": cancelled; everything was rolled back"
	}
	return fmt.Sprintf("%s: cancelled: %v; everything was rolled back", e.Pipeline, e.Cause)
}

// Unwrap returns the cause.
func (e *CancelledError) Unwrap() error { return e.Cause }

// Is reports a cancellation also when the cause is another error.
func (e *CancelledError) Is(target error) bool { return target == context.Canceled }

// CommitError says that the commit of a run failed. While [CommitError.Committed]
// is empty, nothing of the run is visible, unless the outcome is Unknown.
type CommitError struct {
	Committed []string // the units that had been committed before
	Failed    string   // the unit whose commit failed
	Unknown   bool     // the answer was lost: the unit may or may not be committed
	Err       error
}

func (e *CommitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "commit of %s: %v", e.Failed, e.Err)
	if e.Unknown {
		b.WriteString("; the answer was lost, so it may or may not have been committed")
	}
	if len(e.Committed) > 0 {
		fmt.Fprintf(&b, "; already committed: %s", strings.Join(e.Committed, ", "))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *CommitError) Unwrap() error { return e.Err }

// Fail ends the run as if the stage that ctx belongs to had returned err. It is for
// the helper goroutines of a stage whose own goroutine may be waiting for input:
// the wait then ends with an error. The first failure of a run counts; outside a
// stage Fail does nothing.
func Fail(ctx context.Context, err error) {
	if s := scopeFrom(ctx); s != nil && s.node != nil && err != nil {
		s.node.fail(err)
	}
}

// Permanent marks an error as not worth retrying. A nil error stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &markedError{err: err, permanent: true}
}

// Transient marks an error as worth retrying, whatever it is. A nil error stays nil.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return &markedError{err: err}
}

type markedError struct {
	err       error
	permanent bool
}

func (e *markedError) Error() string   { return e.err.Error() }
func (e *markedError) Unwrap() error   { return e.err }
func (e *markedError) Permanent() bool { return e.permanent }

// IsPermanent tells whether a failed run is not worth retrying. The error is asked, from the outside in:
//
//   - Permanent() bool decides, where an error has that method, as those of [Permanent] and [Transient] have;
//   - a cancellation is permanent;
//   - SQLState() string, which pgconn.PgError has, makes an error permanent unless the code says that the
//     connection or the circumstances failed rather than the statement
//     (https://www.postgresql.org/docs/current/errcodes-appendix.html).
//
// Rejects past the budget and panics are marked as permanent. All else is worth another try.
func IsPermanent(err error) bool {
	var all *ValidationError
	if errors.As(err, &all) {
		for _, p := range all.Problems {
			if IsPermanent(errors.Unwrap(p)) {
				return true
			}
		}
		return false
	}
	var says interface{ Permanent() bool }
	if errors.As(err, &says) {
		return says.Permanent()
	}
	var cancelled *CancelledError
	if errors.As(err, &cancelled) || errors.Is(err, context.Canceled) {
		return true
	}
	var sql interface{ SQLState() string }
	if errors.As(err, &sql) {
		return !sqlstate.Transient(sql.SQLState())
	}
	return false
}
