package pgcodec

import (
	"encoding/binary"
	"math/bits"
)

// The binary format of numeric (numeric_send): four 16-bit words, then digits to
// the base 10000.
//
//	ndigits  weight  sign  dscale  digit...
//
// The value is the sum of digit[i] * 10000^(weight-i); dscale is the number of
// decimal digits to show after the point.
const (
	numericNegative = 0x4000
	numericNaN      = 0xc000
	numericPosInf   = 0xd000
	numericNegInf   = 0xf000

	maxNumericWhole = 131072 // digits before the point
	maxNumericScale = 16383  // digits after it
)

// pow10 holds the powers of ten that fit.
var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// numericLimit is the number of digits that a numeric(p,s) holds before the
// point. The server refuses more, without saying which value it was.
type numericLimit struct {
	digits  int
	limited bool
	scale   int // digits after the point; below 0, zeros before it
	scaled  bool
	name    string
}

func newNumericLimit(w *wireType) numericLimit {
	p, s, ok := w.precision()
	if !ok {
		return numericLimit{}
	}
	return numericLimit{digits: p - s, limited: p >= s, scale: s, scaled: true, name: w.name}
}

// rounded reports whether the server would round coef/10^scale.
func (l numericLimit) rounded(coef uint64, scale int) bool {
	if !l.scaled || scale <= l.scale || coef == 0 {
		return false
	}
	surplus := scale - l.scale
	return surplus >= len(pow10) || coef%pow10[surplus] != 0
}

// tooPrecise is the error about a number that the server would round.
func (l numericLimit) tooPrecise(number string) *ValueError {
	return valueErr(number, "has more decimal places than "+l.name+" holds: round it")
}

// exceeded reports whether coef/10^scale has too many digits before the point.
func (l numericLimit) exceeded(coef uint64, scale int) bool {
	return l.limited && l.digits < len(pow10) && coef/pow10[scale] >= pow10[l.digits]
}

// appendNumericSpecial appends NaN or an infinity.
func appendNumericSpecial(dst []byte, sign uint16) []byte {
	return append(dst, 0, 0, 0, 8, 0, 0, 0, 0, byte(sign>>8), byte(sign), 0, 0)
}

// appendNumeric appends coef/10^scale with its length. scale is at most 19.
func appendNumeric(dst []byte, neg bool, coef uint64, scale int) []byte {
	whole, frac := coef/pow10[scale], coef%pow10[scale]
	wholeDigits := 0
	for p := whole; p > 0; p /= 10000 {
		wholeDigits++
	}
	ndigits := wholeDigits + (scale+3)/4
	weight := uint16(wholeDigits - 1) // -1 where there is no whole part
	sign := byte(0)
	if neg && coef != 0 {
		sign = numericNegative >> 8
	}
	size := 8 + 2*ndigits
	dst = append(dst, 0, 0, 0, byte(size), 0, byte(ndigits), byte(weight>>8), byte(weight), sign, 0, 0, byte(scale))

	// The whole digits come out last first, so they are put from the back.
	n := len(dst)
	dst = append(dst, zeros[:2*wholeDigits]...)
	for i := n + 2*wholeDigits - 2; i >= n; i -= 2 {
		binary.BigEndian.PutUint16(dst[i:], uint16(whole%10000))
		whole /= 10000
	}
	for scale >= 4 {
		scale -= 4
		d := frac / pow10[scale]
		frac -= d * pow10[scale]
		dst = append(dst, byte(d>>8), byte(d))
	}
	if scale > 0 {
		d := frac * pow10[4-scale]
		dst = append(dst, byte(d>>8), byte(d))
	}
	return dst
}

var zeros [16]byte

