package pgcodec

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"github.com/millrace/millrace/internal/cleantext"
)

// ValueError says that a value cannot be converted. The record that holds it
// was not converted; the codec can go on with the next one.
type ValueError struct {
	Column string // the column's name
	Field  string // the struct's field, such as "Quantity" or "Address.City"

	// Value is the value as text, strings in quotes, cut to about 100 bytes.
	// Empty for null, and where the text would say nothing.
	Value string

	// Reason continues a sentence that begins with the value: "is out of range for integer".
	Reason string

	Err error // the cause, if another package found it

	// Null is true if the value is null and the field has no room for it.
	Null bool
}

// Error gives place, value, reason and cause:
//
//	column "quantity": 3000000000 is out of range for integer
func (e *ValueError) Error() string {
	var b strings.Builder
	if e.Null {
		return fmt.Sprintf("column %q is null, and %s", e.Column, e.Reason)
	}
	if e.Column != "" {
		b.WriteString("column " + strconv.Quote(e.Column) + ": ")
	}
	if e.Value != "" {
		b.WriteString(e.Value + " ")
	}
	b.WriteString(e.Reason)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *ValueError) Unwrap() error { return e.Err }

// MissingColumnError says that a field has no column, or that a column which
// must have a value has no field.
type MissingColumnError struct {
	Field   string   // the field without a column; empty where a column lacks its field
	Column  string   // the column that was looked for, or that lacks a field
	Present []string // the columns there are; where a column lacks its field, the struct's names
	Nearest string   // the nearest spelling among Present; empty if none is near
}

// Error names the column, what is there, and the nearest spelling.
func (e *MissingColumnError) Error() string {
	var b strings.Builder
	if e.Field != "" {
		fmt.Fprintf(&b, "field %s: there is no column %q; the columns are %s", e.Field, e.Column, quoteList(e.Present))
	} else {
		fmt.Fprintf(&b, "column %q is not null and has no default, and no field supplies it; the struct has %s", e.Column, quoteList(e.Present))
	}
	if e.Nearest != "" {
		fmt.Fprintf(&b, "; the nearest is %q", e.Nearest)
	}
	return b.String()
}

// TypeError says that a field and its column cannot be converted to each other.
type TypeError struct {
	Field  string       // the struct's field
	GoType reflect.Type // the field's type
	Column string
	Type   string // the column's type as SQL writes it
	Fits   string // Go types that would fit, as text: "int64 or pgtype.Int8"
	Reason string // if there is more to say
}

// Error names field, Go type, column, column type and what would fit:
//
//	field Quantity (string): column "quantity" is bigint; int64, *int64 or pgtype.Int8 would fit
func (e *TypeError) Error() string {
	s := fmt.Sprintf("field %s (%s): column %q is %s", e.Field, e.GoType, e.Column, e.Type)
	if e.Reason != "" {
		s += ", " + e.Reason
	}
	if e.Fits != "" {
		s += "; " + e.Fits + " would fit"
	}
	return s
}

// Nearest returns the candidate that is closest to name by edit distance,
// letter case aside, or "" if none is close enough to be a misspelling of it.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", max(2, utf8.RuneCountInString(name)/3)+1
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(lower, strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// quoteList writes names for a message; a very wide table is cut.
func quoteList(names []string) string {
	const most = 40
	if len(names) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(n))
	}
	return b.String()
}

// valueErr makes the error of a single value; the plan's owner adds the column.
func valueErr(value, reason string) *ValueError {
	return &ValueError{Value: value, Reason: reason}
}

// quoteValue shows a string in a message: quoted, cut.
func quoteValue(s string) string { return cleantext.Quote(s, 100) }

// asValueError gives an error of a value its column and field.
func asValueError(err error, column, field string) error {
	var v *ValueError
	if !errors.As(err, &v) {
		v = &ValueError{Reason: "cannot be converted", Err: err}
	}
	v.Column, v.Field = column, field
	return v
}

// malformed says that bytes are not what the type's format prescribes, which
// happens if the column was described as another type, or text is read as binary.
func malformed(typeName string, size int) error {
	return &ValueError{Reason: fmt.Sprintf("a value of %d bytes is not in the binary format of %s", size, typeName)}
}
