package csvcodec

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Powers of ten that a float64 holds exactly.
var exactPow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// parseFloat64 reads the common form, digits with or without a point, exactly:
// a whole number below 2^53 divided by a power of ten that is exact is one
// rounding, the right one. ok is false for anything else, right or wrong.
func parseFloat64(data []byte, lo, hi int) (v float64, ok bool) {
	negative := lo < hi && data[lo] == '-'
	if negative {
		lo++
	}
	switch n := hi - lo; {
	case n <= 0:
		return 0, false
	case n <= 8:
		v, ok = shortFloat(load8(data, lo), uint(n))
	default:
		whole, places, good := longDecimal(data[lo:hi])
		v, ok = float64(whole)/exactPow10[places], good
	}
	if negative {
		v = -v
	}
	return v, ok
}

// shortFloat reads the first n bytes of x, 1 to 8: digits with at most one point.
func shortFloat(x uint64, n uint) (v float64, ok bool) {
	const (
		zeros  = '0' * loBits
		points = '.' * loBits
	)
	shift := (64 - 8*n) & 63
	x = x<<shift | zeros&(1<<shift-1)
	y := x ^ points
	// A byte's top bit is set where it is a point. The bytes above the first
	// point may be wrong, which the check of the digits finds.
	at := (y - loBits) &^ y & hiBits
	if at == 0 {
		whole, ok := digits8(x)
		return float64(whole), ok
	}
	// Close the gap: what stands before the point moves up by a byte, and a
	// zero comes in front.
	bit := uint(firstBit(at)) - 7 // the point's lowest bit
	below := x & (1<<bit - 1)
	above := x &^ (1<<bit - 1) &^ (0xff << bit)
	whole, ok := digits8(above | below<<8 | '0')
	return float64(whole) / exactPow10[(56-bit)/8&7], ok && n > 1 // not the point alone
}

// longDecimal reads up to 15 digits with at most one point.
func longDecimal(b []byte) (whole uint64, places int, ok bool) {
	if len(b) > 16 {
		return 0, 0, false
	}
	point := -1
	for i, c := range b {
		d := c - '0'
		if d > 9 {
			if c != '.' || point >= 0 {
				return 0, 0, false
			}
			point = i
			continue
		}
		whole = whole*10 + uint64(d)
	}
	if point >= 0 {
		return whole, len(b) - 1 - point, true
	}
	return whole, 0, len(b) <= 15
}

// parseFloatSlow is gocsv's reading: surrounding space does not count, the rest is
// strconv's. The result is rounded once, to size bits.
func parseFloatSlow(value []byte, size int) (float64, error) {
	return strconv.ParseFloat(strings.TrimSpace(string(value)), size)
}

func floatFault(value []byte, name string, err error) *fault {
	if len(value) == 0 {
		return emptyFault()
	}
	if errors.Is(err, strconv.ErrRange) {
		return &fault{quoteValue(value) + " does not fit " + name, ErrRange}
	}
	if bytes.IndexByte(value, ',') >= 0 {
		return &fault{quoteValue(value) + " is not a number: set Dialect.Decimal or Thousands to ',' if its comma is one", ErrSyntax}
	}
	return &fault{quoteValue(value) + " is not a number", ErrSyntax}
}

// parseBool is gocsv's reading: yes and no in any case, what strconv.ParseBool
// takes.
func parseBool(value []byte) (v, ok bool) {
	switch string(value) {
	case "true", "t", "1":
		return true, true
	case "false", "f", "0":
		return false, true
	}
	s := strings.TrimSpace(string(value))
	switch {
	case strings.EqualFold(s, "yes"):
		return true, true
	case strings.EqualFold(s, "no"):
		return false, true
	}
	v, err := strconv.ParseBool(s)
	return v, err == nil
}