// appendNumericText appends the number that text writes, with its length: as
// many digits as it has, so that nothing is lost. It reads what the server
// reads, without white space: digits with a point and an exponent, NaN, Infinity.
func appendNumericText(dst, text []byte, limit numericLimit) ([]byte, error) {
	n, err := parseNumeric(text)
	if err != nil {
		return dst, err
	}
	if n.special != 0 {
		return appendNumericSpecial(dst, n.special), nil
	}
	wholeLen := max(n.point-n.leading, 0)
	scale := max(n.len()-n.point, 0)
	if limit.limited && wholeLen > limit.digits {
		return dst, valueErr(cutNumber(text), "is out of range for "+limit.name)
	}
	if wholeLen > maxNumericWhole || scale > maxNumericScale {
		return dst, valueErr(cutNumber(text), "is out of range for numeric")
	}
	if limit.scaled && scale > limit.scale {
		for i := max(n.point+limit.scale, n.leading); i < n.len(); i++ {
			if n.digit(i) != 0 {
				return dst, limit.tooPrecise(cutNumber(text))
			}
		}
	}
	wholeGroups, fracGroups := (wholeLen+3)/4, (scale+3)/4
	ndigits := wholeGroups + fracGroups
	sign := uint16(0)
	if n.neg && !n.zero {
		sign = numericNegative
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+2*ndigits))
	dst = binary.BigEndian.AppendUint16(dst, uint16(ndigits))
	dst = binary.BigEndian.AppendUint16(dst, uint16(wholeGroups-1))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, uint16(scale))
	for at := n.point - 4*wholeGroups; at < n.point+4*fracGroups; at += 4 {
		d := n.digit(at)*1000 + n.digit(at+1)*100 + n.digit(at+2)*10 + n.digit(at+3)
		dst = binary.BigEndian.AppendUint16(dst, d)
	}
	return dst, nil
}

// decimalText is a number as text, cut into its parts: digit i is that of
// whole followed by frac, and the point stands before digit number point.
type decimalText struct {
	whole, frac []byte
	point       int
	leading     int // zeros before the first other digit
	neg, zero   bool
	special     uint16 // the sign word of NaN and the infinities
}

func (n *decimalText) len() int { return len(n.whole) + len(n.frac) }

func (n *decimalText) digit(i int) uint16 {
	switch {
	case i < 0 || i >= n.len():
		return 0
	case i < len(n.whole):
		return uint16(n.whole[i] - '0')
	}
	return uint16(n.frac[i-len(n.whole)] - '0')
}

func parseNumeric(text []byte) (n decimalText, err error) {
	rest := text
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		n.neg = rest[0] == '-'
		rest = rest[1:]
	}
	switch string(rest) {
	case "NaN", "nan":
		if len(rest) == len(text) {
			n.special = numericNaN
			return n, nil
		}
	case "Infinity", "infinity", "Inf", "inf":
		n.special = numericPosInf
		if n.neg {
			n.special = numericNegInf
		}
		return n, nil
	}
	n.whole, rest = cutDigits(rest)
	if len(rest) > 0 && rest[0] == '.' {
		n.frac, rest = cutDigits(rest[1:])
	}
	exponent := 0
	bad := n.len() == 0
	if len(rest) > 1 && (rest[0] == 'e' || rest[0] == 'E') {
		negative := rest[1] == '-'
		if negative || rest[1] == '+' {
			rest = rest[1:]
		}
		var digits []byte
		digits, rest = cutDigits(rest[1:])
		bad = bad || len(digits) == 0
		for _, d := range digits {
			exponent = min(exponent*10+int(d-'0'), 1<<20) // far beyond every limit
		}
		if negative {
			exponent = -exponent
		}
	}
	if bad || len(rest) > 0 {
		return n, valueErr(quoteValue(string(text)), "is not a number")
	}
	n.point = len(n.whole) + exponent
	for n.leading < n.len() && n.digit(n.leading) == 0 {
		n.leading++
	}
	if n.zero = n.leading == n.len(); n.zero {
		n.leading = max(n.leading, n.point) // 0e9 is zero, not 9 digits
	}
	return n, nil
}

func cutDigits(b []byte) (digits, rest []byte) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return b[:i], b[i:]
}

// cutNumber shows a number in a message, which may be very long.
func cutNumber(text []byte) string {
	if len(text) > 100 {
		return string(text[:100]) + "..."
	}
	return string(text)
}

// numericValue is a view of a numeric in the binary format.
type numericValue struct {
	digits []byte // two bytes each
	weight int
	sign   uint16
	dscale int
}

