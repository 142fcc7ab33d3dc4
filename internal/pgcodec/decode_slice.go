package pgcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// sliceDecoder reads a one-dimensional array into a slice; null is nil.
func (c *compiler) sliceDecoder(t reflect.Type, w *wireType) valueDecoder {
	if w.kind != kindArray {
		return valueDecoder{}
	}
	elem := c.compiledDecoder(t.Elem(), w.elem)
	if elem.decode == nil {
		return valueDecoder{}
	}
	size := t.Elem().Size()
	values := newSlab(t.Elem())
	empty := reflect.MakeSlice(t, 0, 0).UnsafePointer()
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		s := (*sliceHeader)(p)
		if src == nil {
			*s = sliceHeader{}
			return nil
		}
		n, rest, err := readArrayHeader(src, w)
		if err != nil {
			return err
		}
		if n == 0 {
			*s = sliceHeader{data: empty}
			return nil
		}
		data := values.take(n)
		for i := range n {
			var value []byte
			if value, rest, err = cutValue(rest); err != nil {
				return malformed(w.name, len(src))
			}
			if value == nil && !elem.null {
				return valueErr("", fmt.Sprintf("element %d of the array is null, and %s cannot hold null: use []*%s", i, t.Elem(), t.Elem()))
			}
			// i is below n, and take gave n values.
			if err := elem.decode(value, unsafe.Add(data, uintptr(i)*size)); err != nil {
				return inElement(err, i)
			}
		}
		if len(rest) != 0 {
			return malformed(w.name, len(src))
		}
		*s = sliceHeader{data: data, len: n, cap: n}
		return nil
	}}
}

// readArrayHeader reads dimensions, flag, element type, length and lower bound.
func readArrayHeader(src []byte, w *wireType) (n int, rest []byte, err error) {
	if len(src) < 12 {
		return 0, nil, malformed(w.name, len(src))
	}
	dims := binary.BigEndian.Uint32(src)
	switch {
	case dims == 0:
		return 0, nil, nil
	case dims > 1 && dims <= 6:
		return 0, nil, valueErr("", fmt.Sprintf("an array of %d dimensions does not fit a slice: use pgtype.Array or a slice of slices", dims))
	case dims > 6 || len(src) < 20:
		return 0, nil, malformed(w.name, len(src))
	}
	n = int(int32(binary.BigEndian.Uint32(src[12:])))
	if binary.BigEndian.Uint32(src[16:]) != 1 && n > 0 {
		return 0, nil, otherBounds()
	}
	// Each element has at least its length, so n cannot claim memory that the
	// value does not back.
	if n < 0 || n > (len(src)-20)/4 {
		return 0, nil, malformed(w.name, len(src))
	}
	return n, src[20:], nil
}

var errTorn = errors.New("a value is torn")

// cutValue takes a value with its length off b: nil for null, never nil otherwise.
func cutValue(b []byte) (value, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errTorn
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	switch {
	case n == -1:
		return nil, b, nil
	case n < 0 || n > len(b):
		return nil, nil, errTorn
	}
	return b[:n:n], b[n:], nil
}
