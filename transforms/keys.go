package transforms

import (
	"reflect"
	"strings"
)

// keyClone returns how to copy a key that is to be kept, nil if keys hold no
// string. A string that a source cut out of its input keeps the text of its
// whole batch alive; a map of a million such keys would keep the whole file.
//
// Strings in unexported fields of a struct are not copied: reflection may not set
// them, and a rule about memory is not worth unsafe here.
func keyClone[K any]() func(K) K {
	if clone, ok := any(strings.Clone).(func(K) K); ok {
		return clone
	}
	if !holdsStrings(reflect.TypeFor[K]()) {
		return nil
	}
	return func(key K) K {
		cloneStrings(reflect.ValueOf(&key).Elem())
		return key
	}
}

func holdsStrings(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String:
		return true
	case reflect.Array:
		return holdsStrings(t.Elem())
	case reflect.Struct:
		for f := range t.NumField() {
			if t.Field(f).IsExported() && holdsStrings(t.Field(f).Type) {
				return true
			}
		}
	}
	return false
}

func cloneStrings(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Clone(v.String()))
	case reflect.Array:
		for i := range v.Len() {
			cloneStrings(v.Index(i))
		}
	case reflect.Struct:
		for f := range v.NumField() {
			if v.Type().Field(f).IsExported() {
				cloneStrings(v.Field(f))
			}
		}
	}
}
