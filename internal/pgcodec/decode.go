package pgcodec

import (
	"reflect"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

type decodeFunc = func(src []byte, p unsafe.Pointer) error

// decoder plans the decoding of a column's type into a Go type.
func (c *compiler) decoder(t reflect.Type, w *wireType) (valueDecoder, bool) {
	if w.text {
		return c.textDecoder(t, w)
	}
	if d := c.compiledDecoder(t, w); d.decode != nil {
		return d, true
	}
	if _, known := c.m.TypeForOID(w.oid); !known && t != reflect.TypeFor[pgtype.UndecodedBytes]() {
		return valueDecoder{}, false // the binary form of what is not known
	}
	return c.pgxDecoder(t, w)
}

// compiledDecoder returns a nil function for what is outside the compiled set.
func (c *compiler) compiledDecoder(t reflect.Type, w *wireType) valueDecoder {
	if value, valid, ok := nullable(t); ok {
		inner := c.compiledDecoder(value.Type, w)
		if inner.decode == nil {
			return valueDecoder{}
		}
		return nullableDecoder(inner.decode, t, value.Offset, valid.Offset)
	}
	t = plainTime(t)
	switch t {
	case timeType:
		return valueDecoder{decode: timeDecoder(w)}
	case durationType:
		if w.isInterval() {
			return valueDecoder{decode: durationDecoder(w)}
		}
	case reflect.TypeFor[pgtype.Date]():
		return pgDateDecoder(w)
	case reflect.TypeFor[pgtype.Time]():
		return pgTimeDecoder(w)
	case reflect.TypeFor[pgtype.Timestamp]():
		return pgTimestampDecoder(w)
	case reflect.TypeFor[pgtype.Timestamptz]():
		return pgTimestamptzDecoder(w)
	}
	if t.Kind() == reflect.Pointer {
		return c.pointerDecoder(t, w)
	}
	if w.kind == kindNumeric {
		if d := c.decimalDecoder(t, w); d.decode != nil {
			return d
		}
	}
	if w.kind == kindUUID && t.Kind() == reflect.Array {
		return valueDecoder{decode: uuidArrayDecoder(t)}
	}
	if hasOwnDecoding(t) {
		return valueDecoder{}
	}
	switch t.Kind() {
	case reflect.Bool:
		return valueDecoder{decode: boolDecoder(w)}
	case reflect.Int:
		return valueDecoder{decode: intDecoder[int](w)}
	case reflect.Int8:
		return valueDecoder{decode: intDecoder[int8](w)}
	case reflect.Int16:
		return valueDecoder{decode: intDecoder[int16](w)}
	case reflect.Int32:
		return valueDecoder{decode: intDecoder[int32](w)}
	case reflect.Int64:
		return valueDecoder{decode: intDecoder[int64](w)}
	case reflect.Uint:
		return valueDecoder{decode: intDecoder[uint](w)}
	case reflect.Uint8:
		return valueDecoder{decode: intDecoder[uint8](w)}
	case reflect.Uint16:
		return valueDecoder{decode: intDecoder[uint16](w)}
	case reflect.Uint32:
		return valueDecoder{decode: intDecoder[uint32](w)}
	case reflect.Uint64:
		return valueDecoder{decode: intDecoder[uint64](w)}
	case reflect.Float32:
		return valueDecoder{decode: floatDecoder[float32](w)}
	case reflect.Float64:
		return valueDecoder{decode: floatDecoder[float64](w)}
	case reflect.String:
		return valueDecoder{decode: c.stringDecoder(w)}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && w.kind != kindArray {
			return c.bytesDecoder(t, w)
		}
		return c.sliceDecoder(t, w)
	}
	return valueDecoder{}
}

// pointerDecoder sets a pointer to nil for null, and to a new value otherwise:
// the old one may have been handed on with an earlier record.
func (c *compiler) pointerDecoder(t reflect.Type, w *wireType) valueDecoder {
	if t.Implements(scannerType) && !reflect.PointerTo(t.Elem()).Implements(scannerType) {
		return valueDecoder{}
	}
	inner := c.compiledDecoder(t.Elem(), w)
	if inner.decode == nil {
		return valueDecoder{}
	}
	values := newSlab(t.Elem())
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		if src == nil {
			*(*unsafe.Pointer)(p) = nil
			return nil
		}
		target := values.take(1)
		if err := inner.decode(src, target); err != nil {
			return err
		}
		*(*unsafe.Pointer)(p) = target
		return nil
	}}
}

// nullableDecoder sets a struct of a value and a flag Valid; null zeroes it.
func nullableDecoder(inner decodeFunc, t reflect.Type, value, valid uintptr) valueDecoder {
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		if src == nil {
			reflect.NewAt(t, p).Elem().SetZero()
			return nil
		}
		if err := inner(src, unsafe.Add(p, value)); err != nil {
			return err
		}
		*(*bool)(unsafe.Add(p, valid)) = true
		return nil
	}}
}

// pgxDecoder decodes whatever pgx can. ok is false if pgx has no way.
func (c *compiler) pgxDecoder(t reflect.Type, w *wireType) (d valueDecoder, ok bool) {
	if t.Kind() == reflect.Pointer && !t.Implements(scannerType) || t.Kind() == reflect.Pointer && isLibrary(t.Elem()) {
		// Not by pgx, which calls methods of a nil pointer.
		inner, ok := c.pgxDecoder(t.Elem(), w)
		if !ok {
			return valueDecoder{}, false
		}
		return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
			if src == nil {
				reflect.NewAt(t, p).Elem().SetZero()
				return nil
			}
			target := reflect.New(t.Elem())
			if err := inner.decode(src, target.UnsafePointer()); err != nil {
				return err
			}
			reflect.NewAt(t, p).Elem().Set(target)
			return nil
		}}, true
	}
	if !c.pgxTakes(t, w) {
		return valueDecoder{}, false
	}
	target := reflect.New(t).Interface()
	m := c.pgxMap(target)
	format := int16(pgtype.BinaryFormatCode)
	if w.text {
		format = pgtype.TextFormatCode
	}
	plan := m.PlanScan(w.oid, format, target)
	if plan == nil || reflect.TypeOf(plan) == failedPlan {
		return valueDecoder{}, false
	}
	// Scan is the last resort of the libraries' own types, and refuses what is not theirs.
	if isLibrary(t) && strings.HasSuffix(reflect.TypeOf(plan).String(), "SQLScanner") {
		return valueDecoder{}, false
	}
	isJSON := w.kind == kindJSON || w.kind == kindJSONB
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		if isJSON && src != nil {
			if err := jsonProblem(src, t); err != nil {
				return err
			}
		}
		if err := plan.Scan(src, bind(target, p)); err != nil {
			return &ValueError{Reason: "a value of " + w.name + " cannot be read into " + t.String(), Err: err}
		}
		return nil
	}}, true
}

// isLibrary is true for types that are made for one type of column each.
func isLibrary(t reflect.Type) bool {
	return t.PkgPath() == "github.com/jackc/pgx/v5/pgtype" || t.PkgPath() == "database/sql" || isDecimal(t)
}

// failedPlan is the type of the plan that pgx returns instead of nil.
var failedPlan = reflect.TypeOf(pgtype.NewMap().PlanScan(0, pgtype.BinaryFormatCode, nil))
