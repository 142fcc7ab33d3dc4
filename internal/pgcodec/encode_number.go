package pgcodec

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

type integer interface {
	int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64
}

type float interface{ float32 | float64 }

func boolEncoder(w *wireType) encodeFunc {
	if w.kind != kindBool {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		// Read as a byte: a bool is 0 or 1 there.
		return append(dst, 0, 0, 0, 1, *(*byte)(p)), nil
	}
}

func intEncoder[G integer](w *wireType) encodeFunc {
	switch w.kind {
	case kindInt2:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			n := int16(v)
			if G(n) != v || n < 0 != (v < 0) {
				return dst, outOfRange(v, w.name)
			}
			return append(dst, 0, 0, 0, 2, byte(n>>8), byte(n)), nil
		}
	case kindInt4:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			n := int32(v)
			if G(n) != v || n < 0 != (v < 0) {
				return dst, outOfRange(v, w.name)
			}
			return append(dst, 0, 0, 0, 4, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), nil
		}
	case kindInt8:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			n := int64(v)
			if n < 0 != (v < 0) {
				return dst, outOfRange(v, w.name)
			}
			return append8(dst, uint64(n)), nil
		}
	case kindFloat4:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			f := float32(v)
			if !isExact(v, float64(f)) {
				return dst, valueErr(fmt.Sprint(v), "cannot be represented exactly as "+w.name)
			}
			return append4(dst, math.Float32bits(f)), nil
		}
	case kindFloat8:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			f := float64(v)
			if !isExact(v, f) {
				return dst, valueErr(fmt.Sprint(v), "cannot be represented exactly as "+w.name)
			}
			return append8(dst, math.Float64bits(f)), nil
		}
	case kindNumeric:
		limit := newNumericLimit(w)
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			coef, neg := uint64(v), v < 0
			if neg {
				coef = -coef
			}
			if limit.exceeded(coef, 0) {
				return dst, outOfRange(v, w.name)
			}
			if limit.rounded(coef, 0) {
				return dst, limit.tooPrecise(fmt.Sprint(v))
			}
			return appendNumeric(dst, neg, coef, 0), nil
		}
	}
	return nil
}

// isExact reports whether f, the float that v was converted to, is still v.
func isExact[G integer](v G, f float64) bool {
	switch {
	case f >= 1<<64: // where the conversion back is not defined
		return false
	case f < 0:
		return int64(f) == int64(v)
	}
	return uint64(f) == uint64(v)
}

func floatEncoder[G float](w *wireType) encodeFunc {
	switch w.kind {
	case kindFloat4:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := *(*G)(p)
			f := float32(v)
			if lostInFloat32(float64(v), f) {
				return dst, outOfRange(v, w.name)
			}
			if G(f) != v && !sameDigits(float64(v), f) {
				return dst, valueErr(formatFloat(v), "has more digits than "+w.name+" holds: round it with float32(...)")
			}
			return append4(dst, math.Float32bits(f)), nil
		}
	case kindFloat8:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return append8(dst, math.Float64bits(float64(*(*G)(p)))), nil
		}
	case kindInt2, kindInt4, kindInt8:
		size := map[kind]int{kindInt2: 2, kindInt4: 4, kindInt8: 8}[w.kind]
		bound := math.Ldexp(1, size*8-1)
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			v := float64(*(*G)(p))
			if v != math.Trunc(v) || math.IsInf(v, 0) { // true for NaN
				return dst, valueErr(formatFloat(*(*G)(p)), "is not an integer, and the column is "+w.name)
			}
			if v < -bound || v >= bound {
				return dst, outOfRange(*(*G)(p), w.name)
			}
			dst = binary.BigEndian.AppendUint32(dst, uint32(size))
			for shift := size*8 - 8; shift >= 0; shift -= 8 {
				dst = append(dst, byte(int64(v)>>shift))
			}
			return dst, nil
		}
	case kindNumeric:
		return floatNumericEncoder[G](w)
	}
	return nil
}

// lostInFloat32 tells a value that became infinite or zero when it was rounded
// to a float32, which the server refuses too.
func lostInFloat32(v float64, f float32) bool {
	return math.IsInf(float64(f), 0) && !math.IsInf(v, 0) || f == 0 && v != 0
}

// sameDigits reports whether the fewest digits that make the float64 and those
// that make the float32 are the same: 0.1 is, 1.0/3 is not.
func sameDigits(v float64, f float32) bool {
	var a, b [32]byte
	return v != v || string(strconv.AppendFloat(a[:0], v, 'g', -1, 64)) == string(strconv.AppendFloat(b[:0], float64(f), 'g', -1, 32))
}

func append4(dst []byte, v uint32) []byte {
	return append(dst, 0, 0, 0, 4, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func append8(dst []byte, v uint64) []byte {
	return append(dst, 0, 0, 0, 8,
		byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func outOfRange(v any, typeName string) *ValueError {
	text := fmt.Sprint(v)
	switch v := v.(type) {
	case float64:
		text = formatFloat(v)
	case float32:
		text = formatFloat(v)
	}
	return valueErr(text, "is out of range for "+typeName)
}

// formatFloat writes a float in the fewest digits that read back as the same.
func formatFloat[G float](v G) string {
	bits := 64
	if unsafe.Sizeof(v) == 4 {
		bits = 32
	}
	return strconv.FormatFloat(float64(v), 'g', -1, bits)
}
