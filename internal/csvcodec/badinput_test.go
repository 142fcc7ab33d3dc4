package csvcodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/govalues/decimal"
)

type sale struct {
	ID       int64           `csv:"sale_id"`
	Product  string          `csv:"product"`
	Quantity int32           `csv:"quantity"`
	Price    decimal.Decimal `csv:"unit_price"`
	Date     time.Time       `csv:"sale_date"`
	Share    float32         `csv:"share"`
	Paid     bool            `csv:"paid"`
	Refs     *uint8          `csv:"refs"`
}

const saleHeader = "sale_id,product,quantity,unit_price,sale_date,share,paid,refs\n"

func TestABadRecordIsAnErrorThatNamesItsPlaceAndTheNextOneIsRead(t *testing.T) {
	const good = "1,Tea,2,3.50,2024-02-29,0.5,yes,\n"
	tests := []struct {
		name string
		bad  string // with its line ending
		want string
		is   error
		col  int
		val  string
	}{
		{"a word for an integer", "1,Tea,abc,3.50,2024-02-29,0.5,yes,\n", `line 3: column "quantity": "abc" is not an integer`, ErrSyntax, 3, "abc"},
		{"a fraction for an integer", "1,Tea,2.5,3.50,2024-02-29,0.5,yes,\n", `line 3: column "quantity": "2.5" is not an integer: it has a fraction`, ErrSyntax, 3, "2.5"},
		{"an integer too large for its field", "1,Tea,2147483648,3.50,2024-02-29,0.5,yes,\n", `line 3: column "quantity": "2147483648" does not fit int32 (-2147483648 to 2147483647)`, ErrRange, 3, "2147483648"},
		{"an integer too large for any field", "99999999999999999999,Tea,2,3.50,2024-02-29,0.5,yes,\n", `line 3: column "sale_id": "99999999999999999999" does not fit int64 (-9223372036854775808 to 9223372036854775807)`, ErrRange, 1, "99999999999999999999"},
		{"a negative number for an unsigned field", "1,Tea,2,3.50,2024-02-29,0.5,yes,-1\n", `line 3: column "refs": "-1" is negative, and does not fit uint8`, ErrRange, 8, "-1"},
		{"a number too large for a small unsigned field", "1,Tea,2,3.50,2024-02-29,0.5,yes,256\n", `line 3: column "refs": "256" does not fit uint8 (0 to 255)`, ErrRange, 8, "256"},
		{"a float too large for its field", "1,Tea,2,3.50,2024-02-29,1e39,yes,\n", `line 3: column "share": "1e39" does not fit float32`, ErrRange, 6, "1e39"},
		{"a comma in a float", "1,Tea,2,3.50,2024-02-29,\"1,5\",yes,\n", `line 3: column "share": "1,5" is not a number: set Dialect.Decimal or Thousands to ',' if its comma is one`, ErrSyntax, 6, "1,5"},
		{"a word for a boolean", "1,Tea,2,3.50,2024-02-29,0.5,maybe,\n", `line 3: column "paid": "maybe" is not a boolean`, ErrSyntax, 7, "maybe"},
		{"a day that is not", "1,Tea,2,3.50,2023-02-29,0.5,yes,\n", `line 3: column "sale_date": "2023-02-29" is not a time: want 2006-01-02, 2006-01-02 15:04:05 or RFC 3339`, ErrSyntax, 5, "2023-02-29"},
		{"a decimal of 60 digits", "1,Tea,2," + strings.Repeat("123456", 10) + ",2024-02-29,0.5,yes,\n", `line 3: column "unit_price": "` + strings.Repeat("123456", 10) + `": unmarshaling decimal.Decimal: parsing decimal: decimal overflow: the integer part of a decimal.Decimal can have at most 19 digits, but it has 60 digits`, nil, 4, strings.Repeat("123456", 10)},
		{"a byte that is not UTF-8", "1,T\xffa,2,3.50,2024-02-29,0.5,yes,\n", `line 3: column "product": "T\xffa" is not valid UTF-8 (byte 2)`, ErrInvalidUTF8, 2, "T\xffa"},
		{"a NUL byte", "1,T\x00a,2,3.50,2024-02-29,0.5,yes,\n", `line 3: column "product": "T\x00a" holds a NUL byte (byte 2)`, ErrNUL, 2, "T\x00a"},
		{"a long value, which is cut", "1," + strings.Repeat("é", 80) + "\xff,2,3.50,2024-02-29,0.5,yes,\n", `line 3: column "product": "` + strings.Repeat("é", 50) + `"... is not valid UTF-8 (byte 161)`, ErrInvalidUTF8, 2, strings.Repeat("é", 50)},
		{"too few fields", "1,Tea\n", `line 3: 2 fields, but the header has 8; Dialect.Ragged reads missing fields as NULL`, ErrFieldCount, 0, ""},
		{"too many fields", "1,Tea,2,3.50,2024-02-29,0.5,yes,,,\n", `line 3: 10 fields, but the header has 8`, ErrFieldCount, 0, ""},
		{"one field", "1\n", `line 3: 1 field, but the header has 8; Dialect.Ragged reads missing fields as NULL`, ErrFieldCount, 0, ""},
		{"a quote inside a field", "1,5\" pipe,2,3.50,2024-02-29,0.5,yes,\n", `line 3: column "product": a quote inside a field that is not quoted; Dialect.LazyQuotes reads it as text`, ErrBareQuote, 2, ""},
		{"text behind a quote", "1,\"Tea\" x,2,3.50,2024-02-29,0.5,yes,\n", `line 3: column "product": text after the closing quote; Dialect.LazyQuotes reads it as text`, ErrTextAfterQuote, 2, ""},
		{"an error in a field of two lines", "1,\"Tea\nx\",abc,3.50,2024-02-29,0.5,yes,\n", `line 3: column "quantity": "abc" is not an integer`, ErrSyntax, 3, "abc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, bad := readSome[sale](t, saleHeader+good+test.bad+good, ReadOptions{})
			if len(got) != 2 {
				t.Errorf("%d good records, want the one before and the one after", len(got))
			}
			if len(bad) != 1 {
				t.Fatalf("errors %v, want one", bad)
			}
			e := bad[0]
			if e.Error() != test.want {
				t.Errorf("error %s\nwant  %s", e, test.want)
			}
			if test.is != nil && !errors.Is(e, test.is) {
				t.Errorf("error is %v, want %v", e.Err, test.is)
			}
			if e.Column != test.col || e.Value != test.val {
				t.Errorf("column %d, value %q, want %d, %q", e.Column, e.Value, test.col, test.val)
			}
			if want := int64(len(saleHeader + good)); e.Offset != want || string(e.Raw) != test.bad {
				t.Errorf("raw %q at %d, want %q at %d", e.Raw, e.Offset, test.bad, want)
			}
		})
	}
}

