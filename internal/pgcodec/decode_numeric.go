package pgcodec

import (
	"database/sql"
	"encoding"
	"fmt"
	"reflect"
	"unsafe"
)

// decimalDecoder decodes into types that hold a decimal number. A null goes to
// the Scan method of a type that has one; others cannot hold it.
func (c *compiler) decimalDecoder(t reflect.Type, w *wireType) valueDecoder {
	if isDecimal(t) {
		if proto, ok := reflect.New(t).Interface().(exactNumberReader); ok {
			return valueDecoder{decode: exactDecoder(t, proto)}
		}
	}
	if t.Kind() != reflect.Struct || isPgtype(t) || isForAnother(t) {
		return valueDecoder{}
	}
	switch proto := reflect.New(t).Interface().(type) {
	case sql.Scanner:
		return c.scannerNumericDecoder(t, proto)
	case encoding.TextUnmarshaler:
		return valueDecoder{decode: textNumericDecoder(t, proto)}
	}
	return valueDecoder{}
}

// exactNumberReader is what a pointer to a decimal type offers.
type exactNumberReader interface {
	exactNumber
	encoding.TextUnmarshaler
}

// exactDecoder decodes by text into a type of limited precision. Such a type may
// round what it cannot hold; here that is an error.
func exactDecoder(t reflect.Type, proto exactNumberReader) decodeFunc {
	var scratch numberText
	return func(src []byte, p unsafe.Pointer) error {
		n, err := readNumeric(src)
		if err != nil {
			return err
		}
		text := scratch.of(&n)
		d := bind(proto, p)
		if err := d.UnmarshalText(text); err != nil {
			return unreadable(text, t, err)
		}
		if coef, ok := n.coef(); ok && coef == d.Coef() && n.dscale == d.Scale() {
			return nil
		}
		back, err := d.MarshalText()
		if err != nil || !sameNumber(text, back) {
			return valueErr(cutNumber(text), fmt.Sprintf("has more digits than %s holds", t))
		}
		return nil
	}
}

// numberText is where a decoder writes a number as text for a method that reads
// it, which must not keep it.
type numberText []byte

func (b *numberText) of(n *numericValue) []byte {
	text := n.appendText((*b)[:0])
	if cap(text) <= 256 { // a rare long number does not keep its memory
		*b = text
	}
	return text
}

// sameNumber compares two numbers as text, whatever zeros they begin or end with.
func sameNumber(a, b []byte) bool {
	x, errX := parseNumeric(a)
	y, errY := parseNumeric(b)
	if errX != nil || errY != nil || x.special != y.special {
		return false
	}
	if x.zero || y.zero {
		return x.zero == y.zero
	}
	if x.neg != y.neg || x.point-x.leading != y.point-y.leading {
		return false
	}
	for i := range max(x.len()-x.leading, y.len()-y.leading) {
		if x.digit(x.leading+i) != y.digit(y.leading+i) {
			return false
		}
	}
	return true
}

// scannerNumericDecoder hands the text, with all its digits, to the Scan method.
func (c *compiler) scannerNumericDecoder(t reflect.Type, proto sql.Scanner) valueDecoder {
	a := c.arena
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		if src == nil {
			return bind(proto, p).Scan(nil)
		}
		n, err := readNumeric(src)
		if err != nil {
			return err
		}
		var buf [64]byte
		text := n.appendText(buf[:0])
		if err := bind(proto, p).Scan(a.string(text)); err != nil {
			return unreadable(text, t, err)
		}
		return nil
	}}
}

// textNumericDecoder decodes into what reads itself from text, such as big.Int.
func textNumericDecoder(t reflect.Type, proto encoding.TextUnmarshaler) decodeFunc {
	var scratch numberText
	return func(src []byte, p unsafe.Pointer) error {
		n, err := readNumeric(src)
		if err != nil {
			return err
		}
		text := scratch.of(&n)
		err = bind(proto, p).UnmarshalText(text)
		if err != nil {
			// An integer type refuses the fraction even of 10.00.
			if whole := trimFraction(string(text)); len(whole) < len(text) {
				err = bind(proto, p).UnmarshalText([]byte(whole))
			}
		}
		if err != nil {
			return unreadable(text, t, err)
		}
		return nil
	}
}
