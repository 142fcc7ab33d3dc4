package csvcodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// scanParts splits an input and scans the parts one after the other.
func scanParts(t testing.TB, in []byte, n int, o ScanOptions) (all []scanned, points []SplitPoint) {
	t.Helper()
	points, err := SplitPoints(bytes.NewReader(in), int64(len(in)), n, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range points {
		end := int64(len(in))
		if i+1 < len(points) {
			end = points[i+1].Offset
		}
		part := o
		part.StartOffset, part.StartLine = p.Offset, p.Line
		all = append(all, scanAll(t, NewRange(bytes.NewReader(in), p.Offset, end), part)...)
	}
	return all, points
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n3,4\n5,6\n", "\"a\nb\"\n\"c\n\"\"d\"\"\n\",e\nf\n", "a\"b\nc,\"d\ne\",f\n\"g\"h\"\ni\n\"j\nk",
		"\xef\xbb\xbf\"a\nb\"\nc\n", "\n\n\n\na\n\n", "# \"\n\"#\n\"\na\n", "\"a\"\r\n\"b\r\n\"\r\nc\r\n", strings.Repeat("\"x\n\",", 50) + "\ny\nz\n",
	} {
		f.Add([]byte(seed), uint8(2), byte(0), uint8(0))
		f.Add([]byte(seed), uint8(7), byte('#'), uint8(20))
	}
	f.Fuzz(func(t *testing.T, in []byte, n uint8, comment byte, maxRecord uint8) {
		o := ScanOptions{Comment: comment, MaxRecord: int(maxRecord), MaxColumns: 40, BufferSize: minBufferSize}
		if _, err := o.withDefaults(); err != nil {
			return
		}
		got, points := scanParts(t, in, int(n), o)
		want := scanAll(t, bytes.NewReader(in), o)
		if len(points) > max(int(n), 1) {
			t.Fatalf("%d parts of %d", len(points), n)
		}
		for _, all := range [][]scanned{got, want} {
			for _, one := range all {
				if one.err != nil && errors.Is(one.err, ErrRecordTooLarge) {
					one.err.Reason = "" // what it says of open quotes depends on what was in the buffer
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("in %d parts, cut at %v:\n%+v\nas a whole:\n%+v", len(points), points, got, want)
		}
	})
}

func TestSplitPointsCutsBetweenRecordsAlsoWhenAFieldHoldsLines(t *testing.T) {
	var in bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&in, "%d,\"first line\nsecond, \"\"line\"\"\n%d\",x\n", i, i)
	}
	want := scanAll(t, bytes.NewReader(in.Bytes()), ScanOptions{})
	for _, n := range []int{1, 2, 3, 8, 100} {
		got, points := scanParts(t, in.Bytes(), n, ScanOptions{})
		if len(points) != n {
			t.Errorf("%d parts, want %d", len(points), n)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d parts give other records than the whole", n)
		}
	}
}

func TestSplitPointsGivesFewerPartsWhenRecordsAreLong(t *testing.T) {
	in := "short\n" + strings.Repeat("long", 1000) + "\nshort\n"
	_, points := scanParts(t, []byte(in), 4, ScanOptions{})
	if want := []SplitPoint{{0, 1}, {4007, 3}}; !reflect.DeepEqual(points, want) {
		t.Errorf("points %v, want %v", points, want)
	}
}

func TestSplitPointsBeginsBehindAHeader(t *testing.T) {
	in := "a\n" + strings.Repeat("1\n", 50)
	_, points := scanParts(t, []byte(in), 2, ScanOptions{StartOffset: 2, StartLine: 2})
	if want := []SplitPoint{{2, 2}, {52, 27}}; !reflect.DeepEqual(points, want) {
		t.Errorf("points %v, want %v", points, want)
	}
}

func TestAnInputThatShrinksIsAnErrorAndNotItsEnd(t *testing.T) {
	in := strings.Repeat("a,b\n", 100)
	if _, err := SplitPoints(strings.NewReader(in), 1000, 3, ScanOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("SplitPoints: %v, want an unexpected end", err)
	}
	s, err := NewScanner(NewRange(strings.NewReader(in), 0, 1000), ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = s.Next()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != 101 {
		t.Errorf("after %d records: %v, want 100 and an unexpected end", n-1, err)
	}
	if _, again := s.Next(); !errors.Is(again, io.ErrUnexpectedEOF) {
		t.Errorf("the next call: %v, want the same error", again)
	}
}
