package pgcodec

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

func TestNumbersThatAreTheSameAreWrittenTheSame(t *testing.T) {
	for _, same := range [][]string{
		{"0", "-0", "+0", "00", "0e9", "0e-0"},
		{"0.00", ".00", "-0.00", "0e-2"},
		{"12345.678", "+12345.678", "0012345.678", "12345678e-3", "1.2345678e4", "123.45678E+2"},
		{"10000", "1e4", "1E+4", ".1e5", "0.1e5"},
		{"0.0001", "1e-4", ".0001", "0.1E-3"},
		{"1000000000000", "1e12", "1000000e6"},
		{"NaN", "nan"},
		{"Infinity", "+Infinity", "inf", "infinity"},
		{"-Infinity", "-inf"},
	} {
		want, err := appendNumericText(nil, []byte(same[0]), numericLimit{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range same[1:] {
			if got, err := appendNumericText(nil, []byte(s), numericLimit{}); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is %x (%v), %s is %x", s, got, err, same[0], want)
			}
		}
	}
	for _, bad := range []string{"", "-", "+", ".", "1.2.3", "--1", "1e", "1e+", "e5", "0x10", "1_000", " 1", "1 ", "-NaN", "１", "1,5", "+-1", "in"} {
		if got, err := appendNumericText(nil, []byte(bad), numericLimit{}); err == nil {
			t.Errorf("%q passed as %x", bad, got)
		}
	}
}

// numericSeeds are numbers about the edges of groups and of 64 bits.
var numericSeeds = []string{
	"0", "1", "9999", "10000", "-10001", "0.0001", "0.00001", "0.00", "100", "1000000", "18446744073709551615", "18446744073709551616",
	"9223372036854775807", "-9223372036854775808", "0.1234567890123456789", "9999999999999999999", "99999999999999999999.9999",
	strings.Repeat("9", 60), "1e131071", "1e-16383", "12.50", "NaN", "-Infinity",
}

// FuzzNumeric holds the conversions of a number to each other and to pgx's and
// math/big's: whatever text is read as a number gives bytes that pgx reads as
// that number; written as text they read as the same bytes; and an integer, a
// decimal or a float made from them is that number or an error.
func FuzzNumeric(f *testing.F) {
	for _, s := range numericSeeds {
		f.Add(s)
	}
	m := pgtype.NewMap()
	f.Fuzz(func(t *testing.T, s string) {
		b, err := appendNumericText(nil, []byte(s), numericLimit{})
		if err != nil {
			return
		}
		b = b[4:]
		n, err := readNumeric(b)
		if err != nil {
			t.Fatalf("%q was written as %x, which cannot be read: %v", s, b, err)
		}
		text := n.appendText(nil)
		if again, err := appendNumericText(nil, text, numericLimit{}); err != nil || !bytes.Equal(again[4:], b) {
			t.Fatalf("%q: %x as text is %s, which is written as %x (%v)", s, b, text, again, err)
		}
		if !sameNumber([]byte(s), text) {
			t.Fatalf("%q became %s", s, text)
		}
		if n.special() != "" || len(text) > 2000 { // pgx and math/big are slow on more
			return
		}
		var pg pgtype.Numeric
		if err := m.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, b, &pg); err != nil {
			t.Fatalf("%q: pgx cannot read %x: %v", s, b, err)
		}
		value, ok := new(big.Rat).SetString(string(text))
		if !ok {
			t.Fatalf("%q: %s is not a number to math/big", s, text)
		}
		exp := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(pg.Exp, -pg.Exp))), nil)
		viaPgx := new(big.Rat).SetInt(pg.Int)
		if pg.Exp < 0 {
			viaPgx.Quo(viaPgx, new(big.Rat).SetInt(exp))
		} else {
			viaPgx.Mul(viaPgx, new(big.Rat).SetInt(exp))
		}
		if viaPgx.Cmp(value) != 0 {
			t.Fatalf("%q: pgx reads %x as %s", s, b, viaPgx)
		}

		whole, err := decodeOne[int64](t, of(pgtype.NumericOID), b)
		if fits := value.IsInt() && value.Num().IsInt64(); fits != (err == nil) || fits && whole != value.Num().Int64() {
			t.Fatalf("%q as int64 is %d, %v", s, whole, err)
		}
		unsigned, err := decodeOne[uint64](t, of(pgtype.NumericOID), b)
		if fits := value.IsInt() && value.Num().IsUint64(); fits != (err == nil) || fits && unsigned != value.Num().Uint64() {
			t.Fatalf("%q as uint64 is %d, %v", s, unsigned, err)
		}
		float, err := decodeOne[float64](t, of(pgtype.NumericOID), b)
		if want, wantErr := strconv.ParseFloat(string(text), 64); (err == nil) != (wantErr == nil && keepsDigits(text, want, 64)) || err == nil && float != want {
			t.Fatalf("%q as float64 is %v, %v", s, float, err)
		}
		small, err := decodeOne[float32](t, of(pgtype.NumericOID), b)
		if want, wantErr := strconv.ParseFloat(string(text), 32); (err == nil) != (wantErr == nil && keepsDigits(text, want, 32)) || err == nil && small != float32(want) {
			t.Fatalf("%q as float32 is %v, %v", s, small, err)
		}
		d, err := decodeOne[decimal.Decimal](t, of(pgtype.NumericOID), b)
		if err == nil && !sameNumber([]byte(d.String()), text) {
			t.Fatalf("%q as a decimal is %s", s, d)
		}
		if parsed, parseErr := decimal.Parse(string(text)); err != nil && parseErr == nil && sameNumber([]byte(parsed.String()), text) {
			t.Fatalf("%q is refused as a decimal: %v", s, err)
		}
	})
}