func TestAQuoteWithoutAPartnerNamesTheLineWhereItOpened(t *testing.T) {
	in := "a,b\n1,2\n\"x\ny\",\"open\n3,4\n5,6"
	type row struct {
		A string `csv:"a"`
	}
	got, bad := readSome[row](t, in, ReadOptions{})
	if len(got) != 1 || len(bad) != 1 {
		t.Fatalf("records %v, errors %v", got, bad)
	}
	want := `line 3: column "b": the quoted field that begins in line 4 is not closed before the end of the input; it took lines 3 to 6`
	if bad[0].Error() != want || !errors.Is(bad[0], ErrUnterminated) {
		t.Errorf("error %v, want %s", bad[0], want)
	}
}

func TestHeaders(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"an empty input", "", "the input is empty: there is no header"},
		{"an input of blank lines", "\n\r\n\n", "the input is empty: there is no header"},
		{"a byte order mark alone", "\xef\xbb\xbf", "the input is empty: there is no header"},
		{"a header alone", "sale_id,product", ""},
		{"columns in another order and more of them", "x,product,y,sale_id\n", ""},
		{"spaces and invisible characters around names", " product ,\u200bsale_id\n", ""},
		{"a byte order mark before a quoted name", "\xef\xbb\xbf\"sale_id\",product\n", ""},
		{"a column that is missing", "sale_id,prodct\n", `line 1: column "product" (nearest: "prodct") is missing; the header has "sale_id", "prodct"`},
		{"a column in other letters", "sale_id,PRODUCT\n", `line 1: column "product" (nearest: "PRODUCT") is missing; the header has "sale_id", "PRODUCT"`},
		{"columns that nothing is like", "\nx,y\n", `line 2: columns "sale_id", "product" are missing; the header has "x", "y"`},
		{"another delimiter", "sale_id;product\n", `line 1: columns "sale_id", "product" are missing; the header has "sale_id;product"; is the delimiter ";"? set Dialect.Delimiter`},
		{"a column twice", "sale_id,product,sale_id\n", `line 1: column "sale_id" appears more than once in the header; the header has "sale_id", "product", "sale_id"; rename all but one of them`},
		{"a column twice that is not needed", "sale_id,product,x,x\n", ""},
		{"UTF-16", "\xff\xfes\x00a\x00\n\x00", `the input is UTF-16, not CSV in UTF-8: convert it, for instance with iconv -f UTF-16 -t UTF-8`},
		{"a name that is not UTF-8", "sale_id,produ\xe7t\n", `line 1: column "product" (nearest: "produ\xe7t") is missing; the header has "sale_id", "produ\xe7t"; "produ\xe7t" is not UTF-8: convert the file, for instance with iconv -f WINDOWS-1252 -t UTF-8`},
		{"a quote in a name", "sale_id,pro\"duct\n", `line 1: field 2: a quote inside a field that is not quoted; Dialect.LazyQuotes reads it as text`},
	}
	type row struct {
		ID      int    `csv:"sale_id"`
		Product string `csv:"product"`
		Derived string // no tag: the header may have it
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := NewReader[row](strings.NewReader(test.in), ReadOptions{})
			if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
				t.Fatalf("error %s\nwant  %s", got, test.want)
			}
			if err == nil {
				if err := r.Read(new(row)); err != io.EOF {
					t.Errorf("reading gives %v, want the end", err)
				}
			}
		})
	}
}

