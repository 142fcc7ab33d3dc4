package pgcodec

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// PostgreSQL counts from 2000-01-01: days in a date, microseconds in a
// timestamp. The ends of both ranges stand for the infinities.
const (
	epochSeconds = 946684800 // of 2000-01-01 UTC, since 1970

	minDay       = -2451545                 // 4714-11-24 BC
	endDay       = 2145031949               // 5874898-01-01, one beyond the last
	minTimestamp = -211813488000000000      // 4714-11-24 BC
	endTimestamp = 9223371331200000000      // 294277-01-01, one beyond the last
	dayMicros    = 24 * 60 * 60 * 1_000_000 // 24:00:00, which time can hold
	posInfDay    = 1<<31 - 1
	negInfDay    = -1 << 31
	posInfMicros = 1<<63 - 1
	negInfMicros = -1 << 63
)

// timeEncoder encodes a time.Time. A date, a time of day and a timestamp without
// zone take what the clock of the value's own location shows; a timestamp with
// zone takes the instant.
func timeEncoder(w *wireType) encodeFunc {
	switch w.kind {
	case kindDate:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) { return appendDate(dst, (*time.Time)(p), w) }
	case kindTimestamp:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) { return appendTimestamp(dst, (*time.Time)(p), w) }
	case kindTimestamptz:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) { return appendTimestamptz(dst, (*time.Time)(p), w) }
	case kindTime:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			t := (*time.Time)(p)
			hour, minute, second := t.Clock()
			micros := int64(hour*3600+minute*60+second)*1_000_000 + int64(t.Nanosecond()/1000)
			if !isBareClock(t) {
				return dst, timeErr(t, "has a date, which "+w.name+" does not hold: use pgtype.Time, or a date of 0000-01-01, 0001-01-01, 1970-01-01 or 2000-01-01")
			}
			if t.Nanosecond()%1000 != 0 || micros%w.unit != 0 {
				return dst, tooFine(t, w)
			}
			return append8(dst, uint64(micros)), nil
		}
	}
	return nil
}

// wallSeconds is the time that the clock of t's location shows, as seconds since
// 2000-01-01 on that clock.
func wallSeconds(t *time.Time) int64 {
	seconds := t.Unix() - epochSeconds
	if t.Location() != time.UTC {
		_, offset := t.Zone()
		seconds += int64(offset)
	}
	return seconds
}

func appendDate(dst []byte, t *time.Time, w *wireType) ([]byte, error) {
	seconds := wallSeconds(t)
	day := seconds / 86400
	if seconds%86400 < 0 {
		day--
	}
	if day < minDay || day >= endDay {
		return dst, timeOutOfRange(t, w)
	}
	if seconds%86400 != 0 || t.Nanosecond() != 0 {
		return dst, timeErr(t, "has a time of day, which "+w.name+" does not hold: truncate it")
	}
	return append4(dst, uint32(day)), nil
}

func appendTimestamp(dst []byte, t *time.Time, w *wireType) ([]byte, error) {
	return appendMicros(dst, wallSeconds(t), t, w)
}

func appendTimestamptz(dst []byte, t *time.Time, w *wireType) ([]byte, error) {
	return appendMicros(dst, t.Unix()-epochSeconds, t, w)
}

func appendMicros(dst []byte, seconds int64, t *time.Time, w *wireType) ([]byte, error) {
	if seconds < minTimestamp/1_000_000 || seconds >= endTimestamp/1_000_000 {
		return dst, timeOutOfRange(t, w)
	}
	nanos := t.Nanosecond()
	fraction := nanos / 1000
	micros := seconds*1_000_000 + int64(fraction)
	if fraction*1000 != nanos || w.unit > 1 && micros%w.unit != 0 {
		return dst, tooFine(t, w)
	}
	return append8(dst, uint64(micros)), nil
}

// isBareClock is true for a time of day on a date that stands for none: those of
// time.Parse, of the zero time, of Unix time, and of this package.
func isBareClock(t *time.Time) bool {
	year, month, day := t.Date()
	return month == time.January && day == 1 && (year == 0 || year == 1 || year == 1970 || year == 2000)
}

func timeErr(t *time.Time, reason string) *ValueError {
	return valueErr(t.Format("2006-01-02T15:04:05.999999999Z07:00"), reason)
}

// tooFine is the error about a time that the server would round, as it would those of time.Now.
func tooFine(t *time.Time, w *wireType) *ValueError {
	unit := "time.Microsecond"
	switch {
	case w.unit >= 1_000_000:
		unit = "time.Second"
	case w.unit >= 1000:
		unit = multiple(w.unit/1000) + "time.Millisecond"
	case w.unit > 1:
		unit = multiple(w.unit) + unit
	}
	return timeErr(t, "has more digits than "+w.name+" holds: cut them off by .Truncate("+unit+")")
}

func multiple(n int64) string {
	if n == 1 {
		return ""
	}
	return strconv.FormatInt(n, 10) + " * "
}

func timeOutOfRange(t *time.Time, w *wireType) *ValueError {
	return timeErr(t, "is out of range for "+w.name)
}

// pgDateEncoder and its kin encode pgtype's types, which hold null and infinity.
func pgDateEncoder(w *wireType) encodeFunc {
	if w.kind != kindDate {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		d := (*pgtype.Date)(p)
		switch {
		case !d.Valid:
			return appendNull(dst), nil
		case d.InfinityModifier == pgtype.Infinity:
			return append4(dst, posInfDay), nil
		case d.InfinityModifier == pgtype.NegativeInfinity:
			return append4(dst, 1<<31), nil
		}
		return appendDate(dst, &d.Time, w)
	}
}

func pgTimestampEncoder(w *wireType) encodeFunc {
	if w.kind != kindTimestamp {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		t := (*pgtype.Timestamp)(p)
		if !t.Valid || t.InfinityModifier != pgtype.Finite {
			return appendInfinity(dst, t.Valid, t.InfinityModifier), nil
		}
		return appendTimestamp(dst, &t.Time, w)
	}
}

func pgTimestamptzEncoder(w *wireType) encodeFunc {
	if w.kind != kindTimestamptz {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		t := (*pgtype.Timestamptz)(p)
		if !t.Valid || t.InfinityModifier != pgtype.Finite {
			return appendInfinity(dst, t.Valid, t.InfinityModifier), nil
		}
		return appendTimestamptz(dst, &t.Time, w)
	}
}

func appendInfinity(dst []byte, valid bool, infinity pgtype.InfinityModifier) []byte {
	switch {
	case !valid:
		return appendNull(dst)
	case infinity == pgtype.Infinity:
		return append8(dst, posInfMicros)
	}
	return append8(dst, 1<<63)
}

func pgTimeEncoder(w *wireType) encodeFunc {
	if w.kind != kindTime {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		t := (*pgtype.Time)(p)
		if !t.Valid {
			return appendNull(dst), nil
		}
		if t.Microseconds < 0 || t.Microseconds > dayMicros {
			return dst, outOfRange(t.Microseconds, w.name+", in microseconds")
		}
		if t.Microseconds%w.unit != 0 {
			return dst, valueErr(string(appendClock(nil, t.Microseconds)), "has more digits than "+w.name+" holds")
		}
		return append8(dst, uint64(t.Microseconds)), nil
	}
}
