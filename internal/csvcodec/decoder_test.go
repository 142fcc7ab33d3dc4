package csvcodec

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// readAll reads a whole input and fails the test on any error.
func readAll[T any](t testing.TB, in string, o ReadOptions) []T {
	t.Helper()
	got, bad := readSome[T](t, in, o)
	for _, e := range bad {
		t.Fatalf("reading %q: %v", in, e)
	}
	return got
}

// readSome reads a whole input and returns the good records and the errors of the bad ones.
func readSome[T any](t testing.TB, in string, o ReadOptions) (got []T, bad []*Error) {
	t.Helper()
	r, err := NewReader[T](strings.NewReader(in), o)
	if err != nil {
		t.Fatalf("header of %q: %v", in, err)
	}
	batch := make([]T, 3)
	for {
		n, err := r.ReadBatch(batch)
		got = append(got, batch[:n]...)
		e, isBad := errors.AsType[*Error](err)
		switch {
		case err == nil:
			if n != len(batch) {
				t.Fatalf("ReadBatch returned %d of %d records and no error", n, len(batch))
			}
		case isBad:
			bad = append(bad, e)
		case err.Error() == "EOF":
			return got, bad
		default:
			t.Fatal(err)
		}
	}
}

type everyKind struct {
	I    int       `csv:"i,omitempty"`
	I8   int8      `csv:"i8,omitempty"`
	U    uint      `csv:"u,omitempty"`
	U16  uint16    `csv:"u16,omitempty"`
	F    float64   `csv:"f,omitempty"`
	F32  float32   `csv:"f32,omitempty"`
	B    bool      `csv:"b,omitempty"`
	S    string    `csv:"s"`
	T    time.Time `csv:"t"`
	PI   *int64    `csv:"pi"`
	PS   *string   `csv:"ps"`
	Skip string    `csv:"-"`
}

func TestReaderReadsEveryCompiledKind(t *testing.T) {
	in := "s,i,i8,u,u16,f,f32,b,t,extra,pi,ps\n" +
		"\"a \"\"b\"\",\nc\",-12,127,4294967295,65535,-1.25,0.1,yes,2024-02-29,x,7,\n" +
		",,,,,,,,2024-02-29 12:30:45.5,,,\"\"\n"
	seven, empty := int64(7), ""
	want := []everyKind{
		{I: -12, I8: 127, U: 1<<32 - 1, U16: 65535, F: -1.25, F32: 0.1, B: true, S: "a \"b\",\nc",
			T: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), PI: &seven},
		{T: time.Date(2024, 2, 29, 12, 30, 45, 5e8, time.UTC), PS: &empty},
	}
	if got := readAll[everyKind](t, in, ReadOptions{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
