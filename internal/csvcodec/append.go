package csvcodec

import (
	"encoding/binary"
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
	if s == p.null && (s != "" || behindPointer) {
		return appendQuoted(dst, s)
	}
	return p.appendText(dst, s)
}

// appendText appends a field, in quotes when it needs them.
func (p *encodePlan) appendText(dst []byte, s string) []byte {
	if p.needsQuotes(s) {
		return appendQuoted(dst, s)
	}
	return append(dst, s...)
}

func (p *encodePlan) appendBytes(dst, b []byte) []byte {
	return p.appendText(dst, unsafe.String(unsafe.SliceData(b), len(b))) // b does not change meanwhile
}

// appendPlain puts the number that has been appended from start on in quotes
// if it needs them, as 1.5 does where the delimiter is a point.
func (p *encodePlan) appendPlain(dst []byte, start int) []byte {
	if c := p.comma; c == '.' || c == '-' || c == '+' || c >= '0' && c <= '9' || c >= 'A' {
		if text := string(dst[start:]); p.needsQuotes(text) {
			return appendQuoted(dst[:start], text)
		}
	}
	return dst
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
	return p.appendPlain(strconv.AppendInt(dst, v, 10), start)
}

func (p *encodePlan) appendUint(dst []byte, v uint64) []byte {
	start := len(dst)
	return p.appendPlain(strconv.AppendUint(dst, v, 10), start)
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
			return p.appendPlain(appendHundredths(dst, hundreds), start)
		}
	}
	return p.appendPlain(strconv.AppendFloat(dst, v, 'f', -1, 64), start)
}

func appendHundredths(dst []byte, v int64) []byte {
	if v < 0 {
		dst = append(dst, '-')
		v = -v
	}
	whole, part := v/100, byte(v%100)
	dst = strconv.AppendInt(dst, whole, 10)
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
	return p.appendPlain(strconv.AppendFloat(dst, float64(v), 'f', -1, 32), start)
}

func (p *encodePlan) appendTime(dst []byte, t time.Time) ([]byte, error) {
	var err error
	switch p.layout {
	case "":
		p.scratch, err = t.AppendText(p.scratch[:0])
	case time.DateOnly:
		year, month, day := t.Date()
		if year >= 0 && year <= 9999 {
			y, m, d := uint(year), uint(month), uint(day)
			p.scratch = append(p.scratch[:0], '0'+byte(y/1000), '0'+byte(y/100%10), '0'+byte(y/10%10), '0'+byte(y%10),
				'-', '0'+byte(m/10), '0'+byte(m%10), '-', '0'+byte(d/10), '0'+byte(d%10))
			break
		}
		fallthrough
	default:
		p.scratch = t.AppendFormat(p.scratch[:0], p.layout)
	}
	if err != nil {
		return dst, err
	}
	return p.appendBytes(dst, p.scratch), nil
}
