package csvcodec

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/millrace/millrace/dialect"
)

func TestADialectIsReadAsItSays(t *testing.T) {
	for _, test := range []struct {
		name    string
		dialect dialect.CSV
		in      string
		want    [][]string
	}{
		{"a delimiter of two characters", dialect.CSV{Delimiter: ";;"}, "a;;b\n\"1;;\";;2;\n;;;\n", [][]string{{"a", "b"}, {"1;;", "2;"}, {"", ";"}}},
		{"a delimiter that is not ASCII", dialect.CSV{Delimiter: "¦"}, "a¦b\r\n\"x¦\"¦ä\r\n", [][]string{{"a", "b"}, {"x¦", "ä"}}},
		{"another quote", dialect.CSV{Quote: '\''}, "'a,b','it''s',say \"hi\"\n", [][]string{{"a,b", "it's", `say "hi"`}}},
		{"no quotes", dialect.CSV{Quote: dialect.None}, "\"a,b\"\n5'9\" tall,\n", [][]string{{`"a`, `b"`}, {`5'9" tall`, ""}}},
		{"an escape", dialect.CSV{Escape: '\\'}, `"say \"hi\"","C:\temp","a\\","x""y",z\"` + "\n", [][]string{{`say "hi"`, `C:\temp`, `a\`, `x"y`}}},
		{"an escape outside quotes is text", dialect.CSV{Escape: '\\'}, "a\\,b\n", [][]string{{`a\`, "b"}}},
		{"lazy quotes", dialect.CSV{LazyQuotes: true}, "5'9\" tall,\"a \"b\" c\",\"d\" ,e\"\n", [][]string{{`5'9" tall`, `a "b" c`, "d\" ,e"}}},
		{"a comment of two characters", dialect.CSV{Comment: "--"}, "-- x\n\n--\na,-1\n--\n\n-b,--\n", [][]string{{"a", "-1"}, {"-b", "--"}}},
		{"lines before the header", dialect.CSV{SkipLines: 2}, "Report \"of\nMay\na,b\n", [][]string{{"a", "b"}}},
		{"lines before the header, a mark, another quote", dialect.CSV{SkipLines: 1, Quote: '\''}, "\xef\xbb\xbfit's\n'a',b\n", [][]string{{"a", "b"}}},
		{"its own word for the delimiter", dialect.CSV{}, "sep=;\na;b,c\n", [][]string{{"a", "b,c"}}},
		{"its own word in quotes, CRLF", dialect.CSV{LazyQuotes: true}, "\xef\xbb\xbf\"SEP=|\"\r\na|\"b\"\r\n", [][]string{{"a", "b"}}},
		{"its own word as one of the lines to skip", dialect.CSV{SkipLines: 2}, "sep=\t\ntitle\na\tb\n", [][]string{{"a", "b"}}},
		{"its own word that is the Delimiter", dialect.CSV{Delimiter: ";"}, "sep=;\na;b\n", [][]string{{"a", "b"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
				got := scanAll(t, r, ScanOptions{Dialect: test.dialect})
				for i, g := range got {
					if test.name == "an escape" && g.err == nil {
						g.fields = g.fields[:4] // the last one shows that a quote is refused there
					}
					if g.err != nil || i >= len(test.want) || !reflect.DeepEqual(g.fields, test.want[i]) {
						if test.name == "an escape" && g.err != nil && errors.Is(g.err, ErrBareQuote) {
							continue
						}
						t.Errorf("record %d: %q, %v", i, g.fields, g.err)
					}
				}
				if len(got) != len(test.want) {
					t.Errorf("%d records, want %d", len(got), len(test.want))
				}
			}
		})
	}
}

func TestAFirstLineThatContradictsTheDialectIsAnError(t *testing.T) {
	for _, d := range []dialect.CSV{{Delimiter: ","}, {Delimiter: ";;"}, {Quote: ';'}, {Comment: ";"}} {
		s, err := NewScanner(strings.NewReader("sep=;\na,b\n"), ScanOptions{Dialect: d})
		if err != nil {
			t.Fatal(err)
		}
		_, err = ReadHeader(s)
		if _, is := errors.AsType[*InputError](err); !is || !strings.Contains(err.Error(), `"sep=;"`) {
			t.Errorf("%+v: got %v", d, err)
		}
	}
}

func TestAMistakeIsToldWithTheSettingThatServes(t *testing.T) {
	type row struct {
		A string `csv:"a"`
		B string `csv:"b"`
	}
	for in, want := range map[string]string{
		"a,b\n5'9\" tall,1\n":         "Dialect.LazyQuotes reads it as text",
		"a,b\n\"say \\\"hi\\\"\",1\n": `set Dialect.Escape to '\\'`,
		"a,b\n1\n":                    "Dialect.Ragged reads missing fields as NULL",
		"a,b\n1,2,\n":                 "set Dialect.Ragged to pass over it",
	} {
		_, bad := readSome[row](t, in, ReadOptions{})
		if len(bad) != 1 || !strings.Contains(bad[0].Error(), want) {
			t.Errorf("%q: got %v, want %s", in, bad, want)
		}
	}
}

// byRules reads the zero dialect by its rules.
func byRules(t testing.TB, r io.Reader, o ScanOptions) []scanned {
	t.Helper()
	plain := rulesFor(o.Dialect)
	s, err := NewScanner(r, o)
	if err != nil {
		t.Fatal(err)
	}
	s.rules, s.rec.rules, s.comment, s.ahead = plain, plain, '\n', plain.look
	return collect(t, s)
}

// FuzzDialects holds that the scanner by rules finds in the zero dialect what the walk over marks finds; in lazy quotes
// what encoding/csv finds; and that parts give the same as the whole.
func FuzzDialects(f *testing.F) {
	for _, seed := range []string{
		"", "a,b\r\n1,2\r\n", "\"a\"\"b\",c\n", "\"a\nb\",c\n\"x\r\ny\"\n", "a\"b\n1,2\n", "\"a\"b,c\nd\n", "\"open\nx", "\n\n a \n\r\n\rb\n",
		"\xef\xbb\xbfa,b\n", "a,\"\"\n\"\",\n", "a\r", "\"a\"\r", "\"a\r", "# c\na,#b\n", strings.Repeat("x,", 100) + "\n" + strings.Repeat("\"y\",", 70),
		strings.Repeat("\"long\n", 60) + "\"\nb\n", strings.Repeat("long", 60) + "\"\nb\n", "\"a \\\" b\\\\\",c\n",
	} {
		f.Add([]byte(seed), ",", int32('"'), int32(0), "#", uint8(0), uint8(0))
		f.Add([]byte(seed), ";;", int32('\''), int32('\\'), "//", uint8(1), uint8(20))
	}
	f.Fuzz(func(t *testing.T, in []byte, delimiter string, quote, escape int32, comment string, mode, limit uint8) {
		d := dialect.CSV{Delimiter: delimiter, Quote: quote, Escape: escape, Comment: comment, LazyQuotes: mode&1 != 0, SkipLines: int(mode>>1) & 3}
		o := ScanOptions{Dialect: d, MaxRecord: int(limit), MaxColumns: 40, BufferSize: minBufferSize}
		if _, err := o.withDefaults(); err != nil || len(delimiter) > 8 || len(comment) > 8 || mayBeSep(bytes.TrimPrefix(in, byteOrderMark)) {
			return
		}
		whole := scanAll(t, bytes.NewReader(in), o)
		parts, points := scanParts(t, in, 3, o)
		sameRecords(t, fmt.Sprintf("parts at %v", points), parts, whole)
		sameRecords(t, "a byte at a time", scanAll(t, iotest.OneByteReader(bytes.NewReader(in)), o), whole)
		if rulesOf(d) == nil {
			sameRecords(t, "by rules", byRules(t, bytes.NewReader(in), o), whole)
		}
		body := bytes.TrimPrefix(in, byteOrderMark)
		if !d.LazyQuotes || len(delimiter) != 1 || delimiter[0] >= 0x80 || quote != 0 && quote != '"' || escape != 0 && escape != '"' || comment != "" || d.SkipLines > 0 {
			return
		}
		o.MaxRecord, o.MaxColumns = 0, 0
		got := scanAll(t, bytes.NewReader(in), o)
		want := csv.NewReader(bytes.NewReader(body))
		want.Comma, want.LazyQuotes, want.FieldsPerRecord = rune(delimiter[0]), true, -1
		for i, g := range got {
			fields, err := want.Read()
			if g.err != nil && errors.Is(g.err, ErrUnterminated) {
				return // there the rest of the input is a field
			}
			if err != nil || g.err != nil {
				t.Fatalf("record %d: %v, encoding/csv: %v", i, g.err, err)
			}
			for j := range g.fields {
				g.fields[j] = strings.ReplaceAll(g.fields[j], "\r\n", "\n")
			}
			if !reflect.DeepEqual(g.fields, fields) {
				t.Fatalf("record %d: %q, encoding/csv: %q", i, g.fields, fields)
			}
		}
		if _, err := want.Read(); !errors.Is(err, io.EOF) {
			t.Fatalf("encoding/csv reads more than %d records: %v", len(got), err)
		}
	})
}

func sameRecords(t *testing.T, what string, got, want []scanned) {
	t.Helper()
	for _, all := range [][]scanned{got, want} {
		for i, one := range all {
			if one.err != nil {
				one.err.Reason = "" // hints differ, and what is said of open quotes depends on what was in the buffer
				if errors.Is(one.err, ErrTooManyColumns) || errors.Is(one.err, ErrRecordTooLarge) {
					all[i].raw, one.err.Raw = "", nil // cut at a mark, or at what was read
				}
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n%s\nwant\n%s", what, show(got), show(want))
	}
}

func show(all []scanned) string {
	var b strings.Builder
	for _, one := range all {
		fmt.Fprintf(&b, "%d %d %q %q %v\n", one.line, one.offset, one.raw, one.fields, one.err)
	}
	return b.String()
}
