package pgcodec

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// Text is the form that every type has. A field that holds text meets a column
// of a type outside the compiled set by it: the server reads what the field
// holds as it would read a literal, and writes what the field gets.

// asText gives the type by which a field that holds text meets w: text, or an
// array of it. nil if t holds no text.
func (w *wireType) asText(t reflect.Type) *wireType {
	switch {
	case holdsText(t):
		return &wireType{kind: kindText, oid: pgtype.TextOID, typmod: -1, name: w.name}
	case w.kind == kindArray && holdsTexts(t):
		elem := &wireType{kind: kindText, oid: pgtype.TextOID, typmod: -1, name: w.elem.name}
		return &wireType{kind: kindArray, oid: pgtype.TextArrayOID, typmod: -1, name: w.name, elem: elem, delim: w.delim}
	}
	return nil
}

// holdsText is true for strings, named types of them, pointers to them, and the
// structs that hold one beside a flag Valid.
func holdsText(t reflect.Type) bool {
	if value, _, ok := nullable(t); ok {
		return holdsText(value.Type)
	}
	if hasOwnEncoding(t) || hasOwnDecoding(t) {
		return false
	}
	if t.Kind() == reflect.Pointer {
		return holdsText(t.Elem())
	}
	return t.Kind() == reflect.String
}

// holdsTexts is true for slices of what holds text, slices of those, and
// pointers to them.
func holdsTexts(t reflect.Type) bool {
	if hasOwnEncoding(t) || hasOwnDecoding(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Pointer:
		return holdsTexts(t.Elem())
	case reflect.Slice:
		return holdsText(t.Elem()) || holdsTexts(t.Elem())
	}
	return false
}

// noInput holds the types that the server reads in no form: it makes their
// values by itself.
var noInput = map[uint32]bool{
	194:  true, // pg_node_tree
	3361: true, // pg_ndistinct
	3402: true, // pg_dependencies
	3642: true, // gtsvector
	4600: true, // pg_brin_bloom_summary
	4601: true, // pg_brin_minmax_multi_summary
	5017: true, // pg_mcv_list
}

// takesNothing reports whether the server reads no values of the type.
func (w *wireType) takesNothing() bool {
	return noInput[w.oid] || w.kind == kindArray && w.elem.takesNothing()
}

// textEncoderFor plans the encoding of a field that goes as text which the server
// reads: what holds text, and what gives the database text by its own account (a
// Value method). nil if t is neither.
func (c *compiler) textEncoderFor(t reflect.Type, w *wireType) (encodeFunc, *wireType) {
	if text := w.asText(t); text != nil && w.kind != kindBytea {
		if f := c.compiledEncoder(t, text); f != nil {
			return f, text
		}
		f, _ := c.pgxEncoder(t, text)
		return f, text
	}
	if !t.Implements(valuerType) || isOfPgx(t) || isLibrary(t) || t.Kind() == reflect.Pointer && isLibrary(t.Elem()) {
		return nil, nil
	}
	text := &wireType{kind: kindText, oid: pgtype.TextOID, typmod: -1, name: w.name}
	return valuerTextEncoder(t, text), text
}

// isOfPgx is true for types that speak pgx's own interfaces.
func isOfPgx(t reflect.Type) bool {
	for _, i := range ownEncodings {
		if t.Implements(i) {
			return true
		}
	}
	return t.PkgPath() == "github.com/jackc/pgx/v5/pgtype"
}

func valuerTextEncoder(t reflect.Type, w *wireType) encodeFunc {
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		v, err := driverValue(reflect.NewAt(t, p).Elem())
		if err != nil {
			return dst, &ValueError{Reason: fmt.Sprintf("%s has no database value", t), Err: err}
		}
		switch v := v.(type) {
		case nil:
			return appendNull(dst), nil
		case string:
			return appendText(dst, v, w, 0)
		}
		return dst, valueErr(showValue(v), fmt.Sprintf("(%T) is what %s gives, and a column of type %s takes text", v, t, w.name))
	}
}

