package pgcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// pgxEncoder encodes by pgx's plans for a column's type: other types of column,
// other types of field. It boxes each value. nil if pgx has no way.
func (c *compiler) pgxEncoder(t reflect.Type, w *wireType) (encodeFunc, string) {
	if w.kind == kindJSON || w.kind == kindJSONB {
		if why := jsonLoses(t); why != "" {
			return nil, "and " + why
		}
	}
	if !c.pgxTakes(t, w) {
		return nil, ""
	}
	if w.kind != kindJSON && w.kind != kindJSONB && t.Implements(valuerType) && !isOfPgx(t) && !isLibrary(t) && (t.Kind() != reflect.Pointer || !isLibrary(t.Elem())) {
		return c.valuerEncoder(t, w), ""
	}
	if t.Kind() == reflect.Pointer && (hasOwnEncoding(t.Elem()) || !hasOwnEncoding(t)) {
		// Not by pgx, which calls methods of a nil pointer.
		inner, why := c.pgxEncoder(t.Elem(), w)
		if inner == nil {
			return nil, why
		}
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			target := *(*unsafe.Pointer)(p)
			if target == nil {
				return appendNull(dst), nil
			}
			return inner(dst, target)
		}, ""
	}
	sample := reflect.New(t).Elem().Interface()
	m := c.pgxMap(sample)
	oid := w.oid
	plan := m.PlanEncode(oid, pgtype.BinaryFormatCode, sample)
	if plan == nil || isLibrary(t) && strings.HasSuffix(reflect.TypeOf(plan).String(), "encodePlanDriverValuer") {
		return nil, ""
	}
	byPointer := false // for methods that only a pointer has
	switch w.kind {
	case kindJSON, kindJSONB:
		byPointer = t.Kind() == reflect.Struct
	}
	return func(dst []byte, p unsafe.Pointer) (out []byte, err error) {
		v := reflect.NewAt(t, p).Elem().Interface()
		if byPointer {
			v = reflect.NewAt(t, p).Interface()
		}
		if addr, ok := v.(netip.Addr); ok && addr.Zone() != "" {
			return dst, valueErr(addr.String(), "has a zone, which "+w.name+" does not hold")
		}
		defer func() {
			if recover() != nil { // slices of slices of other lengths
				out, err = dst, &ValueError{Value: showValue(v), Reason: "cannot be written as " + w.name + ": the slices within it differ in length"}
			}
		}()
		start := len(dst)
		dst = appendNull(dst)
		out, err = m.Encode(oid, pgtype.BinaryFormatCode, v, dst)
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
	}, ""
}

// valuerEncoder encodes what a type's Value method gives, by the plan for that.
func (c *compiler) valuerEncoder(t reflect.Type, w *wireType) encodeFunc {
	encode := c.interfaceEncoder(reflect.TypeFor[any](), w)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		v, err := driverValue(reflect.NewAt(t, p).Elem())
		if err != nil {
			return dst, &ValueError{Reason: fmt.Sprintf("%s has no database value", t), Err: err}
		}
		given := any(v)
		return encode(dst, unsafe.Pointer(&given))
	}
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
