package jsoncodec

import (
	"encoding"
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
)

var (
	typeUnmarshaler     = reflect.TypeFor[stdjson.Unmarshaler]()
	typeUnmarshalerFrom = reflect.TypeFor[json.UnmarshalerFrom]()
	typeMarshaler       = reflect.TypeFor[stdjson.Marshaler]()
	typeMarshalerTo     = reflect.TypeFor[json.MarshalerTo]()
	typeTextUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	typeTextMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
)

// hasMethod tells types that read or write themselves.
func hasMethod(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, i := range []reflect.Type{
		typeUnmarshaler, typeUnmarshalerFrom, typeMarshaler, typeMarshalerTo, typeTextUnmarshaler, typeTextMarshaler,
	} {
		if p.Implements(i) {
			return true
		}
	}
	return false
}

// checkType finds what of a record's type JSON could not fill or write, or would leave out in silence.
func checkType(t reflect.Type) error {
	if t.Kind() != reflect.Struct && t.Kind() != reflect.Map && !hasMethod(t) {
		return fmt.Errorf("%v cannot be a record: want a struct, a map or a type with methods of encoding/json", t)
	}
	return checkValue(t, t.String(), map[reflect.Type]bool{})
}

func checkValue(t reflect.Type, at string, seen map[reflect.Type]bool) error {
	if seen[t] || hasMethod(t) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Errorf(`%s: there is no JSON for a %v: tag the field json:"-" to leave it out`, at, t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("%s: a %v cannot be read back: use a type of its own", at, t)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return checkValue(t.Elem(), at, seen)
	case reflect.Map:
		k := t.Key()
		if kind := k.Kind(); kind != reflect.String && (kind < reflect.Int || kind > reflect.Uintptr) && !hasMethod(k) {
			return fmt.Errorf("%s: the keys of a %v cannot be names of members", at, t)
		}
		return checkValue(t.Elem(), at, seen)
	case reflect.Struct:
		return checkStruct(t, at, seen)
	}
	return nil
}

func checkStruct(t reflect.Type, at string, seen map[reflect.Type]bool) error {
	type owner struct {
		field string
		depth int
	}
	owners := map[string]owner{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		_, tagged := f.Tag.Lookup("json")
		where := at + "." + f.Name
		inline := f.Anonymous && name == "" && derefed(f.Type).Kind() == reflect.Struct
		switch {
		case f.Tag.Get("json") == "-" || behindIgnored(t, f.Index):
			continue
		case !f.IsExported() && !inline:
			if tagged {
				return fmt.Errorf("%s: the field is tagged for JSON but not exported", where)
			}
			continue
		}
		if err := checkOptions(f, options, inline); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if inline {
			continue
		}
		if name == "" {
			name = f.Name
		}
		depth := len(f.Index)
		if o, taken := owners[name]; taken && o.depth == depth {
			return fmt.Errorf("%s: the fields %s and %s both have the name %q", at, o.field, f.Name, name)
		} else if !taken || depth < o.depth {
			owners[name] = owner{f.Name, depth}
		}
		if err := checkValue(f.Type, where, seen); err != nil {
			return err
		}
	}
	if len(owners) == 0 {
		return fmt.Errorf("%s: the struct has no exported field for a member", at)
	}
	return nil
}

// behindIgnored tells fields that are promoted from a struct that is left out.
func behindIgnored(t reflect.Type, index []int) bool {
	for i := 1; i < len(index); i++ {
		f := t.FieldByIndex(index[:i])
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			return true // left out, or a member of that name
		}
	}
	return false
}

func checkOptions(f reflect.StructField, options string, inline bool) error {
	for o := range strings.SplitSeq(options, ",") {
		switch {
		case o == "" || o == "omitempty" || o == "omitzero" || o == "inline" && inline:
		case o == "string":
			if k := derefed(f.Type).Kind(); k != reflect.String && k != reflect.Bool && (k < reflect.Int || k > reflect.Float64) {
				return fmt.Errorf("the tag's option string has no meaning for a %v", f.Type)
			}
		default:
			return fmt.Errorf("the tag's option %q is not known: there are omitempty, omitzero and string", o)
		}
	}
	return nil
}

func derefed(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
