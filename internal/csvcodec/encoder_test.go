package csvcodec

import (
	"bytes"
	"encoding/csv"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gocarina/gocsv"
	"github.com/govalues/decimal"
)

func writeAll[T any](t testing.TB, rows []T, o EncodeOptions) string {
	t.Helper()
	e, err := NewEncoder[T](o)
	if err != nil {
		t.Fatal(err)
	}
	out := e.AppendHeader(nil)
	for i := range rows {
		if out, err = e.Append(out, &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	return string(out)
}

// traveller has every kind that is compiled on both ways.
type traveller struct {
	I   int64           `csv:"i"`
	I8  int8            `csv:"i8"`
	U   uint64          `csv:"u"`
	F   float64         `csv:"f"`
	F32 float32         `csv:"f32"`
	B   bool            `csv:"b"`
	S   string          `csv:"s"`
	T   time.Time       `csv:"t"`
	D   decimal.Decimal `csv:"d"`
	PI  *int64          `csv:"pi"`
	PS  *string         `csv:"ps"`
	PT  *time.Time      `csv:"pt"`
	Tag tag             `csv:"tag"`
	Sh  shout           `csv:"sh"`
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(1), int8(-1), uint64(math.MaxUint64), 12.5, float32(0.1), true, "a \"b\", c\r\n", int64(1e9), int64(1250), "", uint8(0), byte(','), "")
	f.Add(int64(-5), int8(0), uint64(0), 0.1, float32(-1e30), false, " lead", int64(-1e9), int64(-1), "NULL", uint8(3), byte(';'), "NULL")
	f.Add(int64(0), int8(0), uint64(0), 1e300, float32(0), false, "\xef\xbb\xbf", int64(0), int64(0), "\\.", uint8(255), byte('1'), "\\N")
	f.Add(int64(0), int8(0), uint64(0), 0.005, float32(0), false, "é", int64(0), int64(0), "x", uint8(255), byte('e'), "\\N")
	f.Fuzz(func(t *testing.T, i int64, i8 int8, u uint64, fl float64, f32 float32, b bool, s string, unix, dec int64, s2 string, mode uint8, comma byte, null string) {
		o := EncodeOptions{Comma: comma, CRLF: mode&4 != 0, Null: null}
		e, err := NewEncoder[traveller](o)
		if err != nil {
			return
		}
		rec := traveller{I: i, I8: i8, U: u, F: fl, F32: f32, B: b, S: s, Tag: tag(s2), Sh: shout{s2 + "!"}}
		rec.T = time.Unix(unix%200e9, unix&0xfffffff).UTC()
		rec.D, _ = decimal.New(dec, int(mode%4))
		if mode&1 != 0 {
			rec.PI, rec.PT = &i, &rec.T
		}
		if mode&2 != 0 {
			rec.PS = &s2
		}
		if fl != fl || f32 != f32 || strings.Contains(s2, "?") { // NaN, and what shout refuses
			return
		}
		out := e.AppendHeader(nil)
		header := len(out)
		out, err = e.Append(out, &rec)
		if err != nil {
			if year := rec.T.Year(); year >= 0 && year <= 9999 {
				t.Fatal(err)
			}
			return // RFC 3339 has no such year
		}

		// What is written is a CSV record of so many fields to encoding/csv, too.
		r := csv.NewReader(bytes.NewReader(out))
		r.Comma = rune(o.Comma)
		if comma == 0 {
			r.Comma = ','
		}
		rows, err := r.ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != len(e.Header()) {
			t.Fatalf("encoding/csv reads %q as %q, %v", out, rows, err)
		}
		if mode&2 == 0 && null == "" && (mode&4 == 0) && !strings.Contains(s+s2, "\ufeff") {
			var buf bytes.Buffer
			w := csv.NewWriter(&buf)
			w.Comma = r.Comma
			if err := gocsv.MarshalCSVWithoutHeaders([]traveller{rec}, gocsv.NewSafeCSVWriter(w)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buf.Bytes(), out[header:]) {
				t.Fatalf("wrote %q, gocsv: %q", out[header:], buf.Bytes())
			}
		}
		for _, text := range []string{s, s2} {
			if f := checkText(append([]byte(text), make([]byte, slack)...), 0, len(text)); f != nil {
				return // not readable by default, as it should be
			}
		}
		for _, text := range []string{"0", "-0", "true", "false"} {
			if null == text {
				return // a token that is a value as well
			}
		}
		ro := ReadOptions{ScanOptions: ScanOptions{Comma: comma}, DecodeOptions: DecodeOptions{Null: null}}
		rd, err := NewReader[traveller](bytes.NewReader(out), ro)
		if err != nil {
			t.Fatal(err)
		}
		var back traveller
		if err := rd.Read(&back); err != nil {
			if null != "" && slices.Contains(rows[1], null) {
				return // a token that is a value as well; quotes tell them apart for strings only
			}
			t.Fatalf("reading %q: %v", out, err)
		}
		if null != "" && !reflect.DeepEqual(back, rec) {
			if (rec.PI != nil && back.PI == nil) || (rec.PT != nil && back.PT == nil) {
				return // a token that is a value as well
			}
		}
		if !reflect.DeepEqual(back, rec) {
			t.Fatalf("%q\nwrote %+v\nread  %+v", out, rec, back)
		}
	})
}

func TestDigitsAreThoseOfStrconv(t *testing.T) {
	values := []uint64{0, 1, 9, math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64, 1 << 63}
	for p := uint64(10); p < 1e19; p *= 10 {
		values = append(values, p-1, p, p+1)
	}
	values = append(values, 1e19-1, 1e19, 1e19+1)
	for _, v := range values {
		if got, want := string(appendDigits([]byte("x"), v)), "x"+strconv.FormatUint(v, 10); got != want {
			t.Errorf("%d became %s", v, got)
		}
	}
}
