package pgcodec

import (
	"database/sql/driver"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// floatNumericEncoder writes a float in the fewest digits that read back as the
// same float.
func floatNumericEncoder[G float](w *wireType) encodeFunc {
	bits := int(unsafe.Sizeof(G(0))) * 8
	limit := newNumericLimit(w)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		v := float64(*(*G)(p))
		switch {
		case math.IsNaN(v):
			return appendNumericSpecial(dst, numericNaN), nil
		case math.IsInf(v, 1):
			return appendNumericSpecial(dst, numericPosInf), nil
		case math.IsInf(v, -1):
			return appendNumericSpecial(dst, numericNegInf), nil
		}
		var buf [32]byte
		return appendNumericText(dst, strconv.AppendFloat(buf[:0], v, 'g', -1, bits), limit)
	}
}

// decimalEncoder encodes types that hold a decimal number, by the fastest way
// that they offer: coefficient and scale, text appended to a buffer, a database
// value. nil if it is none.
func decimalEncoder(t reflect.Type, w *wireType) encodeFunc {
	limit := newNumericLimit(w)
	if isDecimal(t) {
		return coefEncoder(t, limit)
	}
	if t.Kind() != reflect.Struct || isPgtype(t) || isForAnother(t) {
		return nil
	}
	if t.Implements(valuerType) {
		return valuerNumericEncoder(t, limit)
	}
	return textNumericEncoder(t, limit)
}

// isForAnother is true for types of the libraries that write text, and no number.
func isForAnother(t reflect.Type) bool {
	switch t.PkgPath() {
	case "github.com/jackc/pgx/v5/pgtype", "database/sql", "net/netip", "time":
		return true
	}
	return false
}

// isPgtype is true for types that speak pgx's own interfaces for numbers, which
// pgx's plans then use.
func isPgtype(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[pgtype.NumericValuer]()) ||
		t.Implements(reflect.TypeFor[pgtype.Int64Valuer]()) ||
		t.Implements(reflect.TypeFor[pgtype.Float64Valuer]())
}

func coefEncoder(t reflect.Type, limit numericLimit) encodeFunc {
	proto := reflect.New(t).Interface().(exactNumber)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		d := bind(proto, p)
		coef, scale := d.Coef(), d.Scale()
		if scale < 0 || scale >= len(pow10) {
			return appendMarshaled(dst, d, limit)
		}
		if limit.exceeded(coef, scale) {
			return dst, valueErr(fmt.Sprint(d), "is out of range for "+limit.name)
		}
		if limit.rounded(coef, scale) {
			return dst, limit.tooPrecise(fmt.Sprint(d))
		}
		return appendNumeric(dst, d.Sign() < 0, coef, scale), nil
	}
}

func valuerNumericEncoder(t reflect.Type, limit numericLimit) encodeFunc {
	proto := reflect.New(t).Interface().(driver.Valuer)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		v, err := bind(proto, p).Value()
		if err != nil {
			return dst, &ValueError{Reason: fmt.Sprintf("%s has no database value", t), Err: err}
		}
		var buf [32]byte
		switch v := v.(type) {
		case nil:
			return appendNull(dst), nil
		case string:
			return appendNumericText(dst, append(buf[:0], v...), limit)
		case []byte:
			return appendNumericText(dst, v, limit)
		case int64:
			return appendNumericText(dst, strconv.AppendInt(buf[:0], v, 10), limit)
		case float64:
			return appendNumericText(dst, strconv.AppendFloat(buf[:0], v, 'g', -1, 64), limit)
		}
		return dst, valueErr(fmt.Sprint(v), fmt.Sprintf("(%T) is not a number", v))
	}
}

// textNumericEncoder encodes what writes itself as text, such as big.Int.
func textNumericEncoder(t reflect.Type, limit numericLimit) encodeFunc {
	switch proto := reflect.New(t).Interface().(type) {
	case encoding.TextAppender:
		scratch := make([]byte, 0, 64)
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			text, err := bind(proto, p).AppendText(scratch[:0])
			if err != nil {
				return dst, &ValueError{Reason: fmt.Sprintf("%s cannot be written as text", t), Err: err}
			}
			return appendNumericText(dst, text, limit)
		}
	case encoding.TextMarshaler:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendMarshaled(dst, bind(proto, p), limit)
		}
	}
	return nil
}

func appendMarshaled(dst []byte, m encoding.TextMarshaler, limit numericLimit) ([]byte, error) {
	text, err := m.MarshalText()
	if err != nil {
		return dst, &ValueError{Reason: fmt.Sprintf("%T cannot be written as text", m), Err: err}
	}
	return appendNumericText(dst, text, limit)
}

// pgNumericEncoder encodes a pgtype.Numeric of up to 19 digits by itself and a
// longer one through its decimal digits.
func pgNumericEncoder(w *wireType) encodeFunc {
	if w.kind != kindNumeric {
		return nil
	}
	limit := newNumericLimit(w)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		n := (*pgtype.Numeric)(p)
		switch {
		case !n.Valid:
			return appendNull(dst), nil
		case n.NaN:
			return appendNumericSpecial(dst, numericNaN), nil
		case n.InfinityModifier == pgtype.Infinity:
			return appendNumericSpecial(dst, numericPosInf), nil
		case n.InfinityModifier == pgtype.NegativeInfinity:
			return appendNumericSpecial(dst, numericNegInf), nil
		case n.Int == nil:
			return appendNumeric(dst, false, 0, 0), nil
		}
		if scale := -int(n.Exp); scale >= 0 && scale < len(pow10) && n.Int.IsInt64() {
			v := n.Int.Int64()
			coef := uint64(v)
			if v < 0 {
				coef = -coef
			}
			if !limit.exceeded(coef, scale) && !limit.rounded(coef, scale) {
				return appendNumeric(dst, v < 0, coef, scale), nil
			}
		}
		var buf [96]byte
		text := append(n.Int.Append(buf[:0], 10), 'e')
		return appendNumericText(dst, strconv.AppendInt(text, int64(n.Exp), 10), limit)
	}
}
