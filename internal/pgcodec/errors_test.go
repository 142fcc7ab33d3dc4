package pgcodec

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// encodeOne encodes a value into a column named v.
func encodeOne[V any](t *testing.T, col Column, v V) ([]byte, error) {
	t.Helper()
	col.Name = "v"
	e, err := NewEncoder[record[V]]([]Column{col}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := []byte("before")
	dst, err := e.Append(before, &record[V]{v})
	if err != nil && (!bytes.Equal(dst, before) || len(dst) != len(before)) {
		t.Errorf("after the error dst is %q", dst)
	}
	return dst, err
}

// decodeOne decodes a value of a column named v.
func decodeOne[V any](t *testing.T, col Column, raw []byte) (V, error) {
	t.Helper()
	col.Name = "v"
	d, err := NewDecoder[record[V]]([]Column{col}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var r record[V]
	err = d.Decode([][]byte{raw}, &r)
	return r.V, err
}

func encodes[V any](col Column, v V) func(t *testing.T) error {
	return func(t *testing.T) error { _, err := encodeOne(t, col, v); return err }
}

func decodes[V any](oid uint32, source any) func(t *testing.T) error {
	return func(t *testing.T) error {
		raw := pgxBytes(t, oid, source)
		if raw = raw[4:]; source == nil {
			raw = nil
		}
		_, err := decodeOne[V](t, Column{OID: oid, Typmod: -1}, raw)
		return err
	}
}

func decodesRaw[V any](oid uint32, raw ...byte) func(t *testing.T) error {
	return func(t *testing.T) error { _, err := decodeOne[V](t, Column{OID: oid, Typmod: -1}, raw); return err }
}

func of(oid uint32) Column { return Column{OID: oid, Typmod: -1} }

func TestValueErrorsNameColumnValueAndReason(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	long := strings.Repeat("x", 300)
	varchar5 := Column{OID: pgtype.VarcharOID, Typmod: 5 + 4}
	money := Column{OID: pgtype.NumericOID, Typmod: 4<<16 | 2 + 4}
	digits60 := strings.Repeat("123456", 10)
	tests := []struct {
		name string
		run  func(t *testing.T) error
		want string
	}{
		{"an int64 over integer", encodes(of(pgtype.Int4OID), int64(3000000000)), `column "v": 3000000000 is out of range for integer`},
		{"an int64 under integer", encodes(of(pgtype.Int4OID), int64(-3000000000)), `column "v": -3000000000 is out of range for integer`},
		{"an int over smallint", encodes(of(pgtype.Int2OID), 32768), `column "v": 32768 is out of range for smallint`},
		{"a uint32 over integer, which would wrap to -1", encodes(of(pgtype.Int4OID), uint32(math.MaxUint32)), `column "v": 4294967295 is out of range for integer`},
		{"a uint64 over bigint", encodes(of(pgtype.Int8OID), uint64(math.MaxUint64)), `column "v": 18446744073709551615 is out of range for bigint`},
		{"a uint16 over smallint", encodes(of(pgtype.Int2OID), uint16(65535)), `column "v": 65535 is out of range for smallint`},
		{"an int64 that a double cannot hold", encodes(of(pgtype.Float8OID), int64(1<<53+1)), `column "v": 9007199254740993 cannot be represented exactly as double precision`},
		{"the largest int64 into a double", encodes(of(pgtype.Float8OID), int64(math.MaxInt64)), `cannot be represented exactly`},
		{"the largest uint64 into a double", encodes(of(pgtype.Float8OID), uint64(math.MaxUint64)), `cannot be represented exactly`},
		{"an int that a real cannot hold", encodes(of(pgtype.Float4OID), 1<<24+1), `column "v": 16777217 cannot be represented exactly as real`},
		{"a float64 over real", encodes(of(pgtype.Float4OID), 1e39), `column "v": 1e+39 is out of range for real`},
		{"a float64 that becomes zero in real", encodes(of(pgtype.Float4OID), 1e-60), `column "v": 1e-60 is out of range for real`},
		{"a fraction into bigint", encodes(of(pgtype.Int8OID), 1.5), `column "v": 1.5 is not an integer, and the column is bigint`},
		{"NaN into bigint", encodes(of(pgtype.Int8OID), math.NaN()), `column "v": NaN is not an integer, and the column is bigint`},
		{"infinity into bigint", encodes(of(pgtype.Int8OID), math.Inf(-1)), `column "v": -Inf is not an integer, and the column is bigint`},
		{"2^63 as a float into bigint", encodes(of(pgtype.Int8OID), float64(1<<63)), `column "v": 9.223372036854776e+18 is out of range for bigint`},
		{"a NUL in text", encodes(of(pgtype.TextOID), "ab\x00c"), `column "v": "ab\x00c" has a NUL byte at position 2, which text cannot hold`},
		{"a NUL in jsonb", encodes(of(pgtype.JSONBOID), "\x00"), `column "v": "\x00" has a NUL byte at position 0, which jsonb cannot hold`},
		{"Latin-1 in text", encodes(of(pgtype.TextOID), "caf\xe9 au lait"), `column "v": "caf\xe9 au lait" is not UTF-8 at position 3, which text must be`},
		{"a byte slice that is not UTF-8", encodes(of(pgtype.TextOID), []byte("é\xff")), `column "v": "é\xff" is not UTF-8 at position 2, which text must be`},
		{"six letters in varchar(5)", encodes(varchar5, "lettér"), `column "v": "lettér" has 6 characters, too many for character varying(5)`},
		{"a long value is cut", encodes(varchar5, long), `column "v": "` + long[:100] + `"... has 300 characters, too many for character varying(5)`},
		{"a uuid of letters", encodes(of(pgtype.UUIDOID), "nonsense"), `column "v": "nonsense" is not a uuid`},
		{"a uuid with a wrong digit", encodes(of(pgtype.UUIDOID), "0001020304050607-809-0a0b0c0d0e0f-"+"xx"), `is not a uuid`},
		{"a uuid of 32 wrong digits", encodes(of(pgtype.UUIDOID), strings.Repeat("g", 32)), `is not a uuid`},
		{"letters in numeric", encodes(of(pgtype.NumericOID), "12,50"), `column "v": "12,50" is not a number`},
		{"nothing in numeric", encodes(of(pgtype.NumericOID), ""), `column "v": "" is not a number`},
		{"an exponent without digits", encodes(of(pgtype.NumericOID), "1e"), `column "v": "1e" is not a number`},
		{"an exponent beyond everything", encodes(of(pgtype.NumericOID), "1e99999999999999999999"), `column "v": 1e99999999999999999999 is out of range for numeric`},
		{"a decimal over numeric(4,2)", encodes(money, decimal.MustParse("100.00")), `column "v": 100.00 is out of range for numeric(4,2)`},
		{"an int over numeric(4,2)", encodes(money, -100), `column "v": -100 is out of range for numeric(4,2)`},
		{"text over numeric(4,2)", encodes(money, "0100.5"), `column "v": 0100.5 is out of range for numeric(4,2)`},
		{"the date after the last", encodes(of(pgtype.DateOID), year(5874898)), `column "v": 5874898-01-01T00:00:00Z is out of range for date`},
		{"the date before the first", encodes(of(pgtype.DateOID), time.Date(-4713, 11, 23, 0, 0, 0, 0, time.UTC)), `is out of range for date`},
		{"the timestamp after the last", encodes(of(pgtype.TimestampOID), year(294277)), `is out of range for timestamp without time zone`},
		{"the instant after the last", encodes(of(pgtype.TimestamptzOID), year(294277)), `is out of range for timestamp with time zone`},
		{"25 hours", encodes(of(pgtype.TimeOID), pgtype.Time{Microseconds: 25 * 3600e6, Valid: true}), `column "v": 90000000000 is out of range for time without time zone, in microseconds`},
		{"an element of an array", encodes(of(pgtype.Int4ArrayOID), []int64{1, 1 << 40}), `column "v": 1099511627776 is out of range for integer, in element 1 of the array`},
		{"json that cannot be marshaled", encodes(of(pgtype.JSONOID), map[string]any{"f": func() {}}), `cannot be written as json: json: unsupported type: func()`},
		{"a string that is no date", encodes(of(pgtype.DateOID), "yesterday"), `column "v": "yesterday" cannot be read as date: write it as ISO 8601 does, like 2006-01-02`},

		{"nil into a column that is not null", encodes(Column{OID: pgtype.Int8OID, NotNull: true}, (*int64)(nil)), `column "v" is null, and the table does not allow it (field V)`},
		{"a zero that is null", encodes(Column{OID: pgtype.Int8OID, NotNull: true}, zeronull.Int8(0)), `column "v" is null, and the table does not allow it`},

		{"a bigint over int32", decodes[int32](pgtype.Int8OID, int64(3000000000)), `column "v": 3000000000 is out of range for int32`},
		{"a negative integer into uint", decodes[uint](pgtype.Int4OID, -1), `column "v": -1 is out of range for uint`},
		{"a negative bigint into uint64", decodes[uint64](pgtype.Int8OID, int64(-5)), `column "v": -5 is out of range for uint64`},
		{"a smallint over int8", decodes[int8](pgtype.Int2OID, 128), `column "v": 128 is out of range for int8`},
		{"a bigint that a float cannot hold", decodes[float64](pgtype.Int8OID, int64(1<<53+1)), `cannot be represented exactly as float64`},
		{"a double over float32", decodes[float32](pgtype.Float8OID, 1e39), `column "v": 1e+39 is out of range for float32`},
		{"a double with a fraction into int", decodes[int](pgtype.Float8OID, 2.5), `column "v": 2.5 is not an integer`},
		{"a double over int64", decodes[int64](pgtype.Float8OID, 1e19), `column "v": 1e+19 is out of range for int64`},
		{"a negative double into uint64", decodes[uint64](pgtype.Float8OID, -1.0), `column "v": -1 is out of range for uint64`},
		{"a numeric with a fraction into int", decodes[int](pgtype.NumericOID, 2.5), `column "v": 2.5 is not an integer`},
		{"a numeric over int64", decodes[int64](pgtype.NumericOID, uint64(1<<63)), `column "v": 9223372036854775808 is out of range for int64`},
		{"NaN into int", decodes[int](pgtype.NumericOID, math.NaN()), `column "v": NaN is not an integer`},
		{"a numeric of 60 digits into decimal", decodes[decimal.Decimal](pgtype.NumericOID, pgNumeric(t, digits60)), `column "v": ` + digits60 + ` cannot be read into decimal.Decimal`},
		{"a numeric of 30 digits into decimal, which would round", decodes[decimal.Decimal](pgtype.NumericOID, pgNumeric(t, "1.234567890123456789012345678901")), `column "v": 1.234567890123456789012345678901 has more digits than decimal.Decimal holds`},
		{"NaN into decimal", decodes[decimal.Decimal](pgtype.NumericOID, math.NaN()), `column "v": NaN cannot be read into decimal.Decimal`},
		{"infinity into time", decodes[time.Time](pgtype.DateOID, pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}), `column "v": infinity is a date that time.Time cannot hold: use pgtype.Date`},
		{"-infinity into time", decodes[*time.Time](pgtype.TimestamptzOID, pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}), `column "v": -infinity is a timestamp with time zone that time.Time cannot hold: use pgtype.Timestamptz`},
		{"24:00:00 into time", decodes[time.Time](pgtype.TimeOID, pgtype.Time{Microseconds: dayMicros, Valid: true}), `column "v": 24:00:00 is not a time that time.Time can hold: use pgtype.Time`},
		{"null into int64", decodes[int64](pgtype.Int8OID, nil), `column "v" is null, and field V (int64) cannot hold null: use *int64 or pgtype.Int8`},
		{"null into string", decodes[string](pgtype.TextOID, nil), `column "v" is null, and field V (string) cannot hold null: use *string or pgtype.Text`},
		{"null into decimal", decodes[decimal.Decimal](pgtype.NumericOID, nil), `column "v" is null, and field V (decimal.Decimal) cannot hold null: use *decimal.Decimal or pgtype.Numeric`},
		{"null by pgx's plan", decodes[time.Duration](pgtype.IntervalOID, nil), `column "v" is null, and field V (time.Duration) cannot hold null: use *time.Duration`},
		{"null in an array", decodes[[]int64](pgtype.Int8ArrayOID, []*int64{nil}), `column "v": element 0 of the array is null, and int64 cannot hold null: use []*int64`},
		{"an array of two dimensions", decodes[[]int64](pgtype.Int8ArrayOID, [][]int64{{1}, {2}}), `column "v": an array of 2 dimensions does not fit a slice: use pgtype.Array or a slice of slices`},
		{"an int of 3 bytes", decodesRaw[int](pgtype.Int4OID, 1, 2, 3), `column "v": a value of 3 bytes is not in the binary format of integer`},
		{"a bool of 2 bytes", decodesRaw[bool](pgtype.BoolOID, 1, 2), `a value of 2 bytes is not in the binary format of boolean`},
		{"a date as text", decodesRaw[time.Time](pgtype.DateOID, []byte("2024-01-01")...), `a value of 10 bytes is not in the binary format of date`},
		{"jsonb without its version", decodesRaw[string](pgtype.JSONBOID, '{', '}'), `a value of 2 bytes is not in the binary format of jsonb`},
		{"a torn array", decodesRaw[[]int64](pgtype.Int8ArrayOID, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 1), `a value of 20 bytes is not in the binary format of bigint[]`},
		{"a numeric with digits missing", decodesRaw[int](pgtype.NumericOID, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1), `a value of 10 bytes is not in the binary format of numeric`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.run(t)
			var v *ValueError
			if !errors.As(err, &v) || v.Column != "v" || v.Field != "V" {
				t.Fatalf("got %#v", err)
			}
			if !strings.Contains(err.Error(), test.want) || strings.HasPrefix(test.want, "column") && !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("\n got %s\nwant %s", err, test.want)
			}
		})
	}
}

