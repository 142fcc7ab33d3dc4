package spill

import (
	"fmt"
	"reflect"
)

// CheckKey tells what is wrong with K as a type of keys that go through a file, nil if
// nothing is: besides what [NewCodec] refuses these are pointers, which are equal only to
// themselves.
func CheckKey[K any]() error {
	t := reflect.TypeFor[K]()
	if err := checkKey(t); err != nil {
		return fmt.Errorf("key of type %v cannot be spilled to a file: %w", t, err)
	}
	_, err := NewCodec[K]()
	return err
}

func checkKey(t reflect.Type) error {
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Chan, reflect.Interface:
		return fmt.Errorf("%v is equal to itself only, not to a copy", t)
	case reflect.Array:
		return checkKey(t.Elem())
	case reflect.Struct:
		if t == timeType {
			return nil
		}
		c := compiler{zones: &zones{}}
		if _, err := c.structure(t); err != nil {
			return nil // if it marshals itself, it knows how to be equal; NewCodec looks
		}
		for i := range t.NumField() {
			if err := checkKey(t.Field(i).Type); err != nil {
				return fmt.Errorf("field %s of %v: %w", t.Field(i).Name, t, err)
			}
		}
	}
	return nil
}