// driverValue calls Value, and takes a nil pointer for null as database/sql does.
func driverValue(v reflect.Value) (driver.Value, error) {
	if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		return nil, nil
	}
	return v.Interface().(driver.Valuer).Value()
}

// textFunc appends the text of a value that is in the binary format.
type textFunc func(dst, value []byte) ([]byte, error)

// textWriter plans how a value that was encoded for a binary COPY is written as
// text, for tuples that go as text because of another of their values.
func (c *compiler) textWriter(w *wireType) textFunc {
	switch w.kind {
	case kindText, kindJSON:
		return func(dst, value []byte) ([]byte, error) { return append(dst, value...), nil }
	case kindJSONB:
		return func(dst, value []byte) ([]byte, error) { return append(dst, value[1:]...), nil }
	case kindBool:
		return func(dst, value []byte) ([]byte, error) { return append(dst, "ft"[value[0]]), nil }
	case kindInt2, kindInt4, kindInt8:
		return func(dst, value []byte) ([]byte, error) { return strconv.AppendInt(dst, readInt(value), 10), nil }
	case kindFloat4:
		return func(dst, value []byte) ([]byte, error) {
			return appendFloatText(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(value))), 32), nil
		}
	case kindFloat8:
		return func(dst, value []byte) ([]byte, error) {
			return appendFloatText(dst, math.Float64frombits(binary.BigEndian.Uint64(value)), 64), nil
		}
	case kindNumeric:
		return func(dst, value []byte) ([]byte, error) {
			n, err := readNumeric(value)
			if err != nil {
				return dst, err
			}
			return n.appendText(dst), nil
		}
	case kindBytea:
		return func(dst, value []byte) ([]byte, error) { return hex.AppendEncode(append(dst, `\x`...), value), nil }
	case kindUUID:
		return func(dst, value []byte) ([]byte, error) { return appendUUID(dst, value), nil }
	case kindDate:
		return func(dst, value []byte) ([]byte, error) { return appendDayText(dst, int32(readInt(value))), nil }
	case kindTime:
		return func(dst, value []byte) ([]byte, error) { return appendClock(dst, readInt(value)), nil }
	case kindTimestamp:
		return func(dst, value []byte) ([]byte, error) { return appendMicrosText(dst, readInt(value), ""), nil }
	case kindTimestamptz:
		return func(dst, value []byte) ([]byte, error) { return appendMicrosText(dst, readInt(value), "+00"), nil }
	case kindArray:
		return c.arrayTextWriter(w)
	case kindOther, kindUnknown:
	}
	return c.pgxTextWriter(w)
}

// pgxTextWriter has pgx read the binary form and write the text.
func (c *compiler) pgxTextWriter(w *wireType) textFunc {
	m := c.pgxMap(nil)
	return func(dst, value []byte) ([]byte, error) {
		known, ok := m.TypeForOID(w.oid)
		if !ok {
			return dst, valueErr("", "a value of "+w.name+" has no text form")
		}
		v, err := known.Codec.DecodeValue(m, w.oid, pgtype.BinaryFormatCode, value)
		if err != nil {
			return dst, &ValueError{Reason: "a value of " + w.name + " has no text form", Err: err}
		}
		out, err := m.Encode(w.oid, pgtype.TextFormatCode, v, dst)
		if err != nil {
			return dst, &ValueError{Reason: "a value of " + w.name + " has no text form", Err: cause(err)}
		}
		return out, nil
	}
}

