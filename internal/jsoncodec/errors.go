package jsoncodec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/cleantext"
)

// What can be wrong with a record, beside what a type's own method says.
var (
	ErrRecordTooLarge = errors.New("record too large")
	ErrNotObject      = errors.New("not an object")
	ErrNull           = errors.New("null")
	ErrInexact        = errors.New("number not held")
)

// An Error is one bad record. The scanner stands behind it.
type Error struct {
	// Line is the line, from 1, on which the record begins.
	Line int
	// Path leads to what is wrong within the record: items[2].price. Empty for the record as a whole.
	Path string
	// Offset is the record's first byte in the (decompressed) input, from 0.
	Offset int64
	// Value is the JSON that is wrong, cut to 100 bytes; empty when the record as a whole is wrong.
	Value string
	// Raw is a copy of the record, cut to 64 KiB.
	Raw []byte
	// Cut tells that Raw is not all of it.
	Cut bool
	// Reason says what is wrong, as the end of a sentence that begins with the value where there is one.
	Reason string
	// Err is the cause, nil where Reason is all there is.
	Err error
}

const (
	maxErrorValue = 100
	maxErrorRaw   = 64 << 10
)

// Error returns the place, the value and the reason, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d: ", e.Line)
	if e.Path != "" {
		fmt.Fprintf(&b, "%s: ", e.Path)
	}
	if e.Value != "" {
		fmt.Fprintf(&b, "%s ", quote([]byte(e.Value)))
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// An InputError says that an input as a whole is not what can be read here, or not from some place on.
type InputError struct {
	Line   int    // from 1; 0 where the whole input is meant
	What   string // is met: "the input is a zip archive"
	Advice string // is to be done; may be empty
}

func (e *InputError) Error() string {
	s := e.What
	if e.Line > 0 {
		s = fmt.Sprintf("line %d: %s", e.Line, s)
	}
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// quote shows a value in a message: quoted, cut, with an ellipsis when it was.
func quote(b []byte) string { return cleantext.Quote(b, maxErrorValue) }