func TestAllowMissingLeavesFieldsZero(t *testing.T) {
	type row struct {
		A int `csv:"a"`
		B int `csv:"b"`
	}
	o := ReadOptions{}
	o.AllowMissing = true
	if got := readAll[row](t, "a\n1\n", o); len(got) != 1 || got[0] != (row{A: 1}) {
		t.Errorf("got %v", got)
	}
}

func TestAnInputWithoutHeaderHasTheGivenColumns(t *testing.T) {
	type row struct {
		A int `csv:"a"`
		B int `csv:"b"`
	}
	got := readAll[row](t, "1,2\n3,4\n", ReadOptions{Header: []string{"b", "a"}})
	if len(got) != 2 || got[1] != (row{A: 4, B: 3}) {
		t.Errorf("got %v", got)
	}
	_, err := NewReader[row](strings.NewReader("1,2\n"), ReadOptions{Header: []string{"a", "c"}})
	if want := `column "b" (nearest: "a") is missing; the header has "a", "c"`; err == nil || !strings.Contains(err.Error(), `column "b"`) {
		t.Errorf("error %v, want like %s", err, want)
	}
}

func TestTypesThatCannotBeRead(t *testing.T) {
	type node struct {
		Next *node
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"not a struct", newErr[int](), "a CSV record is read into and written from a struct, not int"},
		{"no exported field", newErr[struct{ a int }](), "struct { a int } has no exported field that could be a CSV column"},
		{"a channel", newErr[struct {
			C chan int `csv:"a"`
		}](), `field C: column "a": no conversion from text to chan int; give the type UnmarshalText, UnmarshalCSV or Scan, or tag the field csv:"-" to leave it out`},
		{"an interface", newErr[struct {
			C any `csv:"a"`
		}](), `field C: column "a": no conversion from text to interface {}; give the type UnmarshalText, UnmarshalCSV or Scan, or tag the field csv:"-" to leave it out`},
		{"a struct that contains itself", newErr[node](), `csvcodec.node contains itself; tag the field csv:"-" to leave it out`},
		{"a default of the wrong type", newErr[struct {
			A int `csv:"a,default=x"`
		}](), `field A: column "a": default: "x" is not an integer`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if fmt.Sprint(test.err) != test.want {
				t.Errorf("error %v\nwant  %s", test.err, test.want)
			}
		})
	}
}

func newErr[T any]() error {
	_, err := NewDecoder[T]([]string{"a"}, DecodeOptions{})
	return err
}

func TestNullTokens(t *testing.T) {
	type row struct {
		N *int    `csv:"n"`
		S *string `csv:"s"`
		P string  `csv:"p"`
	}
	show := func(r row) string {
		s := "nil"
		if r.N != nil {
			s = fmt.Sprint(*r.N)
		}
		if r.S == nil {
			return s + " nil " + r.P
		}
		return s + fmt.Sprintf(" %q ", *r.S) + r.P
	}
	tests := []struct{ name, null, in, want string }{
		{"nothing is NULL", "", ",,", "nil nil "},
		{"an empty text in quotes is a text", "", `"","",""`, `nil "" `},
		{"a token is NULL and nothing is not", `\N`, `\N,\N,x`, `nil nil x`},
		{"nothing is no number where a token is NULL", `\N`, `,,`, `line 2: column "n" is empty; for NULL use a pointer, for a value say omitempty or default= in its csv tag`},
		{"a token in quotes is a text", `\N`, `1,"\N","\N"`, `1 "\\N" \N`},
		{"a token in a field that is not a pointer is an error", `\N`, `1,x,\N`, `line 2: column "p": "\\N" means NULL, but the field is not a pointer`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := ReadOptions{DecodeOptions: DecodeOptions{Null: test.null}}
			got, bad := readSome[row](t, "n,s,p\n"+test.in+"\n", o)
			have := ""
			for _, e := range bad {
				have = e.Error()
			}
			for _, r := range got {
				have = show(r)
			}
			if have != test.want {
				t.Errorf("got %s, want %s", have, test.want)
			}
		})
	}
}

