package salesetl

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Date is a day without a time or a zone: 2025-03-14 in a file, date in Postgres. The zero value is 0001-01-01.
//
// Not a time.Time: encoding/csv's descendants, gocsv among them, read that as RFC 3339 only, and nobody writes
// 2025-03-14T00:00:00Z into a spreadsheet.
type Date struct {
	midnight time.Time // UTC
}

// NewDate returns the given day; values out of range are carried over, as by time.Date.
func NewDate(year int, month time.Month, day int) Date {
	return Date{time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// Time returns the first instant of the day in UTC.
func (d Date) Time() time.Time { return d.midnight }

// String returns the day as 2025-03-14.
func (d Date) String() string { return d.midnight.Format(time.DateOnly) }

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) {
	return d.midnight.AppendFormat(nil, time.DateOnly), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It takes 2025-03-14 and nothing else.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		if perr, ok := errors.AsType[*time.ParseError](err); ok && perr.Message != "" {
			return fmt.Errorf("%q is not a date%s", text, perr.Message) // ": day out of range"
		}
		return fmt.Errorf("%q is not a date like 2025-03-14", text)
	}
	d.midnight = t
	return nil
}

// DateValue implements pgtype.DateValuer, by which pgx writes a Date.
func (d Date) DateValue() (pgtype.Date, error) {
	return pgtype.Date{Time: d.midnight, Valid: true}, nil
}

// ScanDate implements pgtype.DateScanner, by which pgx reads a Date. NULL and the infinities have no Date.
func (d *Date) ScanDate(v pgtype.Date) error {
	switch {
	case !v.Valid:
		return errors.New("NULL is not a date")
	case v.InfinityModifier != pgtype.Finite:
		return fmt.Errorf("%s is not a date", v.InfinityModifier)
	}
	d.midnight = v.Time
	return nil
}
