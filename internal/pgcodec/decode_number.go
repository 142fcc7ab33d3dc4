package pgcodec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unsafe"
)

func boolDecoder(w *wireType) decodeFunc {
	if w.kind != kindBool {
		return nil
	}
	return func(src []byte, p unsafe.Pointer) error {
		if len(src) != 1 {
			return malformed(w.name, len(src))
		}
		*(*bool)(p) = src[0] != 0
		return nil
	}
}

// intDecoder reads integers of any size, numerics and floats, if what they hold
// is an integer that fits.
func intDecoder[G integer](w *wireType) decodeFunc {
	store := func(v int64, p unsafe.Pointer) error {
		n := G(v)
		if int64(n) != v || n < 0 != (v < 0) {
			return outOfRange(v, reflect.TypeFor[G]().String())
		}
		*(*G)(p) = n
		return nil
	}
	switch w.kind {
	case kindInt2:
		return func(src []byte, p unsafe.Pointer) error {
			if len(src) != 2 {
				return malformed(w.name, len(src))
			}
			return store(int64(int16(binary.BigEndian.Uint16(src))), p)
		}
	case kindInt4:
		return func(src []byte, p unsafe.Pointer) error {
			if len(src) != 4 {
				return malformed(w.name, len(src))
			}
			return store(int64(int32(binary.BigEndian.Uint32(src))), p)
		}
	case kindInt8:
		return func(src []byte, p unsafe.Pointer) error {
			if len(src) != 8 {
				return malformed(w.name, len(src))
			}
			return store(int64(binary.BigEndian.Uint64(src)), p)
		}
	case kindNumeric:
		return func(src []byte, p unsafe.Pointer) error {
			n, err := readNumeric(src)
			if err != nil {
				return err
			}
			v, exact, fits := n.integer()
			text := func() string { return cutNumber(n.appendText(nil)) }
			if n.special() != "" || !exact {
				return valueErr(text(), "is not an integer")
			}
			g, ok := toInteger[G](v, n.negative())
			if !fits || !ok {
				return valueErr(text(), "is out of range for "+reflect.TypeFor[G]().String())
			}
			*(*G)(p) = g
			return nil
		}
	case kindFloat4, kindFloat8:
		read := floatReader(w)
		return func(src []byte, p unsafe.Pointer) error {
			f, err := read(src)
			if err != nil {
				return err
			}
			if f != math.Trunc(f) || math.IsInf(f, 0) {
				return valueErr(formatFloat(f), "is not an integer")
			}
			// Beyond these bounds the conversion is not defined.
			var zero G
			low, high := -float64(1<<63), float64(1<<63)
			if zero-1 > 0 {
				low, high = 0, 1<<64
			}
			if f < low || f >= high || !isExact(G(f), f) {
				return outOfRange(f, reflect.TypeFor[G]().String())
			}
			*(*G)(p) = G(f)
			return nil
		}
	}
	return nil
}

// toInteger makes an integer of a magnitude and a sign. ok is false if it does not fit.
func toInteger[G integer](magnitude uint64, negative bool) (g G, ok bool) {
	if !negative {
		g = G(magnitude)
		return g, uint64(g) == magnitude && g >= 0
	}
	n := -int64(magnitude)
	g = G(n)
	return g, magnitude <= 1<<63 && int64(g) == n && g < 0 == (n < 0)
}

// floatReader reads a float4 or float8.
func floatReader(w *wireType) func(src []byte) (float64, error) {
	if w.kind == kindFloat4 {
		return func(src []byte) (float64, error) {
			if len(src) != 4 {
				return 0, malformed(w.name, len(src))
			}
			return float64(math.Float32frombits(binary.BigEndian.Uint32(src))), nil
		}
	}
	return func(src []byte) (float64, error) {
		if len(src) != 8 {
			return 0, malformed(w.name, len(src))
		}
		return math.Float64frombits(binary.BigEndian.Uint64(src)), nil
	}
}

