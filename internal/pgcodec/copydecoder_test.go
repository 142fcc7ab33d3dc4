package pgcodec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// pairRow is a row of three columns of which the second is not read.
type pairRow struct {
	Name  string
	Count int16
}

var pairColumns = []Column{
	{Name: "count", OID: pgtype.Int8OID}, {Name: "other", OID: pgtype.TextOID}, {Name: "name", OID: pgtype.TextOID},
}

func pairStream(tb testing.TB, counts ...int64) []byte {
	tb.Helper()
	type source struct {
		Count int64
		Other *string
		Name  string
	}
	rows := make([]source, len(counts))
	for i, n := range counts {
		rows[i] = source{Count: n, Name: strings.Repeat("x", i)}
		if i%2 == 0 {
			rows[i].Other = &rows[i].Name
		}
	}
	return AppendTrailer(append(AppendHeader(nil), tuples(tb, pairColumns, rows)...))
}

// outcome is what a reader made of a stream: records, and errors of values
// between them as text.
type outcome[T any] struct {
	records []T
	bad     []string
	err     error // the stream's
}

// decodeStream reads a stream in pieces of at most size bytes into batches of at most batch.
func decodeStream[T any](tb testing.TB, cols []Column, b []byte, size, batch int) (o outcome[T]) {
	tb.Helper()
	d, err := NewDecoder[T](cols, nil)
	if err != nil {
		tb.Fatal(err)
	}
	c := NewCopyDecoder(d)
	c.MaxRow = 1 << 16
	dst := make([]T, batch)
	for len(b) > 0 {
		piece := bytes.Clone(b[:min(size, len(b))])
		b = b[len(piece):]
		for rest := piece; len(rest) > 0; {
			rows, used, err := c.Decode(rest, dst)
			if used == 0 && rows == 0 && err == nil {
				tb.Fatal("no progress")
			}
			o.records = append(o.records, dst[:rows]...)
			rest = rest[used:]
			var v *ValueError
			switch {
			case errors.As(err, &v):
				o.bad = append(o.bad, err.Error())
			case err != nil:
				o.err = err
				if _, _, again := c.Decode(rest, dst); !errors.Is(again, err) || !errors.Is(c.End(), err) {
					tb.Fatalf("after %v came %v", err, again)
				}
				return o
			}
		}
		clear(piece)
	}
	o.err = c.End()
	return o
}

func TestCopyDecoderReadsTheSameInPiecesAndBatchesOfAnySize(t *testing.T) {
	b := pairStream(t, 1, 2, 40000, -4, 5)
	want := outcome[pairRow]{
		records: []pairRow{{"", 1}, {"x", 2}, {"xxx", -4}, {"xxxx", 5}},
		bad:     []string{`column "count": 40000 is out of range for int16`},
	}
	for size := 1; size <= len(b); size++ {
		for batch := 1; batch <= 6; batch++ {
			if got := decodeStream[pairRow](t, pairColumns, b, size, batch); !reflect.DeepEqual(got, want) {
				t.Fatalf("pieces of %d, batches of %d: %+v", size, batch, got)
			}
		}
	}
	pointers := decodeStream[*pairRow](t, pairColumns, b, 7, 2)
	for i, r := range pointers.records {
		if *r != want.records[i] {
			t.Errorf("record %d by pointer is %+v", i, *r)
		}
	}
	if len(pointers.records) != len(want.records) {
		t.Errorf("%d records by pointer", len(pointers.records))
	}
}

func TestCopyDecoderCountsRowsAndSaysWhereAStreamIsTorn(t *testing.T) {
	b := pairStream(t, 1, 2, 3)
	d, err := NewDecoder[pairRow](pairColumns, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := NewCopyDecoder(d)
	rows, used, err := c.Decode(b[:len(b)-5], make([]pairRow, 9))
	if rows != 2 || used != len(b)-5 || err != nil || c.Rows() != 2 {
		t.Fatalf("%d rows, %d of %d bytes, %v; Rows is %d", rows, used, len(b), err, c.Rows())
	}
	if err := c.End(); err == nil || !strings.Contains(err.Error(), "the stream ended within row 3, after") {
		t.Errorf("got %v", err)
	}
	if _, _, err := c.Decode([]byte{1}, nil); err == nil {
		t.Error("an empty batch passed")
	}
}

func TestCopyDecoderEndsAtWhatIsNotTheFormat(t *testing.T) {
	row := func(b ...byte) []byte { return append(AppendHeader(nil), b...) }
	long := binary.BigEndian.AppendUint32([]byte{0, 3}, 1<<17)
	for want, b := range map[string][]byte{
		"is not the format's signature":                 []byte("1,2,3\n4,5,6\n and more"),
		"row 1 has 9 values, and 3 columns":             row(0, 9),
		"row 1 has a value of -7 bytes":                 row(0, 3, 0xff, 0xff, 0xff, 0xf9),
		"row 1 is longer than the limit of 65536 bytes": row(long...),
		"1 bytes follow the trailer":                    row(0xff, 0xff, 0),
	} {
		if got := decodeStream[pairRow](t, pairColumns, b, len(b), 2); got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("got %v, want %q", got.err, want)
		}
	}
}

// FuzzCopyDecoder holds the one pass to the two: the same records, the same
// errors of values and the same verdict as the parser and the decoder together,
// in pieces and batches of any size.
func FuzzCopyDecoder(f *testing.F) {
	b := pairStream(f, 1, 1<<40, 3)
	f.Add(b, uint16(3), byte(1))
	f.Add(b[:len(b)-3], uint16(100), byte(3))
	f.Add(bytes.Replace(b, []byte{0, 0, 0, 8}, []byte{0, 0, 0, 7}, 1), uint16(9), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint16, batch byte) {
		d, err := NewDecoder[pairRow](pairColumns, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want outcome[pairRow]
		p := NewCopyParser(len(pairColumns))
		p.MaxRow = 1 << 16
		want.err = p.Feed(b, func(values [][]byte) error {
			var r pairRow
			if err := d.Decode(values, &r); err != nil {
				want.bad = append(want.bad, err.Error())
				return nil
			}
			want.records = append(want.records, r)
			return nil
		})
		if want.err == nil {
			want.err = p.End()
		}
		got := decodeStream[pairRow](t, pairColumns, b, int(size)+1, int(batch)+1)
		if !reflect.DeepEqual(got.records, want.records) || !reflect.DeepEqual(got.bad, want.bad) || (got.err == nil) != (want.err == nil) {
			t.Fatalf("pieces of %d:\n got %+v\nwant %+v", size, got, want)
		}
	})
}
