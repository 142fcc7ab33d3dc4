package pgcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// pgxEncoder encodes whatever pgx can: other types of column, other types of
// field. It boxes each value. A string that pgx has no binary plan for is parsed
// as text of the column's type, as pgx's CopyFrom does. nil if pgx has no way.
func (c *compiler) pgxEncoder(t reflect.Type, w *wireType) encodeFunc {
	sample := reflect.New(t).Elem().Interface() // nil for an interface type
	m := c.pgxMap(sample)
	oid := w.oid
	byText := t.Kind() == reflect.String || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.String || t.Kind() == reflect.Interface
	if sample != nil && m.PlanEncode(oid, pgtype.BinaryFormatCode, sample) == nil && (!byText || w.kind == kindUnknown) {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		v := reflect.NewAt(t, p).Elem().Interface()
		start := len(dst)
		dst = appendNull(dst)
		out, err := m.Encode(oid, pgtype.BinaryFormatCode, v, dst)
		if err != nil && byText {
			if parsed, ok := encodeParsed(m, oid, v, dst); ok {
				out, err = parsed, nil
			}
		}
		if err != nil {
			return dst, &ValueError{Value: showValue(v), Reason: "cannot be written as " + w.name, Err: cause(err)}
		}
		if out == nil {
			return dst, nil // null
		}
		size := len(out) - start - 4
		if size > maxValue {
			return dst, tooLong(size)
		}
		binary.BigEndian.PutUint32(out[start:], uint32(size))
		return out, nil
	}
}

// encodeParsed reads a string as text of the type, and encodes what that gave.
func encodeParsed(m *pgtype.Map, oid uint32, v any, dst []byte) ([]byte, bool) {
	text, err := m.Encode(oid, pgtype.TextFormatCode, v, nil)
	if err != nil || text == nil {
		return nil, false
	}
	var parsed any
	if t, ok := m.TypeForOID(oid); ok {
		if _, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			parsed = &pgtype.Array[any]{} // keeps dimensions
		}
	}
	if parsed == nil {
		err = m.Scan(oid, pgtype.TextFormatCode, text, &parsed)
	} else {
		err = m.Scan(oid, pgtype.TextFormatCode, text, parsed)
	}
	if err != nil {
		return nil, false
	}
	out, err := m.Encode(oid, pgtype.BinaryFormatCode, parsed, dst)
	return out, err == nil && out != nil
}

// showValue writes any value for a message, cut.
func showValue(v any) string {
	switch v := v.(type) {
	case string:
		return quoteValue(v)
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && !rv.IsNil() {
		return showValue(rv.Elem().Interface())
	}
	return cutNumber(fmt.Appendf(nil, "%v", v))
}

// cause takes from pgx's error the part that says why; the value and the type,
// which the rest repeats at any length, are in the ValueError.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
