package spill

import (
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type inner struct {
	Name string
	When time.Time
}

type base struct{ ID int32 }

// everything is one of all that a file can hold.
type everything struct {
	base
	inner
	Bool    bool
	I8      int8
	I64     int64
	U16     uint16
	U64     uint64
	F32     float32
	F64     float64
	C64     complex64
	C128    complex128
	Text    string
	Bytes   []byte
	Raw     rawBytes
	List    []inner
	Empties []struct{}
	Array   [3]int16
	None    [0]string
	Map     map[string][]int
	Ptr     *inner
	PtrPtr  **int64
	Time    time.Time
	Addr    netip.Addr
	Big     *big.Int
	Bigs    map[string]big.Int
	ByAddr  map[netip.Addr]time.Time
	_       int64
}

type rawByte byte

type rawBytes []rawByte

func roundTrip[T any](t testing.TB, codec *Codec[T], v *T) T {
	t.Helper()
	b, err := codec.Append([]byte("before"), v)
	check(t, err)
	var got T
	rest, err := codec.Decode(string(b[len("before"):])+"after", &got)
	check(t, err)
	if rest != "after" {
		t.Fatalf("it left %q", rest)
	}
	return got
}

var oslo = time.FixedZone("CET", 3600)

func full() everything {
	n := int64(math.MinInt64)
	p := &n
	at := time.Date(2026, 2, 3, 4, 5, 6, 7, oslo)
	return everything{
		base: base{-7}, inner: inner{"embedded", at},
		Bool: true, I8: -128, I64: math.MaxInt64, U16: 65535, U64: math.MaxUint64, F32: float32(math.Inf(-1)), F64: math.Copysign(0, -1),
		C64: complex(1, -2), C128: complex(math.MaxFloat64, 3),
		Text: "ä\x00\xff", Bytes: []byte{0, 255}, Raw: rawBytes{1, 2}, List: []inner{{}, {"b", at.UTC()}}, Empties: make([]struct{}, 5), Array: [3]int16{-1, 0, 1},
		Map: map[string][]int{"": nil, "a": {}, "b": {1, 2}}, Ptr: &inner{"c", at.Local()}, PtrPtr: &p, Time: at,
		Addr: netip.MustParseAddr("fe80::1%eth0"), Big: big.NewInt(-1 << 40), Bigs: map[string]big.Int{"x": *big.NewInt(5)},
		ByAddr: map[netip.Addr]time.Time{{}: {}, netip.MustParseAddr("1.2.3.4"): at},
	}
}

func TestEverythingComesBackAsItWas(t *testing.T) {
	codec := must(NewCodec[everything]())(t)
	same := cmp.Options{
		cmp.AllowUnexported(everything{}),
		cmp.Comparer(func(a, b time.Time) bool { return a == b }), //nolint:staticcheck // not Equal: the location too
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b big.Int) bool { return a.Cmp(&b) == 0 }),
	}
	empty := everything{Bytes: []byte{}, Raw: rawBytes{}, List: []inner{}, Empties: []struct{}{}, Map: map[string][]int{}}
	for name, v := range map[string]everything{"full": full(), "zero": {}, "of empty lists": empty} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(v, roundTrip(t, codec, &v), same); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSimpleTypesComeBackAsTheyWere(t *testing.T) {
	texts, numbers, ints, floats := must(NewCodec[string]())(t), must(NewCodec[int64]())(t), must(NewCodec[int]())(t), must(NewCodec[[2]float64]())(t)
	rapid.Check(t, func(rt *rapid.T) {
		s, n := rapid.String().Draw(rt, "text"), rapid.Int64().Draw(rt, "number")
		f := [2]float64{rapid.Float64().Draw(rt, "float"), math.NaN()}
		i := int(n)
		if roundTrip(t, texts, &s) != s || roundTrip(t, numbers, &n) != n || roundTrip(t, ints, &i) != i {
			rt.Fatalf("%q or %d is changed", s, n)
		}
		if got := roundTrip(t, floats, &f); got[0] != f[0] || !math.IsNaN(got[1]) {
			rt.Fatalf("%v became %v", f, got)
		}
	})
}

