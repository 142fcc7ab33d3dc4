package jsoncodec

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"math"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// flat takes the plan's way, deep the general one.
type flat struct {
	ID    int64     `json:"id"`
	Name  string    `json:"name,omitempty"`
	Price float64   `json:"price"`
	N     int32     `json:"n"`
	OK    bool      `json:"ok"`
	At    time.Time `json:"at"`
}

type deep struct {
	flat2
	Items []item             `json:"items"`
	Any   any                `json:"any"`
	Num   stdjson.Number     `json:"num"`
	Raw   stdjson.RawMessage `json:"raw,omitempty"`
	P     *int               `json:"p"`
	F32   float32            `json:"f32"`
	M     map[string]int     `json:"m"`
	Pair  [2]int             `json:"pair"`
	Bytes []byte             `json:"bytes"`
}

type flat2 struct {
	B uint8 `json:"b"`
}

type item struct {
	Price float64 `json:"price"`
}

// readAll returns all records and what was wrong with others.
func readAll[T any](t *testing.T, in string, o ScanOptions, d DecodeOptions) (all []T, bad []string, err error) {
	t.Helper()
	s, err := NewScanner(strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	decode, err := NewDecoder[T](d)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := s.Next()
		var v T
		if err == nil {
			if err = decode.Decode(rec, &v); err == nil {
				all = append(all, v)
				continue
			}
		}
		e, ok := errors.AsType[*Error](err)
		switch {
		case ok:
			bad = append(bad, e.Error())
		case err == io.EOF:
			return all, bad, nil
		default:
			return all, bad, err
		}
	}
}

