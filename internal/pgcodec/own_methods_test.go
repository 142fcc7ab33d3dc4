package pgcodec

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// amount is a decimal type of any length, in the manner of many: its value for a
// database is text, and it reads text.
type amount struct {
	text   string
	absent bool
	form   any // what Value gives, if not text
	fail   error
}

func (a amount) Value() (driver.Value, error) {
	switch {
	case a.fail != nil:
		return nil, a.fail
	case a.absent:
		return nil, nil
	case a.form != nil:
		return a.form, nil
	}
	return a.text, nil
}

func (a *amount) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*a = amount{absent: true}
	case string:
		if src == "13" {
			return errors.New("bad luck")
		}
		*a = amount{text: src}
	default:
		return fmt.Errorf("%T", src)
	}
	return nil
}

// ratio writes itself as text, in two ways.
type ratio struct{ text string }

func (r ratio) MarshalText() ([]byte, error) {
	if r.text == "" {
		return nil, errors.New("no ratio")
	}
	return []byte(r.text), nil
}

func TestDecimalTypesOfOthersGoByTheirMethods(t *testing.T) {
	numeric := func(text string) []byte {
		b, err := appendNumericText(nil, []byte(text), numericLimit{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	long := strings.Repeat("12345", 30) + "." + strings.Repeat("67890", 30)
	for _, test := range []struct {
		v    amount
		want []byte
	}{
		{amount{text: long}, numeric(long)},
		{amount{text: "-1.50"}, numeric("-1.50")},
		{amount{absent: true}, appendNull(nil)},
		{amount{form: int64(-7)}, numeric("-7")},
		{amount{form: 2.5}, numeric("2.5")},
		{amount{form: []byte("3.0")}, numeric("3.0")},
	} {
		tuple, err := encodeOne(t, of(pgtype.NumericOID), test.v)
		if err != nil {
			t.Errorf("%+v: %v", test.v, err)
			continue
		}
		if got := tuple[len("before")+2:]; !bytes.Equal(got, test.want) {
			t.Errorf("%+v: got %x, want %x", test.v, got, test.want)
		}
		if test.v.form != nil {
			continue
		}
		if back, err := decodeOne[amount](t, of(pgtype.NumericOID), rawValue(tuple[len("before"):])); err != nil || back != test.v {
			t.Errorf("%+v came back as %+v, %v", test.v, back, err)
		}
	}
	tuple, err := encodeOne(t, of(pgtype.NumericOID), ratio{"0.25"})
	if err != nil || !bytes.Equal(tuple[len("before")+2:], numeric("0.25")) {
		t.Errorf("by MarshalText: %x, %v", tuple, err)
	}

	for name, test := range map[string]struct {
		run  func(t *testing.T) error
		want string
	}{
		"Value fails":       {encodes(of(pgtype.NumericOID), amount{fail: errors.New("no")}), `column "v": pgcodec.amount has no database value: no`},
		"Value gives time":  {encodes(of(pgtype.NumericOID), amount{form: time.Time{}}), `(time.Time) is not a number`},
		"Value gives words": {encodes(of(pgtype.NumericOID), amount{text: "ten"}), `column "v": "ten" is not a number`},
		"MarshalText fails": {encodes(of(pgtype.NumericOID), ratio{}), `cannot be written as text: no ratio`},
		"a fraction by /":   {encodes(of(pgtype.NumericOID), *big.NewRat(1, 3)), `column "v": "1/3" is not a number`},
		"Scan fails":        {decodes[amount](pgtype.NumericOID, 13), `column "v": 13 cannot be read into pgcodec.amount: bad luck`},
	} {
		err := test.run(t)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
	failure := errors.New("no")
	if err := encodes(of(pgtype.NumericOID), amount{fail: failure})(t); !errors.Is(err, failure) {
		t.Errorf("the cause is not within %v", err)
	}
}

// malformedTarget decodes bytes into a type, for each pair below.
type malformedTarget struct {
	name string
	run  func(t *testing.T, raw []byte) error
}

func target[V any](oid uint32) malformedTarget {
	return malformedTarget{fmt.Sprintf("%T_oid%d", *new(V), oid), func(t *testing.T, raw []byte) error {
		t.Helper()
		_, err := decodeOne[V](t, of(oid), raw)
		return err
	}}
}

func TestBytesOfAnotherSizeAreAnErrorForEveryType(t *testing.T) {
	for _, target := range []malformedTarget{
		target[bool](pgtype.BoolOID), target[int](pgtype.Int2OID), target[int](pgtype.Int4OID), target[int](pgtype.Int8OID),
		target[int](pgtype.Float8OID), target[int](pgtype.Float4OID), target[int](pgtype.NumericOID),
		target[float64](pgtype.Int2OID), target[float32](pgtype.Int8OID), target[float32](pgtype.Float4OID), target[float64](pgtype.Float8OID),
		target[float64](pgtype.NumericOID), target[string](pgtype.NumericOID), target[amount](pgtype.NumericOID), target[big.Int](pgtype.NumericOID),
		target[pgtype.Numeric](pgtype.NumericOID), target[string](pgtype.UUIDOID), target[[16]byte](pgtype.UUIDOID), target[pgtype.UUID](pgtype.UUIDOID),
		target[time.Time](pgtype.DateOID), target[time.Time](pgtype.TimeOID), target[time.Time](pgtype.TimestampOID), target[time.Time](pgtype.TimestamptzOID),
		target[pgtype.Date](pgtype.DateOID), target[pgtype.Time](pgtype.TimeOID), target[pgtype.Timestamp](pgtype.TimestampOID),
		target[pgtype.Timestamptz](pgtype.TimestamptzOID), target[string](pgtype.JSONBOID), target[[]byte](pgtype.JSONBOID),
		target[[]int64](pgtype.Int8ArrayOID), target[[]string](pgtype.TextArrayOID), target[*int64](pgtype.Int8OID), target[pgtype.Int8](pgtype.Int8OID),
	} {
		t.Run(target.name, func(t *testing.T) {
			for size := range 25 {
				raw := bytes.Repeat([]byte{0x7f}, size) // no value of any of them
				err := target.run(t, raw)
				var v *ValueError
				fixed := size == 1 || size == 2 || size == 4 || size == 8 || size == 16
				if err == nil && !fixed || err != nil && !errors.As(err, &v) {
					t.Errorf("%d bytes: %v", size, err)
				}
			}
		})
	}
}

func TestSpecialNumbersReachFloatsAndText(t *testing.T) {
	for word, sign := range map[string]byte{"NaN": 0xc0, "Infinity": 0xd0, "-Infinity": 0xf0} {
		raw := []byte{0, 0, 0, 0, sign, 0, 0, 0}
		if s, err := decodeOne[string](t, of(pgtype.NumericOID), raw); err != nil || s != word {
			t.Errorf("%s as text: %s, %v", word, s, err)
		}
		f, err := decodeOne[float64](t, of(pgtype.NumericOID), raw)
		if err != nil || !strings.Contains(word, strings.TrimPrefix(fmt.Sprint(f), "+")) {
			t.Errorf("%s as float64: %v, %v", word, f, err)
		}
		if _, err := decodeOne[uint8](t, of(pgtype.NumericOID), raw); err == nil || !strings.Contains(err.Error(), word+" is not an integer") {
			t.Errorf("%s as uint8: %v", word, err)
		}
		tuple, err := encodeOne(t, of(pgtype.NumericOID), f)
		if err != nil || !bytes.Equal(rawValue(tuple[len("before"):]), raw) {
			t.Errorf("%s came back as %x, %v", word, tuple, err)
		}
	}
}

func TestLongTextIsCheckedToItsEnd(t *testing.T) {
	long := strings.Repeat("é and more ", 1<<18)
	if err := encodes(of(pgtype.TextOID), long)(t); err != nil {
		t.Error(err)
	}
	for tail, want := range map[string]string{"\x00": "has a NUL byte at position 3145728", "\xff": "is not UTF-8 at position 3145728"} {
		if err := encodes(of(pgtype.TextOID), long+tail)(t); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("got %v", err)
		}
	}
	if err := tooLong(maxValue + 1); !strings.Contains(err.Error(), "a value of 1073741820 bytes is longer than the server takes") {
		t.Errorf("got %v", err)
	}
}
