package pgcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// sliceHeader is the layout of a slice of any type.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// sliceEncoder encodes a slice as a one-dimensional array: nil is null, an empty
// slice is an empty array.
func (c *compiler) sliceEncoder(t reflect.Type, w *wireType) encodeFunc {
	if w.kind != kindArray {
		return nil
	}
	elem := c.compiledEncoder(t.Elem(), w.elem)
	if elem == nil {
		return nil
	}
	size := t.Elem().Size()
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		s := (*sliceHeader)(p)
		if s.data == nil {
			return appendNull(dst), nil
		}
		start := len(dst)
		// length (set below), dimensions, 1 if there are nulls (set below), element type
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint32(dst, w.elem.oid)
		dst = binary.BigEndian.AppendUint32(dst, uint32(s.len))
		dst = binary.BigEndian.AppendUint32(dst, 1) // lower bound
		for i := range s.len {
			at := len(dst)
			var err error
			// i is below the slice's length, so the element is within its array.
			if dst, err = elem(dst, unsafe.Add(s.data, uintptr(i)*size)); err != nil {
				return dst, inElement(err, i)
			}
			if dst[at] == 0xff { // only the length -1 begins so
				dst[start+11] = 1
			}
		}
		n := len(dst) - start - 4
		if n > maxValue {
			return dst, tooLong(n)
		}
		binary.BigEndian.PutUint32(dst[start:], uint32(n))
		return dst, nil
	}
}

// inElement says which element of an array an error is about.
func inElement(err error, i int) error {
	var v *ValueError
	if errors.As(err, &v) {
		v.Reason += fmt.Sprintf(", in element %d of the array", i)
		return v
	}
	return fmt.Errorf("element %d of the array: %w", i, err)
}
