package salesetl

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

func TestDateText(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       Date
		err        string // what the error says, if one is wanted
	}{
		{"a day", "2025-03-14", NewDate(2025, time.March, 14), ""},
		{"a leap day", "2024-02-29", NewDate(2024, time.February, 29), ""},
		{"a leap day in another year", "2025-02-29", Date{}, `"2025-02-29" is not a date: day out of range`},
		{"a month that is none", "2025-13-01", Date{}, `"2025-13-01" is not a date: month out of range`},
		{"a time behind it", "2025-03-14T10:00:00Z", Date{}, `"2025-03-14T10:00:00Z" is not a date`},
		{"another order", "14.03.2025", Date{}, `"14.03.2025" is not a date like 2025-03-14`},
		{"nothing", "", Date{}, `"" is not a date like 2025-03-14`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got Date
			err := got.UnmarshalText([]byte(tt.text))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one that says %q", err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Fatalf("got %v, %v; want %v", got, err, tt.want)
			}
			if back, err := got.MarshalText(); err != nil || string(back) != tt.text || got.String() != tt.text {
				t.Fatalf("written as %q and %q (%v), want %q", back, got, err, tt.text)
			}
			if want := tt.text + " 00:00:00 +0000 UTC"; got.Time().String() != want {
				t.Fatalf("begins %v, want %v", got.Time(), want)
			}
		})
	}
}

func TestDateInPostgres(t *testing.T) {
	types := pgtype.NewMap()
	for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
		for _, want := range []Date{{}, NewDate(2025, time.March, 14), NewDate(1969, time.July, 20), NewDate(9999, time.December, 31)} {
			wire, err := types.Encode(pgtype.DateOID, format, want, nil)
			if err != nil {
				t.Fatalf("encoding %v: %v", want, err)
			}
			var got Date
			if err := types.Scan(pgtype.DateOID, format, wire, &got); err != nil || got != want {
				t.Fatalf("format %d: %v came back as %v, %v", format, want, got, err)
			}
		}
	}

	for _, tt := range []struct {
		name string
		in   pgtype.Date
		want string
	}{
		{"NULL", pgtype.Date{}, "NULL is not a date"},
		{"infinity", pgtype.Date{Valid: true, InfinityModifier: pgtype.Infinity}, "infinity is not a date"},
		{"minus infinity", pgtype.Date{Valid: true, InfinityModifier: pgtype.NegativeInfinity}, "-infinity is not a date"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was := NewDate(2025, time.March, 14)
			got := was
			if err := got.ScanDate(tt.in); err == nil || err.Error() != tt.want {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if got != was {
				t.Fatalf("a failed scan changed the date to %v", got)
			}
		})
	}
}