func TestNothingChangesInSilence(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a doubled member", `{"id":1,"id":2}`, `line 1: id: the member is there twice`},
		{"an unknown member", `{"id":1,"x":2}`, `line 1: x: the struct has no such member: add it, or set IgnoreUnknown`},
		{"a name in another case", `{"ID":1}`, `line 1: ID: the struct has no such member`},
		{"a wrong type", `{"id":"abc"}`, `line 1: id: "\"abc\"" is not an integer`},
		{"a fraction", `{"id":1.5}`, `line 1: id: "1.5" is not an integer`},
		{"beyond int64", `{"id":9223372036854775808}`, `line 1: id: "9223372036854775808" does not fit int64`},
		{"beyond int32", `{"n":2147483648}`, `line 1: n: "2147483648" does not fit int32`},
		{"beyond 2^53 in a float", `{"price":9007199254740993}`, `line 1: price: "9007199254740993" would be changed by a float64`},
		{"beyond any float", `{"price":1e400}`, `line 1: price: "1e400" does not fit float64`},
		{"below any float", `{"price":1e-400}`, `line 1: price: "1e-400" would be changed by a float64`},
		{"null", `{"id":null}`, `line 1: id: "null" is not an integer: only a pointer holds null`},
		{"a null time", `{"at":null}`, `line 1: at: "null" is not a time in RFC 3339`},
		{"a date for a time", `{"at":"2025-12-31"}`, `line 1: at: "\"2025-12-31\"" is not a time in RFC 3339`},
		{"bytes that are no UTF-8", "{\"name\":\"a\xff\"}", `line 1: name: invalid UTF-8`},
		{"half a surrogate pair", `{"name":"\ud800"}`, `line 1: name: invalid surrogate pair`},
		{"no JSON", `hello`, `line 1: "hello" is no JSON: a record is an object`},
		{"an array within a line", "{\"id\":1}\n[1]", `line 2: "[1]" is an array: a record is an object`},
		{"a number", `17`, `line 1: "17" is a number: a record is an object`},
		{"a line that was cut off", `{"id":1,"na`, `line 1: the JSON ends too early`},
		{"two records in a line", `{"id":1} {"id":2}`, `line 1: invalid character '{' after top-level value`},
		{"leading zeros", `{"id":01}`, `line 1: invalid character '1' after object value`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, bad, err := readAll[flat](t, tt.in+"\n", ScanOptions{}, DecodeOptions{})
			if err != nil || len(bad) != 1 || !strings.HasPrefix(bad[0], tt.want) {
				t.Errorf("got  %q, %v\nwant %q", bad, err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, in, want string }{
		{"deep in a record", `{"items":[{"price":1},{"price":"x"}]}`, `line 1: items[1].price: "\"x\"" is not a number`},
		{"beyond 2^53 in an any", `{"any":{"a b":[9007199254740993]}}`, `line 1: any["a b"][0]: "9007199254740993" would be changed by a`},
		{"beyond 2^24 in a float32", `{"f32":16777217}`, `line 1: f32: "16777217" would be changed by a float32`},
		{"a longer array", `{"pair":[1,2,3]}`, `line 1: pair`},
		{"a shorter array", `{"pair":[1]}`, `line 1: pair`},
		{"null in a map", `{"m":{"a":null}}`, `line 1: m.a: "null" is not an integer`},
		{"doubled in an any", `{"any":{"a":1,"a":2}}`, `line 1: any.a: the member is there twice`},
		{"doubled in raw JSON", `{"raw":{"a":1,"a":2}}`, `line 1: raw.a: the member is there twice`},
		{"very deep", `{"any":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, `line 1: `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, bad, err := readAll[deep](t, tt.in+"\n", ScanOptions{}, DecodeOptions{})
			if err != nil || len(bad) != 1 || !strings.HasPrefix(bad[0], tt.want) {
				t.Errorf("got  %.200q, %v\nwant %q", bad, err, tt.want)
			}
		})
	}
}

func TestWhatIsRead(t *testing.T) {
	p := 3
	in := "\xef\xbb\xbf\n  \r\n" + `{"b":7,"items":[{"price":1.5}],"any":[1,"x",null],"num":9007199254740993,"raw":{"z":1},"p":3,"f32":0.1,"m":{"a":1},` +
		`"pair":[1,2],"bytes":"AQI="}` + "\r\n{}"
	all, bad, err := readAll[deep](t, in, ScanOptions{}, DecodeOptions{})
	want := deep{flat2: flat2{7}, Items: []item{{1.5}}, Any: []any{1.0, "x", nil}, Num: "9007199254740993",
		Raw: stdjson.RawMessage(`{"z":1}`), P: &p, F32: 0.1, M: map[string]int{"a": 1}, Pair: [2]int{1, 2}, Bytes: []byte{1, 2}}
	if err != nil || bad != nil || len(all) != 2 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("got %+v, %q, %v", all, bad, err)
	}
	few, bad, err := readAll[item](t, `{"price":1,"x":{"y":[1]}}`, ScanOptions{}, DecodeOptions{IgnoreUnknown: true})
	if err != nil || bad != nil || len(few) != 1 || few[0].Price != 1 {
		t.Errorf("got %+v, %q, %v", few, bad, err)
	}
}

func TestDocuments(t *testing.T) {
	for _, tt := range []struct{ name, path, in, want string }{
		{"one array", "", "[\n{\"price\":1},\n{\"price\":2}\n]\n", ""},
		{"an empty array", "", "[]", ""},
		{"a path", "data.items", `{"n":[{"items":[0]}],"data":{"x":"]}\"","items":[{"price":1},{"price":2}],"y":{}},"z":1}`, ""},
		{"a pointer", "/data/items", `{"data":{"items":[{"price":1},{"price":2}]}} {"data":{"items":[]}}`, ""},
		{"cut off", "", `[{"price":1},{"price":2}`, "line 1: the input ends within the JSON"},
		{"no comma", "", "[{\"price\":1},{\"price\":2}\n{\"price\":3}]", "line 2: after a record there is '{'"},
		{"no such member", "data.rows", `{"data":{"items":[]}}`, `line 1: "data" has no member "rows"`},
		{"no array", "data", `{"data":{"items":[]}}`, `line 1: "data" is an object: want the array of the records`},
		{"the array twice", "a", `{"a":[{"price":1},{"price":2}],"a":[{"price":3}]}`, `line 1: "a" is there twice`},
		{"nothing", "a", "", `line 1: the input is empty`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 0} {
				all, bad, err := readAll[item](t, tt.in, ScanOptions{Records: tt.path, BufferSize: size}, DecodeOptions{})
				if tt.want != "" {
					if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
						t.Errorf("got %v, want %s", err, tt.want)
					}
					continue
				}
				if err != nil || bad != nil || tt.name != "an empty array" && (len(all) != 2 || all[0].Price != 1 || all[1].Price != 2) {
					t.Errorf("got %v, %q, %v", all, bad, err)
				}
			}
		})
	}
	// What is wrong within a record stays within it, also its size.
	in := "[{\"price\":tru},\n{\"price\":\"" + strings.Repeat("x", 100) + "\"},{\"price\":3}]"
	all, bad, err := readAll[item](t, in, ScanOptions{MaxRecord: 50, BufferSize: 16}, DecodeOptions{})
	if err != nil || len(bad) != 2 || !strings.Contains(bad[1], "line 2: the record is larger than 50 bytes") || len(all) != 1 || all[0].Price != 3 {
		t.Errorf("got %v, %q, %v", all, bad, err)
	}
}

// FuzzDecode holds the plan to the general way, and both to encoding/json: what is taken is what that reads.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"name":"tea","price":2.50,"n":-3,"ok":true,"at":"2025-12-31T10:00:00+01:00"}`, `{"n":1 , "id" : 2}`, `{"price":-0.0}`,
		`{"price":123456789012345.6}`, `{"name":"\u00e9\n"}`, `{}`, `{"id":-0}`, `{"id":1,"id":1}`, `{"ok":null}`, `{"price":1.}`,
		`{"id":1`, `{"price":00.1}`, `{"at":"2025-12-31T10:00:00.5Z"}`, `{"x":1}`, `{"price":-}`, `{"id":1}}`, `{"price":.5}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.TrimSpace(in)
		if len(in) == 0 || in[0] != '{' || bytes.IndexByte(in, '\n') >= 0 {
			return
		}
		fast, err := NewDecoder[flat](DecodeOptions{})
		if err != nil || fast.plan == nil {
			t.Fatal(err, "or no plan")
		}
		slow := &Decoder[flat]{options: fast.options}
		rec := &Record{data: append(bytes.Clone(in), make([]byte, slack)...), hi: len(in), line: 1}
		var a, b, c flat
		errA, errB := fast.Decode(rec, &a), slow.Decode(rec, &b)
		if (errA == nil) != (errB == nil) || errA == nil && !(reflect.DeepEqual(a, b) && math.Float64bits(a.Price) == math.Float64bits(b.Price)) {
			t.Fatalf("%q: the plan %+v, %v; the general way %+v, %v", in, a, errA, b, errB)
		}
		if errA != nil {
			return
		}
		std := stdjson.NewDecoder(bytes.NewReader(in))
		std.DisallowUnknownFields()
		if err := std.Decode(&c); err != nil || !a.At.Equal(c.At) {
			t.Fatalf("%q: %+v, encoding/json %+v, %v", in, a, c, err)
		}
		if a.At = c.At; a != c {
			t.Fatalf("%q: %+v, encoding/json %+v", in, a, c)
		}
	})
}

// FuzzRoundTrip holds what is written to encoding/json, and to what is read back.
func FuzzRoundTrip(f *testing.F) {
	f.Add("tea <&>", int64(math.MaxInt64), 0.1, int32(-1), "\u2028", []byte{1})
	f.Add("\xff", int64(1)<<53+1, math.NaN(), int32(0), "a\x00", []byte(nil))
	f.Add("", int64(-1), 1.2345678901234567e20, int32(7), "k", []byte("x"))
	f.Add("\"\\", int64(0), math.Copysign(0, -1), int32(7), "", []byte{})
	f.Fuzz(func(t *testing.T, name string, id int64, price float64, n int32, key string, raw []byte) {
		type record struct {
			Flat  flat           `json:"flat"`
			Items []item         `json:"items"`
			M     map[string]int `json:"m"`
			F32   float32        `json:"f32"`
			P     *string        `json:"p,omitempty"`
			Bytes []byte         `json:"bytes"`
			Num   stdjson.Number `json:"num"`
		}
		v := record{
			Flat: flat{ID: id, Name: name, Price: price, N: n, OK: n > 0, At: time.Unix(int64(n), int64(uint32(n))%1e9).UTC()}, Items: []item{{price}},
			M: map[string]int{key: int(n)}, F32: float32(price), P: &key, Bytes: raw, Num: stdjson.Number("12345678901234567890.5"),
		}
		encode, err := NewEncoder[record]()
		if err != nil {
			t.Fatal(err)
		}
		got, path, err := encode.Append(nil, &v)
		held := utf8.ValidString(name) && utf8.ValidString(key) && !math.IsNaN(price) && !math.IsInf(price, 0) && !math.IsInf(float64(v.F32), 0)
		if (err == nil) != held {
			t.Fatalf("%+v: %q, %q, %v", v, got, path, err)
		}
		if !held {
			return
		}
		var want bytes.Buffer
		std := stdjson.NewEncoder(&want)
		std.SetEscapeHTML(false)
		if err := std.Encode(&v); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("got  %q\nwant %q, %v", got, want.Bytes(), err)
		}
		all, bad, err := readAll[record](t, string(got), ScanOptions{}, DecodeOptions{})
		if err != nil || bad != nil || len(all) != 1 || !reflect.DeepEqual(all[0], v) {
			t.Fatalf("%q: read back as %+v, %q, %v", got, all, bad, err)
		}
	})
}

func TestTypesThatWouldLoseSomething(t *testing.T) {
	type both struct {
		A int `json:"B"`
		B int
	}
	for name, err := range map[string]error{
		`both have the name "B"`:        typeError[both](),
		"there is no JSON for a chan":   typeError[struct{ A chan int }](),
		"there is no JSON for a func()": typeError[struct{ A []func() }](),
		`option "omitemtpy" is not know`: typeError[struct {
			A int `json:"a,omitemtpy"` //nolint:staticcheck // the fault that is looked for
		}](),
		"string has no meaning": typeError[struct {
			A []int `json:"a,string"` //nolint:staticcheck // the fault that is looked for
		}](),
		"cannot be read back": typeError[struct{ A io.Reader }](),
		"the keys of a map":   typeError[struct{ A map[[2]int]int }](),
		"no exported field":   typeError[struct{ a int }](),
		"cannot be a record":  typeError[int](),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	for _, err := range []error{typeError[map[string]any](), typeError[stdjson.RawMessage](), typeError[deep]()} {
		if err != nil {
			t.Error(err)
		}
	}
}

func typeError[T any]() error {
	_, err := NewDecoder[T](DecodeOptions{})
	if _, e := NewEncoder[T](); (e == nil) != (err == nil) {
		return errors.New("the encoder sees it otherwise")
	}
	return err
}

func TestPartsAreTheWhole(t *testing.T) {
	var in strings.Builder
	for i := range 500 {
		in.WriteString(`{"id":` + strings.Repeat("1", 1+i%9) + "}\n")
		if i%50 == 0 {
			in.WriteString("\n[" + strings.Repeat(" ", i) + "\n")
		}
	}
	text := "\n" + in.String()
	read := func(from, to int64, line int) (lines []int64) {
		s, err := NewScanner(io.NewSectionReader(strings.NewReader(text), from, to-from), ScanOptions{StartOffset: from, StartLine: line, BufferSize: 50})
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := s.Next()
			if err == io.EOF {
				return lines
			} else if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, rec.offset<<20|int64(rec.line))
		}
	}
	size := int64(len(text))
	want := read(0, size, 1)
	for n := 1; n < 40; n++ {
		points, err := SplitPoints(strings.NewReader(text), size, n, SplitPoint{0, 1})
		if err != nil || len(points) > n || n < 10 && len(points) != n {
			t.Fatal(len(points), n, err)
		}
		var got []int64
		for i, p := range points {
			end := size
			if i+1 < len(points) {
				end = points[i+1].Offset
			}
			got = append(got, read(p.Offset, end, p.Line)...)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d parts: %d records, want %d", n, len(got), len(want))
		}
	}
}

func TestItKnowsNoDatabase(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil || len(out) == 0 || strings.Contains(string(out), "jackc/pgx") {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkLines(b *testing.B) {
	const rows = 200_000
	line := `{"sale_id":1000007,"product":"Product 123","quantity":17,"unit_price":512.25,"sale_date":"2023-04-05T00:00:00Z","store":"Store number 42"}` + "\n"
	type sale struct {
		ID       int64     `json:"sale_id"`
		Product  string    `json:"product"`
		Quantity int64     `json:"quantity"`
		Price    float64   `json:"unit_price"`
		Date     time.Time `json:"sale_date"`
		Store    string    `json:"store"`
	}
	in := strings.Repeat(line, rows)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			s, err := NewScanner(strings.NewReader(in), ScanOptions{})
			if err != nil {
				b.Fatal(err)
			}
			decode, err := NewDecoder[sale](DecodeOptions{})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for ; ; n++ {
				rec, err := s.Next()
				if err == io.EOF {
					break
				}
				var v sale
				if err = errors.Join(err, decode.Decode(rec, &v)); err != nil {
					b.Fatal(err)
				}
			}
			if n != rows {
				b.Fatal(n)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/record")
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			decode := stdjson.NewDecoder(strings.NewReader(in))
			for range rows {
				var v sale
				if err := decode.Decode(&v); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/record")
	})
}
