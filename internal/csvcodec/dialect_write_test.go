package csvcodec

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"github.com/millrace/millrace/dialect"
)

type dialectRow struct {
	S string            `csv:"s"`
	P *string           `csv:"p"`
	F *float64          `csv:"f"`
	I int64             `csv:"i"`
	D decimal.Decimal   `csv:"d"`
	T time.Time         `csv:"t"`
	M map[string]string `csv:"*"`
}

// roundTrip writes records in a dialect and reads them back; what cannot be written has to be told.
func roundTrip(t *testing.T, d dialect.CSV, all []dialectRow) (written int) {
	t.Helper()
	e, err := NewEncoder[dialectRow](EncodeOptions{Dialect: d, Columns: []string{"x y", "s", "p", "f", "i", "d", "t"}})
	if err != nil {
		return 0
	}
	out, err := e.AppendHeaderOf(nil, nil)
	if err != nil {
		return 0
	}
	var want []dialectRow
	for i := range all {
		before := len(out)
		if out, err = e.Append(out, &all[i]); err != nil {
			if len(out) != before {
				t.Fatalf("%+v: a record that cannot be written left %q", d, out[before:])
			}
			continue
		}
		want = append(want, all[i])
	}
	r, err := NewReader[dialectRow](strings.NewReader(string(out)), ReadOptions{ScanOptions: ScanOptions{Dialect: d}, DecodeOptions: DecodeOptions{Dialect: d}})
	if err != nil {
		t.Fatalf("%+v: the header of %q: %v", d, out, err)
	}
	for i, w := range want {
		var got dialectRow
		err := r.Read(&got)
		if err != nil {
			if bad, ok := errors.AsType[*Error](err); ok && errors.Is(bad, ErrNull) || errors.Is(err, ErrInvalidUTF8) || errors.Is(err, ErrNUL) {
				continue // told, and not changed
			}
			t.Fatalf("%+v: record %d of %q: %v", d, i, out, err)
		}
		if !alike(reflect.ValueOf(got.T), reflect.ValueOf(w.T)) {
			t.Fatalf("%+v: %q is read as the time %v, want %v", d, out, got.T, w.T)
		}
		got.T = w.T
		if !reflect.DeepEqual(got, w) {
			t.Fatalf("%+v: %q is read as %+v, want %+v", d, out, got, w)
		}
	}
	if err := r.Read(new(dialectRow)); err != io.EOF {
		t.Fatalf("%+v: behind the records of %q: %v", d, out, err)
	}
	return len(want)
}

func dialectRows(s string) []dialectRow {
	f, zero := 1234567.5, 0.0
	empty := ""
	day := time.Date(2025, 7, 31, 12, 30, 0, 0, time.UTC)
	return []dialectRow{
		{s, &s, &f, -1000000, decimal.MustParse("1234.50"), day, map[string]string{"x y": s}},
		{"", &empty, &zero, 0, decimal.MustParse("-0.05"), day, map[string]string{"x y": ""}},
		{s + s, nil, nil, 7, decimal.MustParse("12"), day, map[string]string{"x y": "n/a"}},
	}
}

func TestWhatIsWrittenInADialectIsReadBack(t *testing.T) {
	for _, d := range []dialect.CSV{
		{}, {Delimiter: ";;"}, {Delimiter: "¦"}, {Quote: '\''}, {Escape: '\\'}, {Quote: '|', Escape: '\\'}, {Quote: dialect.None, Delimiter: "\t"}, {LazyQuotes: true},
		{Comment: "#"}, {Comment: "//"}, {Null: []string{`\N`, "", "n/a"}}, {Null: []string{"", "n/a"}}, {Delimiter: ";", Decimal: ','}, {Decimal: ','},
		{Delimiter: ";", Decimal: ',', Thousands: '.'}, {Layout: "02.01.2006 15:04"}, {Times: map[string]dialect.Time{"t": {Layout: time.RFC1123Z}}}, {Delimiter: "1"}, {Delimiter: "."}, {Comment: "1"},
	} {
		n := 0
		for _, s := range []string{"x", "", " x", `say "hi"`, "it's", `C:\temp\`, `\"`, "a;b", ";", ";;", "a;;", "#x", "/", "//", "a\nb", "a\r\nb", "\r", "n/a", `\N`, "1,5", "1.5", "¦", "|", "\ufeffx", "\t", `\.`} {
			n += roundTrip(t, d, dialectRows(s))
		}
		if n < 20 {
			t.Errorf("%+v: only %d records could be written", d, n)
		}
	}
}