// endless gives n bytes of a pattern.
func endless(pattern string, n int64) io.Reader {
	block := []byte(strings.Repeat(pattern, 1+(64<<10)/len(pattern)))
	block = block[:len(block)/len(pattern)*len(pattern)]
	var readers []io.Reader
	for ; n > 0; n -= int64(len(block)) {
		readers = append(readers, bytes.NewReader(block[:min(n, int64(len(block)))]))
	}
	return io.MultiReader(readers...)
}

func TestHugeRecordsAreErrorsInBoundedMemory(t *testing.T) {
	const gigabyte, less = 1 << 30, 128 << 20
	tests := []struct {
		name, before, pattern, after string
		size                         int64
		want                         string
	}{
		{"a line of a gigabyte", "", "xxxxxxxxxxxxxxxx", "\n", gigabyte, "line 2: the record is larger than 16777216 bytes"},
		{"a quoted field as long", "1,\"", "line\n, ", "\"\n", less, "line 2: the record is larger than 16777216 bytes; a quote that opened in line 2 is not closed within it"},
		{"as many columns", "", "1,", "1\n", less, "line 2: the record has more than 262144 fields"},
		{"as many quoted columns", "", "\"1\",", "\"1\"\n", less, "line 2: the record has more than 262144 fields"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := io.MultiReader(strings.NewReader("a,b\n"+test.before), endless(test.pattern, test.size), strings.NewReader(test.after+"3,4\n"))
			s, err := NewScanner(in, ScanOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = s.Next(); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err = s.Next()
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v\nwant  %s", err, test.want)
			}
			if e, ok := errors.AsType[*Error](err); !ok || len(e.Raw) == 0 || len(e.Raw) > maxErrorRaw {
				t.Errorf("error %#v holds too much or nothing", err)
			}
			rec, err := s.Next()
			if err != nil || string(rec.Raw()) != "3,4\n" {
				t.Errorf("then %v, want the next record", err)
			}
			runtime.ReadMemStats(&after)
			if total := after.TotalAlloc - before.TotalAlloc; total > 48<<20 {
				t.Errorf("%d MiB were allocated", total>>20)
			}
		})
	}
}

func TestAMillionColumnsCanBeAllowed(t *testing.T) {
	const columns = 1_000_000
	in := io.MultiReader(endless("12,", 3*(columns-1)), strings.NewReader("12\n"))
	s, err := NewScanner(in, ScanOptions{MaxColumns: columns})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	if rec.Len() != columns || string(rec.Field(columns-1)) != "12" || string(rec.Field(777)) != "12" {
		t.Errorf("%d columns, the last one %q", rec.Len(), rec.Field(rec.Len()-1))
	}
}

func TestAReadersErrorIsNotTheInputsEnd(t *testing.T) {
	broken := errors.New("cable cut")
	for _, in := range []string{"a,b\n1,2\n3,", "a,b\n1,2\n", "a,b\n1,2\n\"x"} {
		s, err := NewScanner(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; err == nil; n++ {
			_, err = s.Next()
		}
		if n != 3 || !errors.Is(err, broken) || err.Error() != "line 3: cable cut" {
			t.Errorf("%q: after %d records %v", in, n-1, err)
		}
		if _, again := s.Next(); !errors.Is(again, broken) {
			t.Errorf("%q: then %v, want the same error", in, again)
		}
	}
}

func TestAReaderThatGivesNothingIsGivenUp(t *testing.T) {
	s, err := NewScanner(readerFunc(func([]byte) (int, error) { return 0, nil }), ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestOptionsThatCannotBe(t *testing.T) {
	for _, o := range []ScanOptions{{Comma: '"'}, {Comma: '\n'}, {Comma: 0xa7}, {Comment: ','}, {Comma: '#', Comment: '#'}, {Comment: '\r'}} {
		if _, err := NewScanner(strings.NewReader(""), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
		if _, err := SplitPoints(strings.NewReader(""), 0, 2, o); err == nil {
			t.Errorf("SplitPoints accepted %+v", o)
		}
	}
	for _, o := range []EncodeOptions{{Comma: '"'}, {Null: "a,b"}, {Null: "\""}, {Comma: 'N', Null: "NULL"}} {
		if _, err := NewEncoder[sale](o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