// FuzzReadNumeric holds the reader of the binary format to its own writer: bytes
// that it takes for a number have a text, which gives the same number.
func FuzzReadNumeric(f *testing.F) {
	for _, s := range numericSeeds {
		b, err := appendNumericText(nil, []byte(s), numericLimit{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := readNumeric(b)
		if err != nil {
			return
		}
		text := n.appendText(nil)
		parsed, err := parseNumeric(text)
		if err != nil {
			t.Fatalf("%x is written as %s: %v", b, text, err)
		}
		if parsed.special != 0 {
			return
		}
		if coef, ok := n.coef(); ok {
			exact := strconv.FormatUint(coef, 10) + "e-" + strconv.Itoa(n.dscale)
			if n.negative() {
				exact = "-" + exact
			}
			if !sameNumber([]byte(exact), text) {
				t.Fatalf("%x is %s by coefficient and %s as text", b, exact, text)
			}
		}
	})
}

func TestNumericsOfOddShapeAreRead(t *testing.T) {
	// Digits that the server would have trimmed, and digits far from the point.
	tests := []struct {
		name string
		raw  []byte
		text string
		int  int64
		ok   bool
	}{
		{"leading zero digits", []byte{0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, "7", 7, true},
		{"trailing zeros left out", []byte{0, 1, 0, 2, 0x40, 0, 0, 0, 0, 5}, "-500000000", -500000000, true},
		{"no digits", []byte{0, 0, 0, 0, 0, 0, 0, 3}, "0.000", 0, true},
		{"a fraction of zeros", []byte{0, 2, 0, 0, 0, 0, 0, 4, 0, 9, 0, 0}, "9.0000", 9, true},
		{"far behind the point", []byte{0, 1, 0xff, 0xfd, 0, 0, 0, 12, 0, 42}, "0.000000000042", 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if s, err := decodeOne[string](t, of(pgtype.NumericOID), test.raw); err != nil || s != test.text {
				t.Errorf("text: %s, %v", s, err)
			}
			if v, err := decodeOne[int64](t, of(pgtype.NumericOID), test.raw); (err == nil) != test.ok || v != test.int {
				t.Errorf("int64: %d, %v", v, err)
			}
			want, _ := strconv.ParseFloat(test.text, 64)
			if v, err := decodeOne[float64](t, of(pgtype.NumericOID), test.raw); err != nil || v != want {
				t.Errorf("float64: %v, %v", v, err)
			}
		})
	}
}

func TestOtherNumberTypesGoThroughTheirOwnMethods(t *testing.T) {
	big60, _ := new(big.Int).SetString(strings.Repeat("7", 60), 10)
	tuple, err := encodeOne(t, of(pgtype.NumericOID), *big60)
	if err != nil {
		t.Fatal(err)
	}
	raw := tuple[len("before")+6:]
	if back, err := decodeOne[big.Int](t, of(pgtype.NumericOID), raw); err != nil || back.Cmp(big60) != 0 {
		t.Errorf("came back as %s, %v", &back, err)
	}
	if back, err := decodeOne[*big.Int](t, of(pgtype.NumericOID), nil); err != nil || back != nil {
		t.Errorf("null came back as %v, %v", back, err)
	}
	ten, err := appendNumericText(nil, []byte("10.00"), numericLimit{})
	if err != nil {
		t.Fatal(err)
	}
	if back, err := decodeOne[*big.Int](t, of(pgtype.NumericOID), ten[4:]); err != nil || back.Int64() != 10 {
		t.Errorf("10.00 came back as %v, %v", back, err)
	}
	half, err := appendNumericText(nil, []byte("0.5"), numericLimit{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeOne[big.Int](t, of(pgtype.NumericOID), half[4:]); err == nil {
		t.Error("0.5 passed for an integer")
	}
	if back, err := decodeOne[big.Rat](t, of(pgtype.NumericOID), half[4:]); err != nil || back.Cmp(big.NewRat(1, 2)) != 0 {
		t.Errorf("0.5 came back as %v, %v", &back, err)
	}
}