func readNumeric(src []byte) (numericValue, error) {
	if len(src) < 8 {
		return numericValue{}, malformed("numeric", len(src))
	}
	n := numericValue{
		digits: src[8:],
		weight: int(int16(binary.BigEndian.Uint16(src[2:]))),
		sign:   binary.BigEndian.Uint16(src[4:]),
		dscale: int(binary.BigEndian.Uint16(src[6:])),
	}
	if ndigits := int(binary.BigEndian.Uint16(src)); len(n.digits) != 2*ndigits || n.dscale > maxNumericScale {
		return numericValue{}, malformed("numeric", len(src))
	}
	for i := range n.len() {
		if n.digit(i) >= 10000 {
			return numericValue{}, malformed("numeric", len(src))
		}
	}
	switch n.sign {
	case 0, numericNegative, numericNaN, numericPosInf, numericNegInf:
		return n, nil
	}
	return numericValue{}, malformed("numeric", len(src))
}

func (n *numericValue) len() int { return len(n.digits) / 2 }

func (n *numericValue) digit(i int) uint64 {
	return uint64(binary.BigEndian.Uint16(n.digits[2*i:]))
}

// special returns the word for NaN and the infinities, or "".
func (n *numericValue) special() string {
	switch n.sign {
	case numericNaN:
		return "NaN"
	case numericPosInf:
		return "Infinity"
	case numericNegInf:
		return "-Infinity"
	}
	return ""
}

func (n *numericValue) negative() bool { return n.sign == numericNegative }

// coef gives the value as coef/10^dscale, if that fits and dscale is at most 19.
func (n *numericValue) coef() (coef uint64, ok bool) {
	if n.dscale >= len(pow10) {
		return 0, false
	}
	last := n.weight // of the digit that was added last
	for i := range n.len() {
		if coef, ok = mulAdd(coef, 10000, n.digit(i)); !ok {
			return 0, false
		}
		last = n.weight - i
	}
	if n.len() == 0 {
		return 0, true
	}
	// coef*10000^last is the value; bring it to 10^-dscale.
	shift := 4*last + n.dscale
	switch {
	case shift >= 0 && shift < len(pow10):
		return mulAdd(coef, pow10[shift], 0)
	case shift < 0 && -shift < len(pow10):
		return coef / pow10[-shift], coef%pow10[-shift] == 0
	}
	return 0, coef == 0
}

// integer gives the value without sign as an integer. exact is false if there is
// a fraction, fits is false if it is over 64 bits.
func (n *numericValue) integer() (v uint64, exact, fits bool) {
	for i := range n.len() {
		if n.weight-i < 0 {
			if n.digit(i) != 0 {
				return 0, false, true
			}
			continue
		}
		if v, fits = mulAdd(v, 10000, n.digit(i)); !fits {
			return 0, true, false
		}
	}
	for w := n.weight - n.len(); w >= 0 && v != 0; w-- {
		if v, fits = mulAdd(v, 10000, 0); !fits {
			return 0, true, false
		}
	}
	return v, true, true
}

func mulAdd(a, b, c uint64) (uint64, bool) {
	hi, lo := bits.Mul64(a, b)
	sum, carry := bits.Add64(lo, c, 0)
	return sum, hi == 0 && carry == 0
}

// appendText appends the number as the server writes it, dscale included.
func (n *numericValue) appendText(dst []byte) []byte {
	if s := n.special(); s != "" {
		return append(dst, s...)
	}
	if n.negative() {
		dst = append(dst, '-')
	}
	group := func(weight int) uint64 {
		if i := n.weight - weight; i >= 0 && i < n.len() {
			return n.digit(i)
		}
		return 0
	}
	start := len(dst)
	for w := n.weight; w >= 0; w-- {
		d := group(w)
		dst = append(dst, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
	}
	// Cut the leading zeros of the first group, all but the last digit.
	skip := start
	for skip < len(dst)-1 && dst[skip] == '0' {
		skip++
	}
	dst = append(dst[:start], dst[skip:]...)
	if len(dst) == start {
		dst = append(dst, '0')
	}
	if n.dscale == 0 {
		return dst
	}
	dst = append(dst, '.')
	end := len(dst) + n.dscale
	for w := -1; len(dst) < end; w-- {
		d := group(w)
		dst = append(dst, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
	}
	return dst[:end]
}
