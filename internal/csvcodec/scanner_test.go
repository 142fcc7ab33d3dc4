package csvcodec

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// scanned is what a scanner found: for each record its fields, raw bytes, line
// and offset, or its error.
type scanned struct {
	fields []string
	raw    string
	line   int
	offset int64
	err    *Error
}

func scanAll(t testing.TB, r io.Reader, o ScanOptions) []scanned {
	t.Helper()
	s, err := NewScanner(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return collect(t, s)
}

func collect(t testing.TB, s *Scanner) []scanned {
	t.Helper()
	var all []scanned
	for {
		rec, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if bad, ok := errors.AsType[*Error](err); ok {
			all = append(all, scanned{err: bad, raw: string(bad.Raw), line: bad.Line, offset: bad.Offset})
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		one := scanned{raw: string(rec.Raw()), line: rec.Line(), offset: rec.Offset()}
		for i := range rec.Len() {
			one.fields = append(one.fields, string(rec.Field(i)))
		}
		all = append(all, one)
	}
}

func FuzzScannerAgainstEncodingCSV(f *testing.F) {
	for _, seed := range []string{
		"", "a,b\n1,2\n", "a,b\r\n1,2\r\n", "\"a\"\"b\",c\n", "\"a\nb\",c\n\"x\r\ny\"\n", "a\"b\n1,2\n",
		"\"a\"b,c\nd\n", "\"open\nx", "\n\n a \n\r\n\rb\n", "\xef\xbb\xbfa,b\n", "a,\"\"\n\"\",\n", ",\n,,\n", "a\r", "\"a\"\r", "\"a\r", "\r",
		"# c\na,#b\n", strings.Repeat("x,", 100) + "\n" + strings.Repeat("\"y\",", 70),
	} {
		f.Add([]byte(seed), byte(','), byte('#'), uint8(0))
		f.Add([]byte(seed), byte(';'), byte(0), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, comma, comment byte, pieces uint8) {
		o := ScanOptions{Comma: comma, Comment: comment, BufferSize: minBufferSize}
		if _, err := o.withDefaults(); err != nil || comma == 0 {
			return
		}
		var r io.Reader = bytes.NewReader(in)
		switch pieces % 3 {
		case 1:
			r = iotest.OneByteReader(r)
		case 2:
			r = iotest.DataErrReader(iotest.HalfReader(r))
		}
		got := scanAll(t, r, o)

		body := bytes.TrimPrefix(in, byteOrderMark)
		want := csv.NewReader(bytes.NewReader(body))
		want.Comma, want.Comment, want.FieldsPerRecord = rune(comma), rune(comment), -1
		skipped := len(in) - len(body)
		for i := 0; ; i++ {
			before := int(want.InputOffset())
			fields, err := want.Read()
			after := int(want.InputOffset())
			if errors.Is(err, io.EOF) {
				if i != len(got) {
					t.Fatalf("%d records, encoding/csv has %d", len(got), i)
				}
				return
			}
			if i >= len(got) {
				t.Fatalf("%d records, encoding/csv has more: %q, %v", len(got), fields, err)
			}
			g := got[i]
			if (err != nil) != (g.err != nil) {
				t.Fatalf("record %d: error %v, encoding/csv: %v", i, g.err, err)
			}
			if e, ok := errors.AsType[*csv.ParseError](err); ok {
				if g.line != e.StartLine {
					t.Fatalf("record %d: line %d, encoding/csv: %d", i, g.line, e.StartLine)
				}
			} else {
				if line, _ := want.FieldPos(0); g.line != line {
					t.Fatalf("record %d: line %d, encoding/csv: %d", i, g.line, line)
				}
				if len(fields) != len(g.fields) {
					t.Fatalf("record %d: %q, encoding/csv: %q", i, g.fields, fields)
				}
				for j := range fields {
					if strings.ReplaceAll(g.fields[j], "\r\n", "\n") != fields[j] {
						t.Fatalf("record %d: %q, encoding/csv: %q", i, g.fields, fields)
					}
				}
			}
			// The raw bytes are the input's, between what encoding/csv says
			// (which counts skipped lines to the record behind them).
			end := int(g.offset) + len(g.raw)
			if end != skipped+after || int(g.offset) < skipped+before || string(in[g.offset:end]) != g.raw {
				t.Fatalf("record %d: raw %q at %d, encoding/csv is at %d to %d of %q", i, g.raw, g.offset, before, after, body)
			}
		}
	})
}
