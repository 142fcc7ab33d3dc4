package pgcodec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// stream is a COPY stream of three rows: values, an empty one, nulls.
func stream() []byte {
	b := AppendHeader(nil)
	for _, row := range threeRows {
		b = binary.BigEndian.AppendUint16(b, uint16(len(row)))
		for _, v := range row {
			if v == nil {
				b = appendNull(b)
				continue
			}
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		}
	}
	return AppendTrailer(b)
}

var threeRows = [][][]byte{
	{[]byte("one"), []byte("two")},
	{{}, nil},
	{nil, bytes.Repeat([]byte("long"), 100)},
}

// parse feeds a stream in pieces of at most size bytes, and keeps the rows.
func parse(p *CopyParser, b []byte, size int) (rows [][][]byte, err error) {
	for len(b) > 0 {
		n := min(size, len(b))
		piece := bytes.Clone(b[:n])
		err := p.Feed(piece, func(values [][]byte) error {
			row := make([][]byte, len(values))
			for i, v := range values {
				if v != nil {
					row[i] = append([]byte{}, v...)
				}
			}
			rows = append(rows, row)
			return nil
		})
		if err != nil {
			return rows, err
		}
		clear(piece) // the parser keeps nothing of it
		b = b[n:]
	}
	return rows, p.End()
}

func TestCopyParserFindsTheSameRowsInPiecesOfAnySize(t *testing.T) {
	b := stream()
	for size := 1; size <= len(b); size++ {
		p := NewCopyParser(2)
		rows, err := parse(p, b, size)
		if err != nil {
			t.Fatalf("pieces of %d: %v", size, err)
		}
		if !reflect.DeepEqual(rows, threeRows) || p.Rows() != 3 {
			t.Fatalf("pieces of %d: got %q", size, rows)
		}
	}
}

func TestCopyParserSkipsTheHeadersExtension(t *testing.T) {
	b := stream()
	extended := append(bytes.Clone(b[:copyHeaderSize-4]), 0, 0, 0, 3, 'x', 'y', 'z')
	extended = append(extended, b[copyHeaderSize:]...)
	for _, size := range []int{1, 7, len(extended)} {
		if rows, err := parse(NewCopyParser(2), extended, size); err != nil || !reflect.DeepEqual(rows, threeRows) {
			t.Errorf("pieces of %d: got %q, %v", size, rows, err)
		}
	}
}

func TestCopyParserSaysWhereAStreamIsTorn(t *testing.T) {
	b := stream()
	firstRow := copyHeaderSize + 2 + 4 + 3 + 4 + 3
	for cut := range len(b) {
		_, err := parse(NewCopyParser(2), b[:cut], len(b))
		if err == nil {
			t.Fatalf("a stream of %d of %d bytes passed for a whole one", cut, len(b))
		}
		var want string
		switch {
		case cut < copyHeaderSize:
			want = "within the header"
		case cut == copyHeaderSize:
			want = "ended after 0 rows without its trailer"
		case cut == firstRow:
			want = "ended after 1 rows without its trailer"
		case cut < firstRow:
			want = fmt.Sprintf("within row 1, after %d bytes", cut-copyHeaderSize)
		default:
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("cut at %d: got %q, want %q", cut, err, want)
		}
	}
}

func TestCopyParserRefusesWhatIsNotTheFormat(t *testing.T) {
	header := AppendHeader(nil)
	with := func(b ...byte) []byte { return append(bytes.Clone(header), b...) }
	flags := bytes.Clone(header)
	flags[len(copySignature)+1] = 1
	extension := bytes.Clone(header)
	extension[copyHeaderSize-4] = 0x7f
	tests := []struct {
		name, want string
		input      []byte
	}{
		{"text", `begins with "1,2,3,4\n5,6", which is not`, []byte("1,2,3,4\n5,6,7,8\n")},
		{"a critical flag", "flags 0x10000", flags},
		{"a huge extension", "extension of 2130706432 bytes", extension},
		{"a row of three values", "row 1 has 3 values, and 2 columns", with(0, 3)},
		{"a row of minus two values", "row 1 has -2 values", with(0xff, 0xfe)},
		{"a negative length", "row 1 has a value of -2 bytes", with(0, 2, 0xff, 0xff, 0xff, 0xfe)},
		{"a value over the limit", "row 1 is longer than the limit of 1000 bytes", with(0, 2, 0, 0, 4, 0, 'x')},
		{"two values over the limit together", "row 1 is longer than the limit of 1000 bytes", with(append([]byte{0, 2, 0, 0, 3, 0}, append(make([]byte, 768), append([]byte{0, 0, 0, 240}, make([]byte, 240)...)...)...)...)},
		{"data after the trailer", "3 bytes follow the trailer", with(0xff, 0xff, 1, 2, 3)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{len(test.input), 5} {
				p := NewCopyParser(2)
				p.MaxRow = 1000
				_, err := parse(p, test.input, size)
				if err == nil || (size > 5 && !strings.Contains(err.Error(), test.want)) {
					t.Errorf("got %v, want %q", err, test.want)
				}
			}
		})
	}
}

func TestCopyParserKeepsItsFirstError(t *testing.T) {
	p := NewCopyParser(2)
	mine := errors.New("mine")
	calls := 0
	err := p.Feed(stream(), func([][]byte) error { calls++; return mine })
	if !errors.Is(err, mine) || calls != 1 {
		t.Fatalf("got %v after %d calls", err, calls)
	}
	if err := p.Feed(stream(), nil); !errors.Is(err, mine) {
		t.Errorf("a later call: %v", err)
	}
	if err := p.End(); !errors.Is(err, mine) {
		t.Errorf("the end: %v", err)
	}
}

// FuzzCopyParser holds the parser to three properties: it does not panic or ask
// for memory beyond its limit, pieces of any size give the same rows and the
// same verdict, and what it takes for a whole stream is one when written again.
func FuzzCopyParser(f *testing.F) {
	b := stream()
	f.Add(b, uint16(3))
	f.Add(b[:len(b)-1], uint16(1))
	f.Add(AppendTrailer(AppendHeader(nil)), uint16(19))
	f.Add(append(AppendHeader(nil), 0, 2, 0x7f, 0xff, 0xff, 0xff), uint16(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		limited := func() *CopyParser {
			p := NewCopyParser(2)
			p.MaxRow = 1 << 16
			return p
		}
		whole, wholeErr := parse(limited(), b, len(b)+1)
		pieces, piecesErr := parse(limited(), b, int(size)+1)
		if !reflect.DeepEqual(whole, pieces) || (wholeErr == nil) != (piecesErr == nil) {
			t.Fatalf("in one piece %q, %v; in pieces of %d %q, %v", whole, wholeErr, size+1, pieces, piecesErr)
		}
		if wholeErr != nil || binary.BigEndian.Uint32(b[copyHeaderSize-4:]) != 0 {
			return
		}
		again := AppendHeader(nil)
		copy(again, b[:copyHeaderSize]) // flags that are not critical
		for _, row := range whole {
			again = binary.BigEndian.AppendUint16(again, uint16(len(row)))
			for _, v := range row {
				if v == nil {
					again = appendNull(again)
				} else {
					again = append(binary.BigEndian.AppendUint32(again, uint32(len(v))), v...)
				}
			}
		}
		if again = AppendTrailer(again); !bytes.Equal(again, b) {
			t.Fatalf("%x was read as %x", b, again)
		}
	})
}
