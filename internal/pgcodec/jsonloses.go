package pgcodec

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

var (
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// jsonLoses says why encoding/json would not write all of a value of type t: it
// leaves out unexported fields without a word, and makes {} of a struct that has
// no others. "" if it writes what there is.
func jsonLoses(t reflect.Type) string { return jsonLosesIn(t, map[reflect.Type]bool{}) }

func jsonLosesIn(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || marshalsItself(t) || marshalsItself(reflect.PointerTo(t)) {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return jsonLosesIn(t.Elem(), seen)
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Sprintf("JSON has no %s", t)
	case reflect.Struct:
		kept := t.NumField() == 0
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Tag.Get("json") == "-" {
				kept = true // on purpose
				continue
			}
			if !f.IsExported() && !f.Anonymous {
				continue
			}
			kept = true
			if why := jsonLosesIn(f.Type, seen); why != "" {
				return why
			}
		}
		if !kept {
			return fmt.Sprintf("JSON would hold {} for every %s, which has unexported fields only and no MarshalJSON", t)
		}
	}
	return ""
}

func marshalsItself(t reflect.Type) bool {
	return t.Implements(jsonMarshalerType) || t.Implements(textMarshalerType)
}

// jsonProblem says what reading a document into t would lose without a word: a null
// that t cannot hold; digits of a number, where t holds numbers as float64.
func jsonProblem(src []byte, t reflect.Type) error {
	text := bytes.TrimSpace(bytes.TrimPrefix(src, []byte{1}))
	if string(text) == "null" {
		switch t.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		default:
			if !reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
				return valueErr("null", fmt.Sprintf("is a JSON value that %s cannot hold: use *%s", t, t))
			}
		}
	}
	if !holdsFloats(t, map[reflect.Type]bool{}) {
		return nil
	}
	inText := false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case inText && b == '\\':
			i++
		case b == '"':
			inText = !inText
		case !inText && (b == '-' || '0' <= b && b <= '9'):
			end := i + 1
			for end < len(text) && bytes.IndexByte([]byte("0123456789.eE+-"), text[end]) >= 0 {
				end++
			}
			if number := text[i:end]; len(number) > 15 || bytes.ContainsAny(number, "eE") {
				f, err := strconv.ParseFloat(string(number), 64)
				if err != nil || !keepsDigits(number, f, 64) {
					return valueErr(cutNumber(number), fmt.Sprintf("has more digits than a float64 within %s holds: use json.RawMessage, string or json.Number", t))
				}
			}
			i = end - 1
		}
	}
	return nil
}

// holdsFloats is true for types that encoding/json would put a number into as a float.
func holdsFloats(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface, reflect.Float32, reflect.Float64:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsFloats(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsFloats(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