// arrayTextWriter writes {"a","b",NULL}, with the bounds before it where they are
// not the usual ones.
func (c *compiler) arrayTextWriter(w *wireType) textFunc {
	elem := c.textWriter(w.elem)
	delim := w.delimiter()
	var scratch []byte
	return func(dst, value []byte) ([]byte, error) {
		dims := int(binary.BigEndian.Uint32(value))
		if dims == 0 {
			return append(dst, '{', '}'), nil
		}
		sizes := make([]int, dims)
		bounds, usual := []byte(nil), true
		for i := range sizes {
			sizes[i] = int(int32(binary.BigEndian.Uint32(value[12+8*i:])))
			lower := int64(int32(binary.BigEndian.Uint32(value[16+8*i:])))
			usual = usual && lower == 1
			bounds = append(strconv.AppendInt(append(bounds, '['), lower, 10), ':')
			bounds = append(strconv.AppendInt(bounds, lower+int64(sizes[i])-1, 10), ']')
		}
		if !usual {
			dst = append(append(dst, bounds...), '=')
		}
		rest := value[12+8*dims:]
		var nested func(dim int) error
		nested = func(dim int) (err error) {
			dst = append(dst, '{')
			for i := range sizes[dim] {
				if i > 0 {
					dst = append(dst, delim)
				}
				if dim+1 < dims {
					if err := nested(dim + 1); err != nil {
						return err
					}
					continue
				}
				var v []byte
				if v, rest, err = cutValue(rest); err != nil {
					return err
				}
				if v == nil {
					dst = append(dst, "NULL"...)
					continue
				}
				if scratch, err = elem(scratch[:0], v); err != nil {
					return err
				}
				dst = append(dst, '"')
				for _, b := range scratch {
					if b == '"' || b == '\\' {
						dst = append(dst, '\\')
					}
					dst = append(dst, b)
				}
				dst = append(dst, '"')
			}
			dst = append(dst, '}')
			return nil
		}
		return dst, nested(0)
	}
}

// delimiter stands between the elements of an array's text: a comma, but for box.
func (w *wireType) delimiter() byte {
	switch {
	case w.delim != 0:
		return w.delim
	case w.elem != nil && w.elem.oid == pgtype.BoxOID:
		return ';'
	}
	return ','
}

func readInt(value []byte) int64 {
	switch len(value) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(value)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(value)))
	}
	return int64(binary.BigEndian.Uint64(value))
}

func appendFloatText(dst []byte, f float64, bits int) []byte {
	if math.IsInf(f, 0) {
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func appendUUID(dst, id []byte) []byte {
	dst = append(hex.AppendEncode(dst, id[:4]), '-')
	dst = append(hex.AppendEncode(dst, id[4:6]), '-')
	dst = append(hex.AppendEncode(dst, id[6:8]), '-')
	dst = append(hex.AppendEncode(dst, id[8:10]), '-')
	return hex.AppendEncode(dst, id[10:])
}

// appendDayText writes a date as ISO 8601 does, with as many digits of the year as
// it has, and the server's BC for years before 1.
func appendDayText(dst []byte, day int32) []byte {
	switch day {
	case posInfDay:
		return append(dst, "infinity"...)
	case negInfDay:
		return append(dst, "-infinity"...)
	}
	year, month, d := dayTime(day).Date()
	dst = appendYearText(dst, year, int(month), d)
	return appendEra(dst, year)
}

func appendYearText(dst []byte, year, month, day int) []byte {
	if year <= 0 {
		year = 1 - year
	}
	return fmt.Appendf(dst, "%04d-%02d-%02d", year, month, day)
}

func appendEra(dst []byte, year int) []byte {
	if year <= 0 {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendClock(dst []byte, micros int64) []byte {
	seconds := micros / 1_000_000
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if fraction := micros % 1_000_000; fraction != 0 {
		dst = fmt.Appendf(dst, ".%06d", fraction)
	}
	return dst
}

func appendMicrosText(dst []byte, micros int64, zone string) []byte {
	switch micros {
	case posInfMicros:
		return append(dst, "infinity"...)
	case negInfMicros:
		return append(dst, "-infinity"...)
	}
	day, clock := micros/dayMicros, micros%dayMicros
	if clock < 0 {
		day, clock = day-1, clock+dayMicros
	}
	year, month, d := dayTime(int32(day)).Date()
	dst = append(appendYearText(dst, year, int(month), d), ' ')
	dst = append(appendClock(dst, clock), zone...)
	return appendEra(dst, year)
}