func floatDecoder[G float](w *wireType) decodeFunc {
	switch w.kind {
	case kindFloat4, kindFloat8:
		read := floatReader(w)
		if w.kind == kindFloat8 && unsafe.Sizeof(G(0)) == 8 {
			return func(src []byte, p unsafe.Pointer) error {
				if len(src) != 8 {
					return malformed(w.name, len(src))
				}
				*(*float64)(p) = math.Float64frombits(binary.BigEndian.Uint64(src))
				return nil
			}
		}
		return func(src []byte, p unsafe.Pointer) error {
			f, err := read(src)
			if err != nil {
				return err
			}
			if unsafe.Sizeof(G(0)) == 4 && float64(float32(f)) != f {
				if lostInFloat32(f, float32(f)) {
					return outOfRange(f, "float32")
				}
				if !sameDigits(f, float32(f)) {
					return valueErr(formatFloat(f), "has more digits than float32 holds: use float64")
				}
			}
			*(*G)(p) = G(f)
			return nil
		}
	case kindInt2, kindInt4, kindInt8:
		return func(src []byte, p unsafe.Pointer) error {
			var v int64
			switch {
			case w.kind == kindInt2 && len(src) == 2:
				v = int64(int16(binary.BigEndian.Uint16(src)))
			case w.kind == kindInt4 && len(src) == 4:
				v = int64(int32(binary.BigEndian.Uint32(src)))
			case w.kind == kindInt8 && len(src) == 8:
				v = int64(binary.BigEndian.Uint64(src))
			default:
				return malformed(w.name, len(src))
			}
			f := G(v)
			if !isExact(v, float64(f)) {
				return valueErr(strconv.FormatInt(v, 10), fmt.Sprintf("cannot be represented exactly as %T", f))
			}
			*(*G)(p) = f
			return nil
		}
	case kindNumeric:
		return numericFloatDecoder[G]
	}
	return nil
}

// pow10Float holds the powers of ten that a float64 holds exactly.
var pow10Float = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// numericFloatDecoder reads a numeric into the nearest float, if that has the
// numeric's digits. Where coefficient
// and power of ten are exact as floats, their quotient is correctly rounded.
func numericFloatDecoder[G float](src []byte, p unsafe.Pointer) error {
	n, err := readNumeric(src)
	if err != nil {
		return err
	}
	switch n.sign {
	case numericNaN:
		*(*G)(p) = G(math.NaN())
		return nil
	case numericPosInf:
		*(*G)(p) = G(math.Inf(1))
		return nil
	case numericNegInf:
		*(*G)(p) = G(math.Inf(-1))
		return nil
	}
	if unsafe.Sizeof(G(0)) == 8 {
		if coef, ok := n.coef(); ok && coef < 1e15 { // 15 digits are always kept
			f := float64(coef) / pow10Float[n.dscale]
			if n.negative() {
				f = -f
			}
			*(*float64)(p) = f
			return nil
		}
	}
	var buf [64]byte
	text := n.appendText(buf[:0])
	f, err := strconv.ParseFloat(string(text), int(unsafe.Sizeof(G(0)))*8)
	if err != nil {
		return valueErr(cutNumber(text), "is out of range for "+reflect.TypeFor[G]().String())
	}
	if !keepsDigits(text, f, int(unsafe.Sizeof(G(0)))*8) {
		return valueErr(cutNumber(text), fmt.Sprintf("has more digits than %T holds: use string or a decimal type, or cast the column to double precision in a query", G(0)))
	}
	*(*G)(p) = G(f)
	return nil
}

// keepsDigits reports whether a float is the number that text writes, by the
// fewest digits that make the float, which are those that it is written with.
func keepsDigits(text []byte, f float64, bits int) bool {
	var digits [32]byte
	return sameNumber(text, strconv.AppendFloat(digits[:0], f, 'g', -1, bits))
}
