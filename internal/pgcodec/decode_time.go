package pgcodec

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// timeDecoder reads dates and times as time.Time, all in UTC: a date as its
// midnight, a time of day on 2000-01-01, a timestamp without zone as if its
// clock stood in UTC.
func timeDecoder(w *wireType) decodeFunc {
	switch w.kind {
	case kindDate:
		return func(src []byte, p unsafe.Pointer) error {
			day, err := readDay(src)
			if err != nil {
				return err
			}
			if day == posInfDay || day == negInfDay {
				return infinite(day > 0, w, "pgtype.Date")
			}
			*(*time.Time)(p) = dayTime(day)
			return nil
		}
	case kindTimestamp, kindTimestamptz:
		fits := "pgtype." + pgtypeNames[w.kind]
		return func(src []byte, p unsafe.Pointer) error {
			micros, err := readMicros(src, w)
			if err != nil {
				return err
			}
			if micros == posInfMicros || micros == negInfMicros {
				return infinite(micros > 0, w, fits)
			}
			*(*time.Time)(p) = microsTime(micros)
			return nil
		}
	case kindTime:
		return func(src []byte, p unsafe.Pointer) error {
			micros, err := readMicros(src, w)
			if err != nil {
				return err
			}
			if micros < 0 || micros >= dayMicros {
				return valueErr("24:00:00", "is not a time that time.Time can hold: use pgtype.Time")
			}
			*(*time.Time)(p) = microsTime(micros)
			return nil
		}
	}
	return nil
}

func infinite(positive bool, w *wireType, fits string) error {
	text := "-infinity"
	if positive {
		text = "infinity"
	}
	return valueErr(text, "is a "+w.name+" that time.Time cannot hold: use "+fits)
}

func readDay(src []byte) (int32, error) {
	if len(src) != 4 {
		return 0, malformed("date", len(src))
	}
	return int32(binary.BigEndian.Uint32(src)), nil
}

func readMicros(src []byte, w *wireType) (int64, error) {
	if len(src) != 8 {
		return 0, malformed(w.name, len(src))
	}
	return int64(binary.BigEndian.Uint64(src)), nil
}

func dayTime(day int32) time.Time {
	return time.Unix(epochSeconds+int64(day)*86400, 0).UTC()
}

func microsTime(micros int64) time.Time {
	return time.Unix(epochSeconds+micros/1_000_000, micros%1_000_000*1000).UTC()
}

// pgDateDecoder and its kin decode into pgtype's types, which hold null and infinity.
func pgDateDecoder(w *wireType) valueDecoder {
	if w.kind != kindDate {
		return valueDecoder{}
	}
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		d := (*pgtype.Date)(p)
		*d = pgtype.Date{}
		if src == nil {
			return nil
		}
		day, err := readDay(src)
		switch {
		case err != nil:
			return err
		case day == posInfDay:
			d.InfinityModifier = pgtype.Infinity
		case day == negInfDay:
			d.InfinityModifier = pgtype.NegativeInfinity
		default:
			d.Time = dayTime(day)
		}
		d.Valid = true
		return nil
	}}
}

func pgTimestampDecoder(w *wireType) valueDecoder {
	if w.kind != kindTimestamp {
		return valueDecoder{}
	}
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		t := (*pgtype.Timestamp)(p)
		*t = pgtype.Timestamp{}
		if src == nil {
			return nil
		}
		var err error
		t.Time, t.InfinityModifier, err = readTimestamp(src, w)
		t.Valid = err == nil
		return err
	}}
}

func pgTimestamptzDecoder(w *wireType) valueDecoder {
	if w.kind != kindTimestamptz {
		return valueDecoder{}
	}
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		t := (*pgtype.Timestamptz)(p)
		*t = pgtype.Timestamptz{}
		if src == nil {
			return nil
		}
		var err error
		t.Time, t.InfinityModifier, err = readTimestamp(src, w)
		t.Valid = err == nil
		return err
	}}
}

func readTimestamp(src []byte, w *wireType) (time.Time, pgtype.InfinityModifier, error) {
	micros, err := readMicros(src, w)
	switch {
	case err != nil:
		return time.Time{}, pgtype.Finite, err
	case micros == posInfMicros:
		return time.Time{}, pgtype.Infinity, nil
	case micros == negInfMicros:
		return time.Time{}, pgtype.NegativeInfinity, nil
	}
	return microsTime(micros), pgtype.Finite, nil
}

func pgTimeDecoder(w *wireType) valueDecoder {
	if w.kind != kindTime {
		return valueDecoder{}
	}
	return valueDecoder{null: true, decode: func(src []byte, p unsafe.Pointer) error {
		t := (*pgtype.Time)(p)
		*t = pgtype.Time{}
		if src == nil {
			return nil
		}
		micros, err := readMicros(src, w)
		if err != nil {
			return err
		}
		t.Microseconds, t.Valid = micros, true
		return nil
	}}
}
