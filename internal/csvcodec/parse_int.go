package csvcodec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// digits8 is the number that eight bytes spell, the first byte the highest
// digit; ok is false when they are not all digits.
func digits8(x uint64) (v uint64, ok bool) {
	const (
		zeros = '0' * loBits
		highs = 0xf0 * loBits
	)
	// Each byte must be 0x3n with n below 10: adding 6 must not reach 0x40.
	ok = x&highs == zeros && (x+6*loBits)&highs == zeros
	x -= zeros
	// Pairs of digits, then pairs of pairs, then both halves.
	x = x*10 + x>>8
	const (
		mask = 0x000000ff000000ff
		mul1 = 100 + 1000000<<32
		mul2 = 1 + 10000<<32
	)
	return (x&mask*mul1 + x>>16&mask*mul2) >> 32, ok
}

// leading8 are n bytes, 1 to 8, from data[lo] on, as eight with zeros before
// them. data has slack bytes behind the n.
func leading8(data []byte, lo, n int) uint64 {
	const zeros = '0' * loBits
	x := load8(data, lo)
	shift := uint(64-8*n) & 63
	return x<<shift | zeros&(1<<shift-1)
}

// parseDigits reads 1 to 19 digits and nothing else.
func parseDigits(data []byte, lo, hi int) (v uint64, ok bool) {
	switch n := hi - lo; {
	case n <= 0:
		return 0, false
	case n <= 8:
		return digits8(leading8(data, lo, n))
	case n <= 16:
		high, ok1 := digits8(leading8(data, lo, n-8))
		low, ok2 := digits8(load8(data, hi-8))
		return high*1e8 + low, ok1 && ok2
	case n <= 19:
		high, ok1 := digits8(leading8(data, lo, n-16))
		mid, ok2 := digits8(load8(data, hi-16))
		low, ok3 := digits8(load8(data, hi-8))
		return (high*1e8+mid)*1e8 + low, ok1 && ok2 && ok3
	}
	return 0, false
}

// parseInt reads data[lo:hi] as gocsv's integers are written, with the
// differences that the package comment lists.
func parseInt(data []byte, lo, hi int) (int64, bool) {
	at := lo
	negative := lo < hi && data[lo] == '-'
	if negative {
		at++
	}
	v, ok := parseDigits(data, at, hi)
	if !ok || v > 1<<63-1 {
		v, err := parseIntSlow(data[lo:hi])
		return v, err == nil
	}
	if negative {
		return -int64(v), true
	}
	return int64(v), true
}

// parseUint is parseInt without a sign.
func parseUint(data []byte, lo, hi int) (uint64, bool) {
	v, ok := parseDigits(data, lo, hi)
	if !ok {
		v, err := parseUintSlow(data[lo:hi])
		return v, err == nil
	}
	return v, true
}

var errFraction = errors.New("has a fraction")

// integerText brings an integer as gocsv takes it into the form that strconv
// takes, and says in which base to read it. Surrounding space does not count,
// a fraction of zeros is dropped, and 0x, 0o and 0b lead other
// bases. Zeros before a decimal number do not make it octal.
func integerText(value []byte) (s string, base int, err error) {
	s = strings.TrimSpace(string(value))
	if whole, fraction, ok := strings.Cut(s, "."); ok {
		if strings.Trim(fraction, "0") != "" {
			return "", 0, errFraction
		}
		s = whole
	}
	digits := strings.TrimLeft(s, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] != '_' && (digits[1] < '0' || digits[1] > '9') {
		return s, 0, nil
	}
	if strings.Contains(digits, "_") && digits[0] != '0' {
		return s, 0, nil // 1_000, as in Go
	}
	return s, 10, nil
}

func parseIntSlow(value []byte) (int64, error) {
	s, base, err := integerText(value)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, base, 64)
}

func parseUintSlow(value []byte) (uint64, error) {
	s, base, err := integerText(value)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(s, base, 64)
}

// parseDuration reads what a time.Duration is written as, 1h30m0s.
func parseDuration(value []byte) (int64, bool) {
	d, err := time.ParseDuration(string(value))
	return int64(d), err == nil
}

func intFault(value []byte, name string, size uint) *fault {
	if len(value) == 0 {
		return emptyFault()
	}
	_, err := parseIntSlow(value)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return &fault{fmt.Sprintf("%s does not fit %s (%d to %d)", quoteValue(value), name,
			int64(-1)<<(size-1), int64(1)<<(size-1)-1), ErrRange}
	}
	return integerFault(value, err)
}

func uintFault(value []byte, name string, size uint) *fault {
	if len(value) == 0 {
		return emptyFault()
	}
	_, err := parseUintSlow(value)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return &fault{fmt.Sprintf("%s does not fit %s (0 to %d)", quoteValue(value), name,
			uint64(1)<<(size-1)<<1-1), ErrRange}
	}
	if v, err := parseIntSlow(value); err == nil && v < 0 {
		return &fault{quoteValue(value) + " is negative, and does not fit " + name, ErrRange}
	}
	return integerFault(value, err)
}

func integerFault(value []byte, err error) *fault {
	if errors.Is(err, errFraction) {
		return &fault{quoteValue(value) + " is not an integer: it has a fraction", ErrSyntax}
	}
	return &fault{quoteValue(value) + " is not an integer", ErrSyntax}
}
