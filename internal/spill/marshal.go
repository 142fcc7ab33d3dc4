package spill

import (
	"encoding"
	"fmt"
	"reflect"
)

// gobMarshaler and gobUnmarshaler are what encoding/gob calls GobEncoder and
// GobDecoder; that package is large, and nothing else of it is needed.
type (
	gobMarshaler   interface{ GobEncode() ([]byte, error) }
	gobUnmarshaler interface{ GobDecode([]byte) error }
)

// marshaling is one way in which types write and read themselves.
type marshaling struct {
	writes, reads reflect.Type
	write         func(v any) ([]byte, error)
	read          func(v any, b []byte) error
}

var marshalings = []marshaling{
	{
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
		func(v any) ([]byte, error) { return v.(encoding.BinaryMarshaler).MarshalBinary() },
		func(v any, b []byte) error { return v.(encoding.BinaryUnmarshaler).UnmarshalBinary(b) },
	},
	{
		reflect.TypeFor[gobMarshaler](), reflect.TypeFor[gobUnmarshaler](),
		func(v any) ([]byte, error) { return v.(gobMarshaler).GobEncode() },
		func(v any, b []byte) error { return v.(gobUnmarshaler).GobDecode(b) },
	},
	{
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
		func(v any) ([]byte, error) { return v.(encoding.TextMarshaler).MarshalText() },
		func(v any, b []byte) error { return v.(encoding.TextUnmarshaler).UnmarshalText(b) },
	},
}

func marshalingOf(t reflect.Type) (marshaling, bool) {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return marshaling{}, false // what is pointed to has the methods too, and is never nil
	}
	for _, m := range marshalings {
		if pointer := reflect.PointerTo(t); pointer.Implements(m.writes) && pointer.Implements(m.reads) {
			return m, true
		}
	}
	return marshaling{}, false
}

// marshalerPlan calls the methods of a type.
func marshalerPlan(t reflect.Type) (plan, bool) {
	m, ok := marshalingOf(t)
	if !ok {
		return plan{}, false
	}
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) {
			if !v.CanAddr() { // a value within a map, or of a record that is passed as one
				to := reflect.New(t)
				to.Elem().Set(v)
				v = to.Elem()
			}
			text, err := m.write(v.Addr().Interface())
			if err != nil {
				return nil, fmt.Errorf("%v: %w", t, err)
			}
			return appendString(b, string(text)), nil
		},
		func(d *decoder, v reflect.Value) {
			text := []byte(d.string())
			if d.err != nil {
				return
			}
			if err := m.read(v.Addr().Interface(), text); err != nil {
				d.fail(fmt.Errorf("%v: %w", t, err))
			}
		}, 1,
	}, true
}
