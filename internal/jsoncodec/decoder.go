package jsoncodec

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// DecodeOptions say how records are read. The zero value is strict.
type DecodeOptions struct {
	// IgnoreUnknown passes over members that T does not name. By default they are errors.
	IgnoreUnknown bool
}

// A Decoder reads records into values of type T. It is for one goroutine.
type Decoder[T any] struct {
	options json.Options
	plan    *plan // nil where every record goes the general way
}

// NewDecoder returns a decoder for T: a struct, a map, or a type with UnmarshalJSON. The error is about T.
func NewDecoder[T any](o DecodeOptions) (*Decoder[T], error) {
	t := reflect.TypeFor[T]()
	if err := checkType(t); err != nil {
		return nil, err
	}
	d := &Decoder[T]{options: json.JoinOptions(strict, json.RejectUnknownMembers(!o.IgnoreUnknown))}
	// The type's own faults are met with any object, also an empty one.
	if t.Kind() == reflect.Struct && !hasMethod(t) {
		if err := json.Unmarshal([]byte("{}"), new(T), d.options); err != nil {
			return nil, fmt.Errorf("%v cannot be read from JSON: %s", t, plain(err))
		}
		d.plan = newPlan(t)
	}
	return d, nil
}

// Decode sets *dst to what the record says. The error, if any, is an [*Error], and *dst is then undefined. Nothing in
// *dst refers to the record afterwards.
func (d *Decoder[T]) Decode(rec *Record, dst *T) error {
	clear(unsafe.Slice(dst, 1))
	if c := rec.data[rec.lo]; c != '{' {
		reason := "is " + kindOf(c) + ": a record is an object"
		return rec.fail("", rec.Bytes(), reason, ErrNotObject)
	}
	if d.plan != nil {
		if d.plan.decode(rec.data, rec.lo, rec.hi, unsafe.Pointer(dst)) {
			return nil
		}
		clear(unsafe.Slice(dst, 1))
	}
	if err := json.Unmarshal(rec.Bytes(), dst, d.options); err != nil {
		return rec.explain(err)
	}
	return nil
}

// strict is encoding/json's meaning of tags and types, without what it does in silence: names match exactly, no member is
// there twice, text is UTF-8, arrays have their length.
var strict = json.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	json.MatchCaseInsensitiveNames(false),
	jsontext.AllowDuplicateNames(false),
	jsontext.AllowInvalidUTF8(false),
	jsontext.EscapeForHTML(false),
	jsonv1.MergeWithLegacySemantics(false),
	jsonv1.ParseBytesWithLooseRFC4648(false),
	jsonv1.ParseTimeWithLooseRFC3339(false),
	jsonv1.ReportErrorsWithLegacySemantics(false),
	jsonv1.UnmarshalArrayFromAnyLength(false),
	json.WithUnmarshalers(json.UnmarshalFromFunc(careful)),
	json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, n stdjson.Number) error {
		if n == "" {
			n = "0" // as encoding/json has it
		}
		return enc.WriteValue(jsontext.Value(n))
	})),
)

// careful stands before what package json would do with a value, and sees to it that nothing changes: null is no zero,
// and a number is held.
func careful(dec *jsontext.Decoder, v any) error {
	t := reflect.TypeOf(v).Elem()
	switch kind := dec.PeekKind(); {
	case kind == 'n' && !canBeNull(t):
		return &json.SemanticError{JSONKind: 'n', GoType: t, Err: ErrNull}
	case kind == '0':
		return carefulNumber(dec, v, t)
	case kind == '"' && t == typeTime:
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return err
		}
		at, ok := parseTime(text)
		if !ok {
			return &json.SemanticError{JSONKind: '"', JSONValue: value.Clone(), GoType: t, Err: errNoTime}
		}
		*v.(*time.Time) = at
		return nil
	}
	return errors.ErrUnsupported
}

func carefulNumber(dec *jsontext.Decoder, v any, t reflect.Type) error {
	bits := 64
	switch {
	case t == typeNumber:
	case hasMethod(t):
		return errors.ErrUnsupported
	case t.Kind() == reflect.Float32:
		bits = 32
	case t.Kind() == reflect.Float64, t.Kind() == reflect.Interface && t.NumMethod() == 0:
	default:
		return errors.ErrUnsupported
	}
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if t == typeNumber {
		*v.(*stdjson.Number) = stdjson.Number(value)
		return nil
	}
	f, err := exactFloat(string(value), bits)
	if err != nil {
		return &json.SemanticError{JSONKind: '0', JSONValue: value.Clone(), GoType: t, Err: err}
	}
	if into := reflect.ValueOf(v).Elem(); t.Kind() == reflect.Interface {
		into.Set(reflect.ValueOf(f))
	} else {
		into.SetFloat(f)
	}
	return nil
}

// exactFloat reads a number that is one in JSON. A fraction is rounded as usual. A whole number must be held, or be the
// shortest text of what is held, as encoding/json writes it; and what is not zero must not become it.
func exactFloat(s string, bits int) (float64, error) {
	f, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	if !strings.ContainsAny(s, ".eE") {
		digits := strings.TrimPrefix(s, "-")
		if len(digits) > 7 && strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, bits), "-") != digits {
			exact := strconv.FormatFloat(f, 'f', 0, 64)
			if strings.TrimPrefix(exact, "-") != digits {
				return 0, ErrInexact
			}
		}
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	if f == 0 && strings.ContainsAny(mantissa, "123456789") {
		return 0, ErrInexact
	}
	return f, nil
}

// parseTime reads RFC 3339. The same text is the same value on every machine: no offset is taken for this machine's zone.
func parseTime(text []byte) (at time.Time, ok bool) {
	if at.UnmarshalText(text) != nil {
		return time.Time{}, false
	}
	if at.Location() == time.UTC {
		return at, true
	}
	_, offset := at.Zone()
	if offset == 0 {
		return at.UTC(), true
	}
	return at.In(time.FixedZone("", offset)), true
}

var (
	errNoTime  = errors.New("no time")
	typeTime   = reflect.TypeFor[time.Time]()
	typeNumber = reflect.TypeFor[stdjson.Number]()
)

// canBeNull tells types that hold null, or say by themselves what it is.
func canBeNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	p := reflect.PointerTo(t)
	return t != typeTime && (p.Implements(typeUnmarshaler) || p.Implements(typeUnmarshalerFrom))
}
