package csvcodec

import (
	"time"
)

// A timeParser reads the forms of time.Time that DecodeOptions.Layout allows.
type timeParser struct {
	layout string
	// dates: 2006-01-02 is among the forms.
	dates bool
}

func newTimeParser(layout string) timeParser {
	return timeParser{layout: layout, dates: layout == "" || layout == time.DateOnly}
}

// want ends the sentence "x is not".
func (p *timeParser) want() string {
	if p.layout != "" {
		return "a time of the form " + p.layout
	}
	return "a time: want 2006-01-02, 2006-01-02 15:04:05 or RFC 3339"
}

// parse reads data[lo:hi].
func (p *timeParser) parse(data []byte, lo, hi int) (time.Time, bool) {
	if hi-lo == len(time.DateOnly) && p.dates {
		if seconds, ok := parseDate(data, lo); ok {
			return time.Unix(seconds, 0).UTC(), true
		}
	}
	if p.layout != "" {
		t, err := time.Parse(p.layout, string(data[lo:hi]))
		return t, err == nil
	}
	if t, ok := parseDateTime(data, lo, hi); ok {
		return t, true
	}
	// What package time takes for RFC 3339 beyond its letter.
	var t time.Time
	if err := t.UnmarshalText(data[lo:hi]); err != nil {
		return t, false
	}
	_, offset := t.Zone()
	return inZone(t, offset), true
}

// inZone returns t at a fixed offset: never in the local zone, whatever that is.
func inZone(t time.Time, offset int) time.Time {
	if offset == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", offset))
}

// parseDate reads the ten bytes 2006-01-02 and returns the Unix time of that
// day's beginning in UTC.
func parseDate(data []byte, lo int) (seconds int64, ok bool) {
	// The first eight bytes are the year, a dash, the month, a dash.
	const (
		digits = 0x0001010001010101 // the lowest bit of each digit's byte
		dashes = 0xff<<32 | 0xff<<56
		form   = '0'*digits | '-'<<32 | '-'<<56
	)
	// Every digit's byte becomes its value, every dash's zero. Adding 0x76 sets
	// a byte's top bit where the value is above 9.
	x := load8(data, lo) ^ form
	if x&dashes != 0 || (x|(x+0x76*digits))&hiBits != 0 {
		return 0, false
	}
	d1, d2 := data[lo+8]-'0', data[lo+9]-'0'
	if d1 > 9 || d2 > 9 {
		return 0, false
	}
	year := int(x&0xff)*1000 + int(x>>8&0xff)*100 + int(x>>16&0xff)*10 + int(x>>24&0xff)
	month := int(x>>40&0xff)*10 + int(x>>48&0xff)
	day := int(d1)*10 + int(d2)
	if month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) {
		return 0, false
	}
	return daysSinceEpoch(year, month, day) * 86400, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSinceEpoch counts the days from 1970-01-01, in the proleptic Gregorian
// calendar, for years from 0: years begin in March, so that the leap day is the last.
func daysSinceEpoch(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400 // no negative numbers below; one cycle of 146,097 days
	days := 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1
	return int64(days) - 719468 - 146097
}

// parseDateTime reads a date, then T or a space, hours, minutes and seconds,
// then a fraction or none, then an offset: Z, ±hh:mm, ±hhmm, ±hh or
// none, which means UTC.
func parseDateTime(data []byte, lo, hi int) (time.Time, bool) {
	b := data[lo:hi]
	if len(b) < len(time.DateTime) || b[13] != ':' || b[16] != ':' || (b[10] != 'T' && b[10] != ' ') {
		return time.Time{}, false
	}
	seconds, ok := parseDate(data, lo)
	hour, ok1 := twoDigits(b[11:])
	minute, ok2 := twoDigits(b[14:])
	second, ok3 := twoDigits(b[17:])
	if !ok || !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	seconds += int64(hour*3600 + minute*60 + second)
	b = b[len(time.DateTime):]
	nanos := 0
	if len(b) > 1 && b[0] == '.' {
		unit := 100_000_000
		i := 1
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			nanos += int(b[i]-'0') * unit // what is below a nanosecond is dropped, as package time does
			unit /= 10
		}
		if i == 1 {
			return time.Time{}, false
		}
		b = b[i:]
	}
	offset, ok := parseOffset(b)
	if !ok {
		return time.Time{}, false
	}
	return inZone(time.Unix(seconds-int64(offset), int64(nanos)), offset), true
}

func twoDigits(b []byte) (int, bool) {
	d1, d2 := b[0]-'0', b[1]-'0'
	return int(d1)*10 + int(d2), d1 <= 9 && d2 <= 9
}

// parseOffset returns seconds east of UTC.
func parseOffset(b []byte) (int, bool) {
	if len(b) == 0 || len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	var hour, minute int
	ok1, ok2 := false, true
	switch {
	case len(b) == 3:
		hour, ok1 = twoDigits(b[1:])
	case len(b) == 5:
		hour, ok1 = twoDigits(b[1:])
		minute, ok2 = twoDigits(b[3:])
	case len(b) == 6 && b[3] == ':':
		hour, ok1 = twoDigits(b[1:])
		minute, ok2 = twoDigits(b[4:])
	}
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	offset := hour*3600 + minute*60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}
