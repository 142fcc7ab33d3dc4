package csvcodec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/cleantext"
)

// What can be wrong with a record or a value. An *[Error] wraps one of these
// where it applies, so that errors.Is tells them apart.
var (
	// ErrBareQuote says that a quote stands inside a field that does not begin with one.
	ErrBareQuote = errors.New("a quote inside a field that is not quoted")
	// ErrTextAfterQuote says that something other than a delimiter or a line end follows a closing quote.
	ErrTextAfterQuote = errors.New("text after the closing quote")
	// ErrUnterminated says that the input ended inside a quoted field.
	ErrUnterminated = errors.New("a quoted field is not closed before the end of the input")
	// ErrRecordTooLarge says that a record is larger than ScanOptions.MaxRecord.
	ErrRecordTooLarge = errors.New("record too large")
	// ErrTooManyColumns says that a record has more fields than ScanOptions.MaxColumns.
	ErrTooManyColumns = errors.New("too many columns")
	// ErrFieldCount says that a record has not as many fields as the header.
	ErrFieldCount = errors.New("wrong number of fields")
	// ErrSyntax says that a value is not of its column's type.
	ErrSyntax = errors.New("wrong syntax")
	// ErrRange says that a value is of the right kind but does not fit its field.
	ErrRange = errors.New("out of range")
	// ErrInvalidUTF8 says that a text value is not UTF-8.
	ErrInvalidUTF8 = errors.New("invalid UTF-8")
	// ErrNUL says that a text value holds a NUL byte.
	ErrNUL = errors.New("NUL byte in text")
	// ErrNull says that a value is NULL where the field cannot hold it.
	ErrNull = errors.New("NULL in a field that is not a pointer")
	// ErrNoValue says that a value is empty where the field cannot be.
	ErrNoValue = errors.New("no value")
	// ErrEmpty says that the input ended before its header.
	ErrEmpty = errors.New("the input is empty: there is no header")
)

// An Error is one bad record: where it is, what it held and what is wrong.
// Its message is the place first and the cause last,
//
//	line 7: column "quantity": "abc" is not an integer
//
// and the caller prefixes the name of the file. After an *Error the scanner
// stands at the next record, so a caller may note the error and go on.
type Error struct {
	// Line is the physical line, from 1, on which the record begins.
	Line int
	// Column is the field's position in the record, from 1; 0 when the record as a whole is wrong.
	Column int
	// ColumnName is the column's name in the header, empty when it is not known.
	ColumnName string
	// Offset is the record's first byte in the (decompressed) input, from 0.
	Offset int64
	// Value is the field's text, cut to 100 bytes; empty when the record as a whole is wrong.
	Value string
	// Raw is a copy of the record's bytes with its line ending, cut to 64 KiB (and to MaxRecord).
	Raw []byte
	// Reason says what is wrong, as the end of a sentence that begins with the
	// value where there is one: `"abc" is not an integer`. Where a type converts
	// itself its error comes behind the value, which "..." stands for there.
	Reason string
	// Err is the cause: one of this package's Err variables or a conversion's own error.
	Err error
}

// Error returns the place and the reason, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("line ")
	b.WriteString(strconv.Itoa(e.Line))
	b.WriteString(": ")
	switch {
	case e.ColumnName != "":
		b.WriteString("column ")
		b.WriteString(strconv.Quote(e.ColumnName))
		if errors.Is(e.Err, ErrNoValue) {
			b.WriteString(" ") // the column is what is empty
			break
		}
		b.WriteString(": ")
	case e.Column > 0:
		b.WriteString("field ")
		b.WriteString(strconv.Itoa(e.Column))
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

const (
	maxErrorValue = 100
	maxErrorRaw   = 64 << 10
)

// cutValue shortens a value for an error, between two runes.
func cutValue(b []byte) string { return string(cleantext.Cut(b, maxErrorValue)) }

// quoteValue shows a value in a message: quoted, cut, with an ellipsis when it was.
func quoteValue(b []byte) string { return cleantext.Quote(b, maxErrorValue) }

// ownFault is for a type that converts itself: its own error is the best there is,
// but many say the value too, some the column, and each is to be read once. An error that
// begins with the value needs nothing in front; elsewhere the value, which may be long, is
// replaced. One that is not quoted is left: it may as well be a word of the sentence.
func ownFault(column string, value []byte, err error) *fault {
	whole, shown := strconv.Quote(string(value)), quoteValue(value)
	text := strings.TrimPrefix(err.Error(), "column "+strconv.Quote(column)+": ")
	if rest, ok := strings.CutPrefix(text, whole); ok && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, ": ")) {
		text = rest
	} else {
		text = ": " + text
	}
	return &fault{shown + strings.ReplaceAll(text, whole, "..."), err}
}

// cutRaw copies a record for an error. The scanner's own bytes are overwritten soon.
func cutRaw(b []byte, limit int) []byte {
	return append([]byte(nil), b[:min(len(b), limit)]...)
}

// A HeaderError says how a header and a struct do not fit. It is not a matter
// of one record: nothing of the input can be read.
type HeaderError struct {
	// Line is the header's line, from 1; 0 when the names did not come from the input.
	Line int
	// Missing are the names that the struct has and the header has not.
	Missing []string
	// Nearest holds, for each of Missing, the name in the header that is spelled most alike; empty when none is near.
	Nearest []string
	// Duplicate is a name that the struct needs and the header has twice.
	Duplicate string
	// Unknown are names in the header that the struct lacks, where they are refused.
	Unknown []string
	// Present are the header's names.
	Present []string
	// Hint is a guess at the cause, empty when there is none.
	Hint string
}

// Error names what is missing, what is there and what is spelled most alike.
func (e *HeaderError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if len(e.Unknown) > 0 {
		fmt.Fprintf(&b, "the struct has no field for %s, and OnlyColumns is set", quoteAll(e.Unknown))
	} else if e.Duplicate != "" {
		fmt.Fprintf(&b, "column %q appears more than once in the header", e.Duplicate)
	} else {
		for i, name := range e.Missing {
			switch {
			case i > 0:
				b.WriteString(", ")
			case len(e.Missing) == 1:
				b.WriteString("column ")
			default:
				b.WriteString("columns ")
			}
			b.WriteString(strconv.Quote(name))
			if i < len(e.Nearest) && e.Nearest[i] != "" {
				fmt.Fprintf(&b, " (nearest: %q)", e.Nearest[i])
			}
		}
		if len(e.Missing) == 1 {
			b.WriteString(" is missing")
		} else {
			b.WriteString(" are missing")
		}
	}
	const show = 20
	b.WriteString("; the header has ")
	for i, name := range e.Present[:min(len(e.Present), show)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteValue([]byte(name)))
	}
	if n := len(e.Present) - show; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}
