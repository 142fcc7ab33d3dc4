package spill

import "reflect"

// Sizer returns a function that tells how many bytes a value of T holds beyond
// its own size: the text of its strings, the elements of its slices, what it
// points to. It returns nil when values of T hold nothing.
//
// It is an estimate: what several values share is counted for each, what an
// allocation is rounded up to is not counted, of an interface nothing is known, and
// the content of long lists and maps is judged by some of their elements, so that
// measuring one that grows costs the same every time.
func Sizer[T any]() func(*T) int64 {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.String {
		if size, ok := any(func(s *string) int64 { return int64(len(*s)) }).(func(*T) int64); ok {
			return size
		}
	}
	size := sizeOf(t, nil)
	if size == nil {
		return nil
	}
	return func(v *T) int64 { return size(reflect.ValueOf(v).Elem()) }
}

// sample is how many elements of a long list or map are looked at.
const sample = 32

// entryOfMap is about what a map needs for an entry besides key and value, in bytes.
const entryOfMap = 8

// sizeOf returns nil for types whose values hold nothing, and for those of within: of a
// list that links to itself only the first element counts.
func sizeOf(t reflect.Type, within []reflect.Type) func(reflect.Value) int64 {
	if t == timeType {
		return nil // locations are shared
	}
	for _, outer := range within {
		if t == outer {
			return nil
		}
	}
	within = append(within[:len(within):len(within)], t)
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value) int64 { return int64(v.Len()) }
	case reflect.Pointer:
		own, elem := int64(t.Elem().Size()), sizeOf(t.Elem(), within)
		return func(v reflect.Value) int64 {
			if v.IsNil() {
				return 0
			}
			return own + optional(elem, v.Elem())
		}
	case reflect.Slice:
		own, elem := int64(t.Elem().Size()), sizeOf(t.Elem(), within)
		return func(v reflect.Value) int64 { return own*int64(v.Cap()) + elements(elem, v) }
	case reflect.Array:
		elem := sizeOf(t.Elem(), within)
		if elem == nil || t.Len() == 0 {
			return nil
		}
		return func(v reflect.Value) int64 { return elements(elem, v) }
	case reflect.Map:
		own := int64(t.Key().Size()+t.Elem().Size()) + entryOfMap
		key, elem := sizeOf(t.Key(), within), sizeOf(t.Elem(), within)
		return func(v reflect.Value) int64 {
			n := own * int64(v.Len())
			if key == nil && elem == nil {
				return n
			}
			var content, seen int64
			for iter := v.MapRange(); seen < sample && iter.Next(); seen++ {
				content += optional(key, iter.Key()) + optional(elem, iter.Value())
			}
			return n + content*int64(v.Len())/max(seen, 1)
		}
	case reflect.Struct:
		return sizeOfStruct(t, within)
	}
	return nil
}

func sizeOfStruct(t reflect.Type, within []reflect.Type) func(reflect.Value) int64 {
	type field struct {
		index int
		size  func(reflect.Value) int64
	}
	var fields []field
	for i := range t.NumField() {
		if size := sizeOf(t.Field(i).Type, within); size != nil {
			fields = append(fields, field{i, size})
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return func(v reflect.Value) (n int64) {
		for i := range fields {
			n += fields[i].size(v.Field(fields[i].index))
		}
		return n
	}
}

func optional(size func(reflect.Value) int64, v reflect.Value) int64 {
	if size == nil {
		return 0
	}
	return size(v)
}

// elements returns what the elements of a list hold.
func elements(size func(reflect.Value) int64, v reflect.Value) (n int64) {
	if size == nil {
		return 0
	}
	length := v.Len()
	if length <= sample {
		for i := range length {
			n += size(v.Index(i))
		}
		return n
	}
	for i := range sample {
		n += size(v.Index(i * (length / sample)))
	}
	return n * int64(length) / sample
}
