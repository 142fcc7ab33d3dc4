package runs

import (
	"errors"
	"fmt"
)

// The kinds of mistakes that a caller can make; all else is trouble of the service. The
// messages of such errors are made for callers: they hold no SQL and no secrets.
var (
	ErrNotFound = errors.New("not found")
	ErrInvalid  = errors.New("invalid")
	ErrConflict = errors.New("conflict")
)

// Error is a mistake of a caller.
type Error struct {
	Kind    error  // ErrNotFound, ErrInvalid or ErrConflict
	Field   string // what of the request is wrong: "params.day", "from"; may be empty
	Message string
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func notFound(format string, args ...any) error {
	return &Error{Kind: ErrNotFound, Message: fmt.Sprintf(format, args...)}
}

func invalid(field, format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &Error{Kind: ErrConflict, Message: fmt.Sprintf(format, args...)}
}

// trouble names the place of an error that is not the caller's mistake.
func trouble(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, mine := errors.AsType[*Error](err); mine {
		return err
	}
	return fmt.Errorf("runs: %s: %w", what, err)
}
