package pgcodec

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// stringDecoder reads text, json, uuid and numeric columns as strings.
func (c *compiler) stringDecoder(w *wireType) decodeFunc {
	a := c.arena
	switch w.kind {
	case kindText:
		in := &interner{own: arena{size: internBlock}}
		return func(src []byte, p unsafe.Pointer) error {
			*(*string)(p) = in.string(src, a)
			return nil
		}
	case kindJSON:
		return func(src []byte, p unsafe.Pointer) error {
			*(*string)(p) = a.string(src)
			return nil
		}
	case kindJSONB:
		return func(src []byte, p unsafe.Pointer) error {
			text, err := jsonbText(src)
			if err != nil {
				return err
			}
			*(*string)(p) = a.string(text)
			return nil
		}
	case kindUUID:
		return func(src []byte, p unsafe.Pointer) error {
			if len(src) != 16 {
				return malformed(w.name, len(src))
			}
			var text [36]byte
			hex.Encode(text[:8], src[:4])
			hex.Encode(text[9:13], src[4:6])
			hex.Encode(text[14:18], src[6:8])
			hex.Encode(text[19:23], src[8:10])
			hex.Encode(text[24:], src[10:])
			text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
			*(*string)(p) = a.string(text[:])
			return nil
		}
	case kindNumeric:
		return func(src []byte, p unsafe.Pointer) error {
			n, err := readNumeric(src)
			if err != nil {
				return err
			}
			var buf [64]byte
			*(*string)(p) = a.string(n.appendText(buf[:0]))
			return nil
		}
	}
	return nil
}

// bytesDecoder reads bytea, text and json columns as byte slices; null is nil.
func (c *compiler) bytesDecoder(t reflect.Type, w *wireType) valueDecoder {
	if w.kind != kindBytea && !areText(t) {
		return valueDecoder{}
	}
	a := c.arena
	switch w.kind {
	case kindBytea, kindText, kindJSON, kindJSONB:
	default:
		return valueDecoder{}
	}
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		switch {
		case src == nil:
			*(*[]byte)(p) = nil
			return nil
		case w.kind == kindJSONB:
			var err error
			if src, err = jsonbText(src); err != nil {
				return err
			}
		}
		if len(src) == 0 {
			*(*[]byte)(p) = []byte{} // not nil, which is null
			return nil
		}
		*(*[]byte)(p) = a.take(src)
		return nil
	}}
}

// jsonbText takes the version byte off.
func jsonbText(src []byte) ([]byte, error) {
	if len(src) == 0 || src[0] != 1 {
		return nil, malformed("jsonb", len(src))
	}
	return src[1:], nil
}

// uuidArrayDecoder reads a uuid into [16]byte and named types of it, under the
// condition of uuidArrayEncoder.
func uuidArrayDecoder(t reflect.Type) decodeFunc {
	if t.Len() != 16 || t.Elem().Kind() != reflect.Uint8 || !writesUUIDInOrder(t) {
		return nil
	}
	return func(src []byte, p unsafe.Pointer) error {
		if len(src) != 16 {
			return malformed("uuid", len(src))
		}
		*(*[16]byte)(p) = [16]byte(src)
		return nil
	}
}

// trimFraction cuts a fraction of zeros: "10.00" is "10".
func trimFraction(number string) string {
	whole, frac, ok := strings.Cut(number, ".")
	if ok && strings.Trim(frac, "0") == "" {
		return whole
	}
	return number
}

// unreadable says that a type's own method refused a number.
func unreadable(text []byte, t reflect.Type, err error) error {
	return &ValueError{Value: cutNumber(text), Reason: fmt.Sprintf("cannot be read into %s", t), Err: err}
}
