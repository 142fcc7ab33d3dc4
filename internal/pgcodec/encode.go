package pgcodec

import (
	"database/sql"
	"database/sql/driver"
	"encoding"
	"reflect"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// maxValue is the size in bytes up to which the server takes a value: 1 GiB
// less the header of a varlena.
const maxValue = 1<<30 - 5

var (
	timeType    = reflect.TypeFor[time.Time]()
	valuerType  = reflect.TypeFor[driver.Valuer]()
	scannerType = reflect.TypeFor[sql.Scanner]()
)

// encoder plans the encoding of a Go type into a column's type. Without a plan
// it returns a nil function, and a reason if there is one to give. Of the ways that
// there are it takes the first: a compiled plan; text, if the field holds text;
// a plan of pgx for the column's type, if that has a binary form; text, if the
// field gives the database text. Nothing is sent that is the binary form of
// another type.
func (c *compiler) encoder(t reflect.Type, w *wireType) (encodePlan, string) {
	if w.takesNothing() {
		return encodePlan{}, "whose values the server makes by itself"
	}
	if why := w.rounds(); why != "" {
		return encodePlan{}, why
	}
	if f := c.compiledEncoder(t, w); f != nil {
		return encodePlan{encode: f}, ""
	}
	if w.kind == kindBytea && holdsText(t) {
		return encodePlan{}, "and whether a string is its bytes or writes them in hexadecimal is not known"
	}
	text, as := c.textEncoderFor(t, w)
	if text != nil && holdsTextInside(t) {
		return encodePlan{encode: text, text: c.textWriter(as)}, ""
	}
	if _, known := c.m.TypeForOID(w.oid); known && HasBinary(Column{OID: w.oid}, c.m) {
		if t.Kind() == reflect.Interface {
			return encodePlan{encode: c.interfaceEncoder(t, w)}, ""
		}
		if f, why := c.pgxEncoder(t, w); f != nil || why != "" {
			return encodePlan{encode: f}, why
		}
	}
	if text != nil {
		return encodePlan{encode: text, text: c.textWriter(as)}, ""
	}
	return encodePlan{}, ""
}

func holdsTextInside(t reflect.Type) bool { return holdsText(t) || holdsTexts(t) }

// compiledEncoder returns nil for what is outside the compiled set.
func (c *compiler) compiledEncoder(t reflect.Type, w *wireType) encodeFunc {
	if value, valid, ok := nullable(t); ok {
		inner := c.compiledEncoder(value.Type, w)
		if inner == nil {
			return nil
		}
		return nullableEncoder(inner, value.Offset, valid.Offset)
	}
	t = plainTime(t)
	switch t {
	case timeType:
		return timeEncoder(w)
	case durationType:
		if w.isInterval() {
			return durationEncoder(w)
		}
	case reflect.TypeFor[pgtype.Date]():
		return pgDateEncoder(w)
	case reflect.TypeFor[pgtype.Time]():
		return pgTimeEncoder(w)
	case reflect.TypeFor[pgtype.Timestamp]():
		return pgTimestampEncoder(w)
	case reflect.TypeFor[pgtype.Timestamptz]():
		return pgTimestamptzEncoder(w)
	case reflect.TypeFor[pgtype.Numeric]():
		return pgNumericEncoder(w)
	}
	if t.Kind() == reflect.Pointer {
		return c.pointerEncoder(t, w)
	}
	if w.kind == kindNumeric {
		if f := decimalEncoder(t, w); f != nil {
			return f
		}
	}
	if w.kind == kindUUID && t.Kind() == reflect.Array {
		return uuidArrayEncoder(t)
	}
	if hasOwnEncoding(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return boolEncoder(w)
	case reflect.Int:
		return intEncoder[int](w)
	case reflect.Int8:
		return intEncoder[int8](w)
	case reflect.Int16:
		return intEncoder[int16](w)
	case reflect.Int32:
		return intEncoder[int32](w)
	case reflect.Int64:
		return intEncoder[int64](w)
	case reflect.Uint:
		return intEncoder[uint](w)
	case reflect.Uint8:
		return intEncoder[uint8](w)
	case reflect.Uint16:
		return intEncoder[uint16](w)
	case reflect.Uint32:
		return intEncoder[uint32](w)
	case reflect.Uint64:
		return intEncoder[uint64](w)
	case reflect.Float32:
		return floatEncoder[float32](w)
	case reflect.Float64:
		return floatEncoder[float64](w)
	case reflect.String:
		return c.stringEncoder(w)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && w.kind != kindArray {
			return bytesEncoder(t, w)
		}
		return c.sliceEncoder(t, w)
	}
	return nil
}

// plainTime takes a named type of time.Time, which has the same memory and none of the
// methods, for time.Time. Other types stay.
func plainTime(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Struct && t != timeType && t.ConvertibleTo(timeType) && !hasOwnEncoding(t) && !hasOwnDecoding(t) {
		return timeType
	}
	return t
}

// appendNull appends the null value: the length -1.
func appendNull(dst []byte) []byte {
	return append(dst, 0xff, 0xff, 0xff, 0xff)
}

// pointerEncoder encodes nil as null and otherwise what the pointer points to.
func (c *compiler) pointerEncoder(t reflect.Type, w *wireType) encodeFunc {
	if hasOwnEncoding(t) && !hasOwnEncoding(t.Elem()) {
		return nil // the method is the pointer's, and may have its own idea of nil
	}
	inner := c.compiledEncoder(t.Elem(), w)
	if inner == nil {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		target := *(*unsafe.Pointer)(p)
		if target == nil {
			return appendNull(dst), nil
		}
		return inner(dst, target)
	}
}

// nullable recognizes the structs that hold a value beside a flag Valid:
// pgtype.Int8, sql.NullString, sql.Null[T], and decimal types' own, whose zero
// must be null by their own account. Types whose value alone does not say it all
// (pgtype.Date and its infinity) have more fields and are not recognized.
func nullable(t reflect.Type) (value, valid reflect.StructField, ok bool) {
	if t.Kind() != reflect.Struct || t.NumField() != 2 {
		return value, valid, false
	}
	value, valid = t.Field(0), t.Field(1)
	if !value.IsExported() || valid.Name != "Valid" || valid.Type.Kind() != reflect.Bool || !t.Implements(valuerType) {
		return value, valid, false
	}
	switch t.PkgPath() {
	case "database/sql":
		return value, valid, true
	case "github.com/jackc/pgx/v5/pgtype":
		switch t {
		case reflect.TypeFor[pgtype.Bool](), reflect.TypeFor[pgtype.Int2](), reflect.TypeFor[pgtype.Int4](),
			reflect.TypeFor[pgtype.Int8](), reflect.TypeFor[pgtype.Float4](), reflect.TypeFor[pgtype.Float8](),
			reflect.TypeFor[pgtype.Text](), reflect.TypeFor[pgtype.UUID](), reflect.TypeFor[pgtype.Uint32](),
			reflect.TypeFor[pgtype.Uint64]():
			return value, valid, true
		}
		return value, valid, false
	case value.Type.PkgPath():
		v, err := reflect.Zero(t).Interface().(driver.Valuer).Value()
		return value, valid, err == nil && v == nil && isDecimal(value.Type)
	}
	return value, valid, false
}

func nullableEncoder(inner encodeFunc, value, valid uintptr) encodeFunc {
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		if !*(*bool)(unsafe.Add(p, valid)) {
			return appendNull(dst), nil
		}
		return inner(dst, unsafe.Add(p, value))
	}
}

