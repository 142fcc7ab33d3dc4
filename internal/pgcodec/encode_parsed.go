package pgcodec

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// parsedEncoder encodes strings into columns of booleans, numbers and times: a
// string is read as text of the column's type, as the server would read it, but
// for what depends on settings of the session or would lose something: dates and
// times are those of ISO 8601 (infinity and BC aside), a timestamp with time zone
// says its offset, and one without has none.
func (c *compiler) parsedEncoder(w *wireType) encodeFunc {
	var parse func(dst []byte, s string) ([]byte, error)
	switch w.kind {
	case kindBool:
		parse = appendParsedBool
	case kindInt2, kindInt4, kindInt8:
		encode := intEncoder[int64](w)
		parse = func(dst []byte, s string) ([]byte, error) {
			v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			if err != nil {
				return dst, parseProblem(s, "is not an integer", w, err)
			}
			return encode(dst, unsafe.Pointer(&v))
		}
	case kindFloat4:
		parse = func(dst []byte, s string) ([]byte, error) {
			f, err := parseFloat(s, 32, w)
			return append4(dst, math.Float32bits(float32(f))), err
		}
	case kindFloat8:
		parse = func(dst []byte, s string) ([]byte, error) {
			f, err := parseFloat(s, 64, w)
			return append8(dst, math.Float64bits(f)), err
		}
	case kindDate:
		parse = parsedTime(c, pgtype.DateOID, pgDateEncoder(w), w)
	case kindTimestamp:
		parse = parsedTime(c, pgtype.TimestampOID, pgTimestampEncoder(w), w)
	case kindTimestamptz:
		parse = parsedTime(c, pgtype.TimestamptzOID, pgTimestamptzEncoder(w), w)
	case kindTime:
		parse = parsedTime(c, pgtype.TimeOID, pgTimeEncoder(w), w)
	default:
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) { return parse(dst, *(*string)(p)) }
}

func appendParsedBool(dst []byte, s string) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1":
		return append(dst, 0, 0, 0, 1, 1), nil
	case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0":
		return append(dst, 0, 0, 0, 1, 0), nil
	}
	return dst, valueErr(quoteValue(s), "is not a boolean: true or false")
}

// parseFloat reads a number that the float holds with all its digits.
func parseFloat(s string, bits int, w *wireType) (float64, error) {
	text := strings.TrimSpace(s)
	n, err := parseNumeric([]byte(text))
	if err != nil {
		return 0, valueErr(quoteValue(s), "is not a number")
	}
	f, err := strconv.ParseFloat(text, bits)
	if err != nil {
		return 0, valueErr(quoteValue(s), "is out of range for "+w.name)
	}
	if n.special == 0 && !keepsDigits([]byte(text), f, bits) {
		return 0, valueErr(quoteValue(s), "has more digits than "+w.name+" holds")
	}
	return f, nil
}

// parsedTime reads a date or time by pgx's reader of what the server writes, into
// the type of pgtype that encode takes.
func parsedTime(c *compiler, oid uint32, encode encodeFunc, w *wireType) func(dst []byte, s string) ([]byte, error) {
	m := c.pgxMap(nil)
	return func(dst []byte, s string) ([]byte, error) {
		text := strings.TrimSpace(s)
		if len(text) > 10 && text[10] == 'T' { // ISO 8601's own
			text = text[:10] + " " + text[11:]
		}
		if why := timeProblem(text, w); why != "" {
			return dst, valueErr(quoteValue(s), why)
		}
		var date pgtype.Date
		var clock pgtype.Time
		var at pgtype.Timestamp
		var instant pgtype.Timestamptz
		var err error
		p := unsafe.Pointer(&date)
		switch oid {
		case pgtype.DateOID:
			err = m.Scan(oid, pgtype.TextFormatCode, []byte(text), &date)
		case pgtype.TimeOID:
			p, err = unsafe.Pointer(&clock), m.Scan(oid, pgtype.TextFormatCode, []byte(text), &clock)
		case pgtype.TimestampOID:
			p, err = unsafe.Pointer(&at), m.Scan(oid, pgtype.TextFormatCode, []byte(text), &at)
		default:
			p, err = unsafe.Pointer(&instant), m.Scan(oid, pgtype.TextFormatCode, []byte(text), &instant)
		}
		if err != nil {
			return dst, valueErr(quoteValue(s), fmt.Sprintf("cannot be read as %s: write it as ISO 8601 does, like %s", w.name, sampleTimes[w.kind]))
		}
		return encode(dst, p)
	}
}

var sampleTimes = map[kind]string{
	kindDate: "2006-01-02", kindTime: "15:04:05.999999",
	kindTimestamp: "2006-01-02 15:04:05.999999", kindTimestamptz: "2006-01-02 15:04:05.999999+02:00",
}

// timeProblem says what the server or pgx would drop of a time's text: an offset,
// digits beyond the microsecond.
func timeProblem(text string, w *wireType) string {
	clock := ""
	if i := strings.IndexByte(text, ':'); i >= 0 {
		clock = strings.TrimSuffix(text[i:], " BC")
	}
	offset := strings.ContainsAny(clock, "+-Zz")
	switch {
	case clock == "":
	case w.kind == kindDate:
		return "has a time of day, which " + w.name + " does not hold"
	case w.kind == kindTimestamptz && !offset:
		return "has no offset from UTC, and the column is " + w.name
	case w.kind != kindTimestamptz && offset:
		return "has an offset from UTC, which " + w.name + " does not hold"
	}
	if _, fraction, ok := strings.Cut(clock, "."); ok {
		digits, _ := cutDigits([]byte(fraction))
		if len(digits) > 6 && strings.Trim(string(digits[6:]), "0") != "" {
			return "has digits beyond the microsecond, which " + w.name + " does not hold"
		}
	}
	return ""
}

// parseProblem tells a number that is too large from what is none.
func parseProblem(s, what string, w *wireType, err error) *ValueError {
	if strings.Contains(err.Error(), "range") {
		what = "is out of range for " + w.name
	}
	return valueErr(quoteValue(s), what)
}