func TestWhatADialectCannotHoldIsNotWritten(t *testing.T) {
	e, err := NewEncoder[one[string]](EncodeOptions{Dialect: dialect.CSV{Quote: dialect.None}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"a,b", "a\nb", ""} {
		if out, err := e.Append(nil, &one[string]{s}); err == nil || len(out) > 0 || !strings.Contains(err.Error(), "would have to be in quotes, and the Dialect has none") {
			t.Errorf("%q: got %q, %v", s, out, err)
		}
	}
	if out, err := e.Append(nil, &one[string]{`5'9" tall`}); err != nil || string(out) != "5'9\" tall\n" {
		t.Errorf("got %q, %v", out, err)
	}
	type named struct {
		A string `csv.name:"a,b"`
	}
	if _, err := NewEncoder[named](EncodeOptions{Dialect: dialect.CSV{Quote: dialect.None}}); err == nil || !strings.Contains(err.Error(), "the header") {
		t.Errorf("got %v", err)
	}
}

// FuzzDialectRoundTrip holds that a dialect is refused, or what is written in it is read back.
func FuzzDialectRoundTrip(f *testing.F) {
	f.Add(",", int32(0), int32(0), "", "", "", int32(0), int32(0), "", false, "x")
	f.Add(";;", int32('\''), int32('\\'), "//", `\N`, "n/a", int32(','), int32('.'), "02.01.2006 15:04", true, "it's;")
	f.Add("\t", dialect.None, int32(0), "#", "-", "", int32(0), int32(' '), time.DateTime, false, "#a b")
	f.Add(".", int32('"'), int32('"'), "1", "", "1", int32(','), int32(0), "", true, "\xef\xbb\xbf1.5")
	f.Fuzz(func(t *testing.T, delimiter string, quote, escape int32, comment, null, other string, decimal, thousands int32, layout string, lazy bool, s string) {
		d := dialect.CSV{
			Delimiter: delimiter, Quote: quote, Escape: escape, Comment: comment, Null: []string{null, other}, Decimal: decimal, Thousands: thousands,
			Layout: layout, LazyQuotes: lazy, Ragged: len(s)%2 == 0, AnyCase: len(s)%3 == 0,
		}
		roundTrip(t, d, dialectRows(s))
	})
}

// BenchmarkDialects reads the same records in dialects that the walk over marks knows, and by rules.
func BenchmarkDialects(b *testing.B) {
	plain := string(benchInput(benchRows, false))
	for _, test := range []struct {
		name    string
		dialect dialect.CSV
		in      string
	}{
		{"zero", dialect.CSV{}, plain},
		{"semicolons", dialect.CSV{Delimiter: ";"}, strings.ReplaceAll(plain, ",", ";")},
		{"two characters", dialect.CSV{Delimiter: ";;"}, strings.ReplaceAll(plain, ",", ";;")},
		{"no quotes", dialect.CSV{Quote: dialect.None}, plain},
		{"lazy quotes", dialect.CSV{LazyQuotes: true}, plain},
		{"escape, all quoted", dialect.CSV{Escape: '\\'}, string(benchInput(benchRows, true))},
		{"decimal comma", dialect.CSV{Delimiter: ";", Decimal: ','}, strings.ReplaceAll(strings.ReplaceAll(plain, ",", ";"), ".", ",")},
		{"three NULL tokens", dialect.CSV{Null: []string{"", "n/a", "-"}}, plain},
	} {
		b.Run(test.name, func(b *testing.B) {
			batch := make([]benchRow, 512)
			measure(b, []byte(test.in), func() {
				r, err := NewReader[benchRow](strings.NewReader(test.in), ReadOptions{ScanOptions: ScanOptions{Dialect: test.dialect}, DecodeOptions: DecodeOptions{Dialect: test.dialect}})
				if err != nil {
					b.Fatal(err)
				}
				total := 0
				for err == nil {
					var n int
					n, err = r.ReadBatch(batch)
					total += n
				}
				if err != io.EOF || total != benchRows {
					b.Fatal(total, err)
				}
			})
		})
	}
}