// pgNumeric parses a number of any length.
func pgNumeric(t *testing.T, s string) (n pgtype.Numeric) {
	t.Helper()
	if err := n.Scan(s); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatFitsExactlyPasses(t *testing.T) {
	tests := []struct {
		name string
		run  func(t *testing.T) error
	}{
		{"5 characters and spaces in varchar(5)", encodes(Column{OID: pgtype.VarcharOID, Typmod: 9}, "éééé ")},
		{"99.99 in numeric(4,2)", encodes(Column{OID: pgtype.NumericOID, Typmod: 4<<16 | 2 + 4}, decimal.MustParse("-99.99"))},
		{"0.5 in numeric(2,2)", encodes(Column{OID: pgtype.NumericOID, Typmod: 2<<16 | 2 + 4}, "0.5")},
		{"120 in numeric(2,-1)", encodes(Column{OID: pgtype.NumericOID, Typmod: 2<<16 | 0x7ff + 4}, 120)},
		{"the smallest integer", encodes(of(pgtype.Int4OID), int64(math.MinInt32))},
		{"the smallest bigint as float", encodes(of(pgtype.Int8OID), -float64(1<<63))},
		{"an integer float in smallint", encodes(of(pgtype.Int2OID), -300.0)},
		{"NaN in real", encodes(of(pgtype.Float4OID), math.NaN())},
		{"infinity in real", encodes(of(pgtype.Float4OID), math.Inf(1))},
		{"any that holds an int", encodes(of(pgtype.Int4OID), any(7))},
		{"any that holds text of a date", encodes(of(pgtype.DateOID), any("2024-02-29"))},
		{"any that holds nothing", encodes(of(pgtype.DateOID), any(nil))},
		{"null into any", decodes[any](pgtype.DateOID, nil)},
		{"a value that is not null in a column that is not", encodes(Column{OID: pgtype.Int8OID, NotNull: true}, new(int64))},
		{"the last date", encodes(of(pgtype.DateOID), time.Date(5874897, 12, 31, 0, 0, 0, 0, time.UTC))},
		{"the first date", encodes(of(pgtype.DateOID), time.Date(-4713, 11, 24, 0, 0, 0, 0, time.UTC))},
		{"the smallest int64 from numeric", decodes[int64](pgtype.NumericOID, int64(math.MinInt64))},
		{"the largest uint64 from numeric", decodes[uint64](pgtype.NumericOID, uint64(math.MaxUint64))},
		{"-8 from numeric in int8", decodes[int8](pgtype.NumericOID, -128)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.run(t); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlansNameEveryProblemAtOnce(t *testing.T) {
	type row struct {
		SaleID   string
		Quantiy  int64
		Price    bool
		Tags     []bool
		Computed int
		Access   string
	}
	cols := []Column{
		{Name: "sale_id", OID: pgtype.BoolOID},
		{Name: "quantity", OID: pgtype.Int8OID, NotNull: true},
		{Name: "price", OID: pgtype.NumericOID, Typmod: 12<<16 | 2 + 4},
		{Name: "tags", OID: pgtype.TextArrayOID},
		{Name: "computed", OID: pgtype.Int4OID, Generated: true},
		{Name: "access", OID: 194},
		{Name: "id", OID: pgtype.Int8OID, NotNull: true, HasDefault: true},
	}
	_, err := NewEncoder[row](cols, nil)
	lines := []string{
		`field Quantiy: there is no column "quantiy"; the columns are "sale_id", "quantity", "price", "tags", "computed", "access", "id"; the nearest is "quantity"`,
		`column "quantity" is not null and has no default, and no field supplies it; the struct has "sale_id", "quantiy", "price", "tags", "computed", "access"; the nearest is "quantiy"`,
		`field Price (bool): column "price" is numeric(12,2); a decimal type, string or pgtype.Numeric would fit`,
		`field Tags ([]bool): column "tags" is text[]; a slice of string, *string or pgtype.Text would fit`,
		`field Computed: column "computed" is generated by the server and cannot be loaded`,
		`field Access (string): column "access" is the type with OID 194, whose values the server makes by itself`,
	}
	if err == nil {
		t.Fatal("no error")
	}
	for _, line := range lines {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("missing: %s\n in:\n%s", line, err)
		}
	}
	if strings.Contains(err.Error(), `"sale_id" is`) || strings.Contains(err.Error(), `column "id"`) {
		t.Errorf("names what is no problem:\n%s", err)
	}
	var typeErr *TypeError
	var missing *MissingColumnError
	if !errors.As(err, &typeErr) || !errors.As(err, &missing) {
		t.Errorf("the errors are %T", err)
	}

	_, err = NewDecoder[row](cols, nil)
	for _, line := range []string{lines[0], lines[2], lines[3]} {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("decoder: missing: %s\n in:\n%v", line, err)
		}
	}
}

func TestARecordPointerThatIsNilIsAnError(t *testing.T) {
	e, err := NewEncoder[*record[int]]([]Column{{Name: "v", OID: pgtype.Int8OID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var nothing *record[int]
	if dst, err := e.Append([]byte("x"), &nothing); err == nil || string(dst) != "x" {
		t.Errorf("got %q, %v", dst, err)
	}
}

func TestARowOfAnotherWidthIsAnError(t *testing.T) {
	d, err := NewDecoder[record[int]]([]Column{{Name: "v", OID: pgtype.Int8OID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Decode([][]byte{nil, nil}, new(record[int])); err == nil || !strings.Contains(err.Error(), "a row has 2 values, and the result has 1 columns") {
		t.Errorf("got %v", err)
	}
}