// hasOwnEncoding reports whether a type says itself how it is written to a
// database. Such a type must not be encoded by its kind: zeronull.Int8 is an
// int64 whose zero is null.
func hasOwnEncoding(t reflect.Type) bool {
	if t.Implements(valuerType) {
		return true
	}
	for _, i := range ownEncodings {
		if t.Implements(i) {
			return true
		}
	}
	return false
}

// hasOwnDecoding is hasOwnEncoding for reading, where the methods are the pointer's.
func hasOwnDecoding(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	if p.Implements(scannerType) {
		return true
	}
	for _, i := range ownDecodings {
		if p.Implements(i) {
			return true
		}
	}
	return false
}

var ownEncodings = []reflect.Type{
	reflect.TypeFor[pgtype.SkipUnderlyingTypePlanner](),
	reflect.TypeFor[pgtype.ArrayGetter](),
	reflect.TypeFor[pgtype.BoolValuer](),
	reflect.TypeFor[pgtype.BytesValuer](),
	reflect.TypeFor[pgtype.DateValuer](),
	reflect.TypeFor[pgtype.Float64Valuer](),
	reflect.TypeFor[pgtype.Int64Valuer](),
	reflect.TypeFor[pgtype.NumericValuer](),
	reflect.TypeFor[pgtype.TextValuer](),
	reflect.TypeFor[pgtype.TimeValuer](),
	reflect.TypeFor[pgtype.TimestampValuer](),
	reflect.TypeFor[pgtype.TimestamptzValuer](),
	reflect.TypeFor[pgtype.UUIDValuer](),
	reflect.TypeFor[pgtype.Uint32Valuer](),
	reflect.TypeFor[pgtype.Uint64Valuer](),
}

var ownDecodings = []reflect.Type{
	reflect.TypeFor[pgtype.SkipUnderlyingTypePlanner](),
	reflect.TypeFor[pgtype.ArraySetter](),
	reflect.TypeFor[pgtype.BoolScanner](),
	reflect.TypeFor[pgtype.BytesScanner](),
	reflect.TypeFor[pgtype.DateScanner](),
	reflect.TypeFor[pgtype.Float64Scanner](),
	reflect.TypeFor[pgtype.Int64Scanner](),
	reflect.TypeFor[pgtype.NumericScanner](),
	reflect.TypeFor[pgtype.TextScanner](),
	reflect.TypeFor[pgtype.TimeScanner](),
	reflect.TypeFor[pgtype.TimestampScanner](),
	reflect.TypeFor[pgtype.TimestamptzScanner](),
	reflect.TypeFor[pgtype.UUIDScanner](),
	reflect.TypeFor[pgtype.Uint32Scanner](),
	reflect.TypeFor[pgtype.Uint64Scanner](),
}

// exactNumber is what exact decimal types with a small coefficient offer:
// coefficient, number of digits after the point, sign. govalues/decimal has it.
// It makes encoding free of text and of allocations.
type exactNumber interface {
	Coef() uint64
	Scale() int
	Sign() int
	encoding.TextMarshaler
}

var exactNumberType = reflect.TypeFor[exactNumber]()

func isDecimal(t reflect.Type) bool { return t.Implements(exactNumberType) }

// bind makes proto, an interface value that holds a pointer, hold p instead: a
// method call on a field in place, without reflection and without boxing. p must
// point to the type that proto's pointer points to.
func bind[I any](proto I, p unsafe.Pointer) I {
	// An interface value is two words, of which the second is the pointer when
	// the dynamic type is a pointer. The layout is the gc toolchain's own and
	// is what reflect relies on.
	(*[2]unsafe.Pointer)(unsafe.Pointer(&proto))[1] = p
	return proto
}
