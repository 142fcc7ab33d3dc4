package csvcodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// Strings that are kept must not change when later records are read, whether
// they repeat or not, are short or long, interned or not.
func TestKeptStringsDoNotChange(t *testing.T) {
	type row struct {
		Few   string `csv:"few"`
		Many  string `csv:"many"`
		Long  string `csv:"long"`
		Mixed string `csv:"mixed"`
	}
	random := rand.New(rand.NewPCG(3, 4))
	var in bytes.Buffer
	var want []row
	in.WriteString("few,many,long,mixed\n")
	for i := range 100_000 {
		r := row{
			Few:  fmt.Sprintf("value %d", random.IntN(300)),
			Many: fmt.Sprintf("%d", random.Uint64()),
			Long: strings.Repeat("é", random.IntN(30)),
		}
		if random.IntN(2) == 0 {
			r.Mixed = fmt.Sprintf("a longer value, \"%d\", with the same first and last bytes", random.IntN(1000))
		}
		if i%10_000 == 0 {
			r.Long = strings.Repeat("x", arenaLarge+i)
		}
		want = append(want, r)
		fmt.Fprintf(&in, "%s,%s,%s,%s\n", r.Few, r.Many, r.Long, appendQuoted(nil, r.Mixed))
	}
	got := readAll[row](t, in.String(), ReadOptions{})
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("record %d: %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestARepeatedValueIsTheSameString(t *testing.T) {
	type row struct {
		V string `csv:"v"`
	}
	got := readAll[row](t, "v\nabc\nabd\nabc\n", ReadOptions{})
	if unsafe.StringData(got[0].V) != unsafe.StringData(got[2].V) {
		t.Error("the value was copied twice")
	}
	if got[1].V != "abd" {
		t.Errorf("got %q", got[1].V)
	}
}

func TestAColumnWhoseValuesDoNotRepeatIsNotLookedUp(t *testing.T) {
	table := new(internTable)
	p := &plan{}
	for i := range 5 * internWindow {
		v := fmt.Appendf(nil, "%08d", i)
		if s, f := p.text(table, append(v, make([]byte, slack)...), 0, len(v)); f != nil || s != string(v) {
			t.Fatalf("%q became %q, %v", v, s, f)
		}
	}
	if !table.resting {
		t.Error("the table still looks values up")
	}
	for range internRest + 2*internWindow {
		if _, f := p.text(table, append([]byte("same"), make([]byte, slack)...), 0, 4); f != nil {
			t.Fatal(f)
		}
	}
	if table.resting {
		t.Error("the table does not look values up again after its rest")
	}
}

func TestInvalidTextPassesWhenItIsAllowed(t *testing.T) {
	type row struct {
		V string `csv:"v"`
	}
	in := "v\na\xffb\na\x00b\n"
	o := ReadOptions{DecodeOptions: DecodeOptions{AllowInvalidText: true}}
	if got := readAll[row](t, in, o); len(got) != 2 || got[0].V != "a\xffb" || got[1].V != "a\x00b" {
		t.Errorf("got %q", got)
	}
}

func FuzzCheckText(f *testing.F) {
	f.Add([]byte("plain"), []byte("behind"))
	f.Add([]byte("eight by\xc3\xa9"), []byte{0, 0xff})
	f.Add([]byte("\x00"), []byte{})
	f.Add([]byte("1234567\x80"), []byte{})
	f.Fuzz(func(t *testing.T, value, behind []byte) {
		data := append(append(append([]byte{0}, value...), behind...), make([]byte, slack)...)
		fault := checkText(data, 1, 1+len(value))
		switch {
		case bytes.IndexByte(value, 0) >= 0:
			if fault == nil || !errors.Is(fault.cause, ErrNUL) {
				t.Errorf("%q: %v, want a NUL byte", value, fault)
			}
		case !utf8.Valid(value):
			if fault == nil || !errors.Is(fault.cause, ErrInvalidUTF8) {
				t.Errorf("%q: %v, want invalid UTF-8", value, fault)
			}
		case fault != nil:
			t.Errorf("%q: %v", value, fault)
		}
	})
}

func TestReadingAllocatesNextToNothing(t *testing.T) {
	type row struct {
		ID    int64   `csv:"sale_id"`
		Name  string  `csv:"product"`
		Count *int64  `csv:"quantity"`
		Price float64 `csv:"unit_price"`
		Date  string  `csv:"sale_date"`
		Store *string `csv:"store"`
	}
	for _, quoted := range []bool{false, true} {
		in := benchInput(20_000, quoted)
		batch := make([]row, 512)
		allocs := testing.AllocsPerRun(3, func() {
			r, err := NewReader[row](bytes.NewReader(in), ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = r.ReadBatch(batch)
			}
			if err != io.EOF {
				t.Fatal(err)
			}
		})
		if perRow := allocs / 20_000; perRow > 0.01+0.01 { // two columns of pointers take a slab each for 256 rows
			t.Errorf("quoted %v: %.4f allocations a row", quoted, perRow)
		}
	}
}
