package pgcodec

import (
	"encoding/binary"
	"reflect"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

var durationType = reflect.TypeFor[time.Duration]()

// durationEncoder writes a duration as an interval of that many microseconds.
func durationEncoder(w *wireType) encodeFunc {
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		d := *(*time.Duration)(p)
		if d%time.Microsecond != 0 {
			return dst, valueErr(d.String(), "has digits beyond the microsecond, which "+w.name+" does not hold")
		}
		dst = append(dst, 0, 0, 0, 16)
		dst = binary.BigEndian.AppendUint64(dst, uint64(d/time.Microsecond))
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0), nil
	}
}

// durationDecoder reads an interval that has hours, minutes and seconds only: how
// long a month or a day is depends on which.
func durationDecoder(w *wireType) decodeFunc {
	return func(src []byte, p unsafe.Pointer) error {
		if len(src) != 16 {
			return malformed(w.name, len(src))
		}
		micros := int64(binary.BigEndian.Uint64(src))
		days, months := binary.BigEndian.Uint32(src[8:]), binary.BigEndian.Uint32(src[12:])
		if days != 0 || months != 0 {
			return valueErr("", "an interval of days or months has no fixed length: use pgtype.Interval or string")
		}
		d := time.Duration(micros) * time.Microsecond
		if int64(d/time.Microsecond) != micros {
			return valueErr("", "an interval is longer than time.Duration holds: use pgtype.Interval or string")
		}
		*(*time.Duration)(p) = d
		return nil
	}
}

// isInterval is true for an interval that pgx knows as such.
func (w *wireType) isInterval() bool { return w.oid == pgtype.IntervalOID && w.kind == kindOther }

// rounds says what the server would do to values of an interval with a precision
// or a range of fields; it does so without a word.
func (w *wireType) rounds() string {
	if w.isInterval() && w.typmod >= 0 {
		return "which rounds what it is given; declare the column as interval"
	}
	if w.kind == kindArray {
		return w.elem.rounds()
	}
	return ""
}
