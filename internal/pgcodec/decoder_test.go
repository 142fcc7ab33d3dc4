package pgcodec

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

// fuzzed has a field for each way to decode a value by a plan of ours, all of them
// nullable. Plans of pgx are pgx's to test.
type fuzzed struct {
	Bool      *bool
	Narrow    *int16
	Float     *float64
	Exact     *decimal.Decimal
	Digits    *string
	Text      *string
	Bytea     []byte
	UUID      *[16]byte
	Day       *time.Time
	Timestamp pgtype.Timestamp
	Instant   *time.Time
	Clock     pgtype.Time
	JSONB     *string
	Texts     []*string
	Numbers   []int32
}

var fuzzedColumns = []Column{
	{Name: "bool", OID: pgtype.BoolOID}, {Name: "narrow", OID: pgtype.Int8OID}, {Name: "float", OID: pgtype.Float8OID},
	{Name: "exact", OID: pgtype.NumericOID}, {Name: "digits", OID: pgtype.NumericOID}, {Name: "text", OID: pgtype.TextOID},
	{Name: "bytea", OID: pgtype.ByteaOID}, {Name: "uuid", OID: pgtype.UUIDOID}, {Name: "day", OID: pgtype.DateOID},
	{Name: "timestamp", OID: pgtype.TimestampOID, Typmod: -1}, {Name: "instant", OID: pgtype.TimestamptzOID, Typmod: -1}, {Name: "clock", OID: pgtype.TimeOID, Typmod: -1},
	{Name: "jsonb", OID: pgtype.JSONBOID}, {Name: "texts", OID: pgtype.TextArrayOID}, {Name: "numbers", OID: pgtype.Int4ArrayOID},
}

// FuzzDecoder gives the decoder any bytes for a value of any column: it does not
// panic, its error is about that column, and a record that it makes is written
// as bytes that are read as the same record.
func FuzzDecoder(f *testing.F) {
	one := int16(1)
	text := "text"
	at, clock, day := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC), time.Date(2000, 1, 1, 23, 59, 59, 0, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	_ = clock
	yes, half, id, exact, digits := true, 0.5, [16]byte{15: 1}, decimal.MustParse("-12.50"), "1e30"
	seed := rawRows(f, len(fuzzedColumns), tuples(f, fuzzedColumns, []fuzzed{{
		&yes, &one, &half, &exact, &digits, &text, []byte(text), &id, &day,
		pgtype.Timestamp{Time: at, Valid: true}, &at, pgtype.Time{Microseconds: 1, Valid: true}, &text, []*string{&text, nil}, []int32{1, 2},
	}}))[0]
	for i, value := range seed {
		f.Add(byte(i), value)
		f.Add(byte(i), value[:len(value)-1])
	}
	f.Add(byte(13), append(seed[13][:len(seed[13])-4:len(seed[13])-4], 0xff, 0xff, 0xff, 0xfe))

	d, err := NewDecoder[fuzzed](fuzzedColumns, nil)
	if err != nil {
		f.Fatal(err)
	}
	e, err := NewEncoder[fuzzed](fuzzedColumns, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, column byte, value []byte) {
		at := int(column) % len(fuzzedColumns)
		raw := make([][]byte, len(fuzzedColumns))
		raw[at] = value
		var got fuzzed
		if err := d.Decode(raw, &got); err != nil {
			var v *ValueError
			if !errors.As(err, &v) || v.Column != fuzzedColumns[at].Name {
				t.Fatalf("%s %x: got %v", fuzzedColumns[at].Name, value, err)
			}
			return
		}
		written, err := e.Append(nil, &got)
		if err != nil {
			return // no server sends it: text that is not UTF-8, a day after the last
		}
		var again fuzzed
		if err := d.Decode(rawRows(t, len(raw), written)[0], &again); err != nil {
			t.Fatalf("%s %x was written as %x, which cannot be read: %v", fuzzedColumns[at].Name, value, written, err)
		}
		// As bytes, since NaN is not equal to itself.
		if rewritten, err := e.Append(nil, &again); err != nil || !bytes.Equal(rewritten, written) {
			t.Fatalf("%s %x was written as %x, and that as %x; %v", fuzzedColumns[at].Name, value, written, rewritten, err)
		}
	})
}
