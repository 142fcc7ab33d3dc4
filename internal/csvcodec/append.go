package csvcodec

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// appendString appends a string value. behindPointer says that nothing at all
// would be read as NULL.
func (p *encodePlan) appendString(dst []byte, s string, behindPointer bool) []byte {
	if (s == p.null || p.form != nil && p.isNull(s)) && (s != "" || behindPointer) {
		return p.quoted(dst, s)
	}
	return p.appendText(dst, s)
}

// appendText appends a field, in quotes when it needs them.
func (p *encodePlan) appendText(dst []byte, s string) []byte {
	if p.form != nil {
		return p.appendForm(dst, s)
	}
	if p.needsQuotes(s) {
		return appendQuoted(dst, s)
	}
	return append(dst, s...)
}

func (p *encodePlan) appendBytes(dst, b []byte) []byte {
	return p.appendText(dst, unsafe.String(unsafe.SliceData(b), len(b))) // b does not change meanwhile
}

// appendPlain puts the number or time that has been appended from start on in
// quotes if it needs them, as 1.5 does where the delimiter is a point.
func (p *encodePlan) appendPlain(dst []byte, start int) []byte {
	if p.oddComma {
		return p.appendText(dst[:start], string(dst[start:]))
	}
	return dst
}

// oddComma reports whether a delimiter may stand in a number or a time.
func oddComma(c byte) bool {
	return c >= '+' && c <= ':' && c != ',' || c >= 'A'
}

// needsQuotes follows encoding/csv: a delimiter, a quote, a line feed or a carriage return anywhere, a
// space at the front, or \. alone, which ends Postgres's input. Besides these, a byte order
// mark at the front, which a reader would skip.
func (p *encodePlan) needsQuotes(s string) bool {
	const (
		feeds   = '\n' * loBits
		returns = '\r' * loBits
		quotes  = '"' * loBits
	)
	n := len(s)
	if n == 0 {
		return false
	}
	if c := s[0]; c <= ' ' || c >= utf8.RuneSelf || c == '\\' {
		if s == `\.` || strings.HasPrefix(s, string(byteOrderMark)) {
			return true
		}
		if r, _ := utf8.DecodeRuneInString(s); unicode.IsSpace(r) {
			return true
		}
	}
	if n < 8 {
		for i := range n {
			if c := s[i]; c == p.comma || c == '"' || c == '\n' || c == '\r' {
				return true
			}
		}
		return false
	}
	b := unsafe.Slice(unsafe.StringData(s), n) // only read
	// As in marks, eight bytes at a time; the last eight may overlap those before.
	for i := 0; ; i += 8 {
		i = min(i, n-8)
		x := binary.LittleEndian.Uint64(b[i:])
		y := x & low7
		other := ((y ^ p.commas) + low7) & ((y ^ feeds) + low7) & ((y ^ returns) + low7) & ((y ^ quotes) + low7)
		if ^(other|x)&hiBits != 0 {
			return true
		}
		if i == n-8 {
			return false
		}
	}
}

// appendQuoted appends a field in quotes, its own quotes doubled.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		dst = append(dst, s[:i+1]...)
		dst = append(dst, '"')
		s = s[i+1:]
	}
	dst = append(dst, s...)
	return append(dst, '"')
}

func (p *encodePlan) appendInt(dst []byte, v int64) []byte {
	start := len(dst)
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	return p.appendPlain(appendDigits(dst, u), start)
}

func (p *encodePlan) appendUint(dst []byte, v uint64) []byte {
	start := len(dst)
	return p.appendPlain(appendDigits(dst, v), start)
}

const digitPairs = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// appendDigits appends v two digits at a time, straight into place.
func appendDigits(dst []byte, v uint64) []byte {
	if v < 10 {
		return append(dst, '0'+byte(v))
	}
	n := 2
	for limit := uint64(100); v >= limit && n < 20; n++ {
		if limit *= 10; n == 19 {
			limit = math.MaxUint64
		}
	}
	dst = append(dst, "00000000000000000000"[:n]...)
	at := len(dst)
	for v >= 100 {
		pair := v % 100 * 2
		v /= 100
		at -= 2
		dst[at], dst[at+1] = digitPairs[pair], digitPairs[pair+1]
	}
	if v >= 10 {
		dst[at-2], dst[at-1] = digitPairs[v*2], digitPairs[v*2+1]
	} else {
		dst[at-1] = '0' + byte(v)
	}
	return dst
}

// appendFloat writes the shortest decimal that reads back as v, without an
// exponent, as gocsv does.
func (p *encodePlan) appendFloat(dst []byte, v float64) []byte {
	start := len(dst)
	// Up to 15 digits, different decimals are different floats: a decimal with
	// two places that is v is therefore the shortest, but for zeros at its end.
	if math.Abs(v) < 1e12 && (v != 0 || !math.Signbit(v)) {
		hundreds := int64(math.Round(v * 100))
		if float64(hundreds)/100 == v && hundreds != 0 {
			dst = appendHundredths(dst, hundreds)
			if p.oddComma {
				dst = p.appendNumber(dst, start)
			}
			return dst
		}
	}
	return p.appendNumber(strconv.AppendFloat(dst, v, 'f', -1, 64), start)
}

func appendHundredths(dst []byte, v int64) []byte {
	if v < 0 {
		dst = append(dst, '-')
		v = -v
	}
	whole, part := v/100, byte(v%100)
	dst = appendDigits(dst, uint64(whole))
	switch {
	case part == 0:
		return dst
	case part%10 == 0:
		return append(dst, '.', '0'+part/10)
	}
	return append(dst, '.', '0'+part/10, '0'+part%10)
}

func (p *encodePlan) appendFloat32(dst []byte, v float32) []byte {
	start := len(dst)
	return p.appendNumber(strconv.AppendFloat(dst, float64(v), 'f', -1, 32), start)
}

// appendTime writes a time. One that the layout does not hold whole, or that would be
// read back as another instant, is an error.
func (p *encodePlan) appendTime(dst []byte, t time.Time, times *timeParser) ([]byte, error) {
	var err error
	switch times.layout {
	case "":
		if _, offset := t.Zone(); offset%60 != 0 { // RFC 3339 has no seconds in an offset
			t = t.UTC()
		}
		if p.scratch, err = t.AppendText(p.scratch[:0]); err != nil {
			return dst, err
		}
		return p.appendBytes(dst, p.scratch), nil
	case time.DateOnly:
		if times.location == nil && t.Unix()%86400 == 0 && t.Nanosecond() == 0 {
			year, month, day := t.UTC().Date()
			if year >= 0 && year <= 9999 {
				century, y, m, d := year/100*2, year%100*2, int(month)*2, day*2
				start := len(dst)
				dst = append(dst, digitPairs[century], digitPairs[century+1], digitPairs[y], digitPairs[y+1],
					'-', digitPairs[m], digitPairs[m+1], '-', digitPairs[d], digitPairs[d+1])
				return p.appendPlain(dst, start), nil
			}
		}
	}
	if !times.numeric {
		t = t.UTC()
		if times.location != nil {
			t = t.In(times.location)
		}
	}
	p.scratch = t.AppendFormat(p.scratch[:0], times.layout)
	data := append(p.scratch, make([]byte, slack)...)
	if back, f := times.parse(data, 0, len(p.scratch)); f != nil || !back.Equal(t) {
		return dst, fmt.Errorf("the Layout %q does not hold the time %s whole", times.layout, t.Format(time.RFC3339Nano))
	}
	return p.appendBytes(dst, p.scratch), nil
}
