package sources

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

const (
	// maxRaw is the largest record, in bytes, that a reject carries.
	maxRaw = 1 << 20
	// maxErrorRaw is how much of a record that was given up half-way its error carries.
	maxErrorRaw = 64 << 10
	// defaultMaxRecord is what MaxRecord 0 means.
	defaultMaxRecord = 16 << 20
)

// reject makes a reject of what was wrong with a record. rec is nil when it could
// not be cut into fields.
func (r *csvReading[T]) reject(e *csvcodec.Error, rec *csvcodec.Record) pipeline.Reject {
	column, reason := e.ColumnName, e.Reason
	if column == "" && e.Column > 0 {
		if e.Column <= len(r.header) {
			column = r.header[e.Column-1]
		} else {
			reason = fmt.Sprintf("field %d: %s", e.Column, reason)
		}
	}
	raw := r.raw(e, rec)
	if raw == nil {
		reason += " (the record is too long to be kept)"
	}
	return pipeline.Reject{
		Source: r.name,
		Line:   int64(e.Line),
		Offset: e.Offset,
		Raw:    raw,
		Column: column,
		Value:  e.Value,
		Reason: reasonAfter(e.Value, reason),
	}
}

// raw returns the whole record or nothing: a line that was cut must not be
// taken for one that can be mended.
func (r *csvReading[T]) raw(e *csvcodec.Error, rec *csvcodec.Record) []byte {
	if rec != nil {
		if whole := rec.Raw(); len(whole) <= maxRaw {
			return bytes.Clone(whole)
		}
		return nil
	}
	limit := r.maxRecord
	if limit == 0 {
		limit = defaultMaxRecord
	}
	// What reaches a limit was cut there.
	if len(e.Raw) >= min(maxErrorRaw, limit) ||
		errors.Is(e, csvcodec.ErrRecordTooLarge) || errors.Is(e, csvcodec.ErrTooManyColumns) {
		return nil
	}
	return e.Raw
}

// reasonAfter takes the value from the beginning of a reason, since a reject says
// it beside the reason: `"abc" is not an integer`. Reasons can then be counted.
func reasonAfter(value, reason string) string {
	if value == "" {
		return reason // which shows the empty value, if that is what it is about
	}
	rest, ok := strings.CutPrefix(reason, strconv.Quote(value))
	if !ok {
		return "cannot be read: " + reason
	}
	rest = strings.TrimPrefix(rest, "...")
	if own, ok := strings.CutPrefix(rest, ": "); ok { // the error of the field's own type
		return "cannot be read: " + own
	}
	return strings.TrimPrefix(rest, " ")
}
