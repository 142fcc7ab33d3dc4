package csvcodec

import (
	"fmt"
	"strings"
	"time"
)

// A timeParser reads the forms of time.Time that DecodeOptions.Layout allows.
type timeParser struct {
	layout   string
	location *time.Location // nil for UTC
	// dates: 2006-01-02 is among the forms, and means midnight in UTC.
	dates bool
	// numeric and abbreviated: the layout has an offset, or the abbreviation of a zone.
	numeric, abbreviated bool
}

func newTimeParser(layout string, location *time.Location) timeParser {
	if location == time.UTC {
		location = nil
	}
	return timeParser{
		layout: layout, location: location,
		dates:       location == nil && (layout == "" || layout == time.DateOnly),
		numeric:     strings.Contains(layout, "-07") || strings.Contains(layout, "Z07"),
		abbreviated: strings.Contains(layout, "MST"),
	}
}

// checkLayout refuses a layout in which no part of a time can be seen.
func checkLayout(layout string) error {
	if layout == "" {
		return nil
	}
	one := time.Date(2001, 2, 3, 4, 5, 6, 7e8, time.UTC)
	other := time.Date(2012, 11, 15, 16, 17, 18, 9e8, time.FixedZone("", 3600))
	if one.Format(layout) == other.Format(layout) {
		return fmt.Errorf("the Layout %q has no part of a time: in Go 2006 is the year, 01 the month, 02 the day, 15:04:05 the time", layout)
	}
	return nil
}

// notTime is the fault of a value that has none of the forms.
func (p *timeParser) notTime(value []byte) *fault {
	switch {
	case len(value) == 0:
		return emptyFault()
	case p.layout != "":
		return &fault{quoteValue(value) + " is not a time of the form " + p.layout, ErrSyntax}
	}
	return &fault{quoteValue(value) + " is not a time: want 2006-01-02, 2006-01-02 15:04:05 or RFC 3339", ErrSyntax}
}

// parse reads data[lo:hi].
func (p *timeParser) parse(data []byte, lo, hi int) (time.Time, *fault) {
	if hi-lo == len(time.DateOnly) && p.layout == "" || p.dates {
		if hi-lo == len(time.DateOnly) {
			if seconds, ok := parseDate(data, lo); ok {
				return p.local(time.Unix(seconds, 0).UTC(), data[lo:hi])
			}
		}
	}
	if p.layout != "" {
		return p.parseLayout(data[lo:hi])
	}
	if t, zoned, ok := parseDateTime(data, lo, hi); ok {
		if zoned {
			return t, nil
		}
		return p.local(t, data[lo:hi])
	}
	// What package time takes for RFC 3339 beyond its letter.
	var t time.Time
	if err := t.UnmarshalText(data[lo:hi]); err != nil {
		return t, p.notTime(data[lo:hi])
	}
	_, offset := t.Zone()
	return inZone(t, offset), nil
}

// parseLayout reads a time by the layout, the same instant on every machine: package
// time would ask the machine's own zone what an abbreviation means, and take one that it
// does not know for UTC.
func (p *timeParser) parseLayout(value []byte) (time.Time, *fault) {
	text := string(value)
	t, err := time.ParseInLocation(p.layout, text, time.UTC)
	if err != nil {
		return t, p.notTime(value)
	}
	name, offset := t.Zone()
	switch {
	case p.numeric:
		return inZone(t, offset), nil
	case !p.abbreviated:
		return p.local(t, value)
	case name == "UTC" || name == "GMT":
		return t.UTC(), nil
	case strings.HasPrefix(name, "GMT") && offset != 0:
		return inZone(t, offset), nil
	}
	if p.location != nil {
		// The zone knows its own abbreviations.
		if t, err = time.ParseInLocation(p.layout, text, p.location); err == nil && t.Location() == p.location {
			return t, nil
		}
	}
	return t, &fault{fmt.Sprintf("%s names a zone by the abbreviation %s, which means several: "+
		"write an offset (-0700 in the Layout) or UTC, or set the Location it is of", quoteValue(value), name), ErrSyntax}
}

// local takes a time that was read without an offset for one of the location's clocks.
func (p *timeParser) local(t time.Time, value []byte) (time.Time, *fault) {
	if p.location == nil {
		return t, nil
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	l := time.Date(year, month, day, hour, minute, second, t.Nanosecond(), p.location)
	start, end := l.ZoneBounds()
	if lh, lm, _ := l.Clock(); lh != hour || lm != minute || l.Day() != day {
		if hour == 0 && minute == 0 && second == 0 && t.Nanosecond() == 0 {
			// A day whose beginning the clocks skip begins where they go on.
			if !start.IsZero() && start.Day() == day && start.After(l.Add(-24*time.Hour)) {
				return start, nil
			}
			if !end.IsZero() {
				return end, nil
			}
		}
		return l, &fault{fmt.Sprintf("%s is a time that the clocks of %s skipped", quoteValue(value), p.location), ErrRange}
	}
	// What they showed twice is the first time.
	if !start.IsZero() {
		_, now := l.Zone()
		_, before := start.Add(-1).Zone()
		if first := l.Add(-time.Duration(before-now) * time.Second); before > now && first.Before(start) {
			return first, nil
		}
	}
	return l, nil
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
// none, which is not zoned and read as UTC.
func parseDateTime(data []byte, lo, hi int) (t time.Time, zoned, ok bool) {
	b := data[lo:hi]
	if len(b) < len(time.DateTime) || b[13] != ':' || b[16] != ':' || (b[10] != 'T' && b[10] != ' ') {
		return t, false, false
	}
	seconds, ok := parseDate(data, lo)
	hour, ok1 := twoDigits(b[11:])
	minute, ok2 := twoDigits(b[14:])
	second, ok3 := twoDigits(b[17:])
	if !ok || !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return t, false, false
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
			return t, false, false
		}
		b = b[i:]
	}
	offset, ok := parseOffset(b)
	if !ok {
		return t, false, false
	}
	return inZone(time.Unix(seconds-int64(offset), int64(nanos)), offset), len(b) > 0, true
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