func TestTimesAreEqualAlsoWithMoreLocationsThanAreKept(t *testing.T) {
	codec := must(NewCodec[time.Time]())(t)
	for i := range maxZones + 50 {
		at := time.Date(2026, 1, 1, 0, 0, i, 0, time.FixedZone("Z", 60*(i%7)))
		got := roundTrip(t, codec, &at)
		_, offset := at.Zone()
		name, gotOffset := got.Zone()
		if !got.Equal(at) || name != "Z" || gotOffset != offset || i < maxZones && got != at {
			t.Fatalf("time %d: %v became %v", i, at, got)
		}
	}
}

type tree struct{ Children []tree }

type hidden struct {
	Name string
	n    int //nolint:unused // it is there to be refused
}

type ifaces struct{ Any any }

// self marshals itself, but fails to.
type self struct {
	n int //nolint:unused // it is there so that the methods are needed
}

func (self) MarshalText() ([]byte, error)  { return nil, errSelf }
func (*self) UnmarshalText(b []byte) error { return errSelf }

var errSelf = errors.New("has no text")

func refused[T any]() (string, error) {
	_, err := NewCodec[T]()
	return reflect.TypeFor[T]().String(), err
}

func TestTypesThatNoFileCanHoldAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		try  func() (string, error)
		want string
	}{
		{refused[hidden], "field n of spill.hidden is not exported"},
		{refused[[]map[string]*hidden], "field n of spill.hidden is not exported"},
		{refused[ifaces], "field Any of spill.ifaces: interface {} is of a kind that no file can hold"},
		{refused[func()], "func() is of a kind"},
		{refused[chan int], "chan int is of a kind"},
		{refused[tree], "field Children of spill.tree: spill.tree holds itself"},
		{refused[map[hidden]int], "spill.hidden is not exported"},
		{refused[map[int]hidden], "spill.hidden is not exported"},
		{refused[[2]hidden], "spill.hidden is not exported"},
		{refused[struct{ inner hidden }], "field inner of struct"},
	} {
		name, err := c.try()
		if err == nil || !strings.HasPrefix(err.Error(), name+" cannot be spilled to a file: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", name, err, c.want)
		}
	}
}

func TestAnErrorOfATypesOwnMethodIsReturned(t *testing.T) {
	codec := must(NewCodec[map[string][]*self]())(t)
	if _, err := codec.Append(nil, &map[string][]*self{"a": {{}}}); !errors.Is(err, errSelf) || !strings.Contains(err.Error(), "spill.self: ") {
		t.Errorf("writing: %v", err)
	}
	one := must(NewCodec[self]())(t)
	if _, err := one.Decode("\x00", new(self)); !errors.Is(err, errSelf) {
		t.Errorf("reading: %v", err)
	}
}

func TestKeysMustBeEqualToTheirCopies(t *testing.T) {
	type of[T any] struct{ K T }
	for _, c := range []struct {
		err  error
		want string
	}{
		{CheckKey[string](), ""},
		{CheckKey[[2]time.Time](), ""},
		{CheckKey[of[netip.Addr]](), ""},
		{CheckKey[*int](), "*int is equal to itself only"},
		{CheckKey[any](), "interface {} is equal to itself only"},
		{CheckKey[of[[1]*int]](), "field K of spill.of[[1]*int]: *int is equal"},
		{CheckKey[hidden](), "field n of spill.hidden is not exported"},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("error %v, want %q", c.err, c.want)
		}
	}
}

// Bytes that were torn or changed are an error or another record, never a panic, and take no
// more memory than a multiple of what they are.
func FuzzDecode(f *testing.F) {
	codec := must(NewCodec[everything]())(f)
	for _, v := range []everything{{}, full()} {
		b, err := codec.Append(nil, &v)
		check(f, err)
		f.Add(string(b))
		f.Add(string(b[:len(b)/2]))
	}
	f.Add(strings.Repeat("\xff", 40))
	f.Fuzz(func(t *testing.T, text string) {
		var v everything
		rest, err := codec.Decode(text, &v)
		if err != nil {
			return
		}
		if !strings.HasSuffix(text, rest) {
			t.Fatalf("it left %q of %q", rest, text)
		}
		// What was understood can be written and is then the same.
		b, err := codec.Append(nil, &v)
		check(t, err)
		var again everything
		if rest, err := codec.Decode(string(b), &again); err != nil || rest != "" {
			t.Fatalf("%q was written of %q: %v", b, text, err)
		}
	})
}
