package csvcodec

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

// Every kind of field that a struct can have, by every text and in both directions: a
// value is exact, or refused before data moves, or an error with its place.

type (
	myInt    int16
	myString string
	myFloat  float32
	address  struct {
		Street string
		Number *int
	}
	behindPointer[V any] struct {
		B string `csv:"b"`
		P *struct {
			A V `csv:"a"`
		} `csv:"p"`
	}
	inSlice[V any] struct {
		S []V `csv:"s" csv[]:"2"`
	}
	inArray[V any] struct {
		S [2]V `csv:"s" csv[]:"2"`
	}
)

var propertyTexts = append([]string{
	`""`, "   ", "x y", " x", "\"a,b\"", "\"a\nb\"", "\"a\r\nb\"", "\"say \"\"hi\"\"\"", "NULL", "null", `\N`, `\.`, "infinity", "-infinity", "ä€😀", "true", "FALSE", "T", "on",
	"0x10", "1_0", "1e2", "1.50", "1,5", "256", "-32769", "32768", "2147483648", "1e-400", "3.5e38", "0.1", "16777217", "9007199254740993", "\"[1,2]\"", "\"[1,null]\"",
	"\"[\"\"a\"\"]\"", "\"[\"\"\\ud800\"\"]\"", "[]", "{}", "\"{\"\"Street\"\":1}\"", "1h30m0s", "127.0.0.1", "550e8400-e29b-41d4-a716-446655440000", "2024-01-15 12:00:00 EST",
	"2024-06-30T23:59:60Z", "10:00:00", "(1,2)", "\xff\xfe", "\ufeffx", "#x", "'x'", "-", "=1+1",
}, valueSeeds...)

// property counts the cases it has tried.
type property struct {
	*testing.T
	cases int
	held  int // of which a value came back
}

// fieldKind tries one type of field, in every place where a field can be.
func fieldKind[V any](p *property, values ...V) {
	inPlace[V, one[V]](p, "a", values, func(r *one[V]) *V { return &r.A }, func(v V) one[V] { return one[V]{v} })
	inPlace[*V, one[*V]](p, "a", pointers(values), func(r *one[*V]) **V { return &r.A }, func(v *V) one[*V] { return one[*V]{v} })
	inPlace[V, behindPointer[V]](p, "p.a", values, func(r *behindPointer[V]) *V {
		if r.P == nil {
			return nil
		}
		return &r.P.A
	}, func(v V) (r behindPointer[V]) {
		r.P = &struct {
			A V `csv:"a"`
		}{v}
		return r
	})
	inPlace[V, inSlice[V]](p, "s[0]", values, func(r *inSlice[V]) *V {
		if len(r.S) == 0 {
			return nil
		}
		return &r.S[0]
	}, func(v V) inSlice[V] { return inSlice[V]{[]V{v, v}} })
	inPlace[V, inArray[V]](p, "s[0]", values, func(r *inArray[V]) *V { return &r.S[0] }, func(v V) inArray[V] { return inArray[V]{[2]V{v, v}} })
}

func pointers[V any](values []V) (all []*V) {
	for i := range values {
		all = append(all, &values[i])
	}
	return append(all, nil)
}

func inPlace[V, T any](p *property, column string, values []V, get func(*T) *V, make func(V) T) {
	for _, o := range []struct {
		read  DecodeOptions
		write EncodeOptions
	}{{}, {DecodeOptions{Null: `\N`}, EncodeOptions{Null: `\N`}}, {DecodeOptions{Null: "NULL"}, EncodeOptions{Null: "NULL", Comma: ';', CRLF: true}}} {
		header, err := Columns[T]()
		if err != nil {
			p.cases++ // refused before data moves
			continue
		}
		d, readErr := NewDecoder[T](header, o.read)
		e, writeErr := NewEncoder[T](o.write)
		for _, text := range propertyTexts {
			p.cases++
			if readErr != nil {
				continue
			}
			line := strings.Join(append([]string{}, repeat(text, len(header))...), ",")
			got, ok := decodeLine(p, d, line, len(header))
			if !ok {
				continue
			}
			if v := get(&got); v != nil {
				p.exact(text, *v)
			}
			if writeErr == nil {
				p.roundTrip(fmt.Sprintf("%q into %T", text, got), writeBack(p, d, e, o.write, got))
			}
		}
		for _, v := range values {
			p.cases++
			if writeErr == nil && readErr == nil {
				p.roundTrip(fmt.Sprintf("%+v of %T (%s)", v, v, column), writeBack(p, d, e, o.write, make(v)))
			}
		}
	}
}

func repeat(s string, n int) (all []string) {
	for range n {
		all = append(all, s)
	}
	return all
}

func decodeLine[T any](p *property, d *Decoder[T], line string, columns int) (v T, ok bool) {
	s, err := NewScanner(strings.NewReader(line+"\n"), ScanOptions{BufferSize: 1, StartOffset: 1})
	if err != nil {
		p.Fatal(err)
	}
	s.KeepBlank(columns == 1)
	rec, err := s.Next()
	if err != nil {
		return v, false
	}
	if err := d.Decode(rec, &v); err != nil {
		if e, is := errors.AsType[*Error](err); !is || e.Line != 1 || e.Reason == "" {
			p.Errorf("%q: an error without a place: %v", line, err)
		}
		return v, false
	}
	return v, true
}

// writeBack writes a record and reads it; the difference is "" for none, or for an error.
func writeBack[T any](p *property, d *Decoder[T], e *Encoder[T], o EncodeOptions, v T) (difference string) {
	out, err := e.Append(nil, &v)
	if err != nil {
		return ""
	}
	s, err := NewScanner(strings.NewReader(string(out)), ScanOptions{Comma: o.Comma, BufferSize: 1, StartOffset: 1})
	if err != nil {
		return err.Error()
	}
	s.KeepBlank(len(e.Header()) == 1)
	rec, err := s.Next()
	if err != nil {
		return fmt.Sprintf("%q is no record: %v", out, err)
	}
	var back T
	if err := d.Decode(rec, &back); err != nil {
		return ""
	}
	p.held++
	if !alike(reflect.ValueOf(back), reflect.ValueOf(v)) {
		return fmt.Sprintf("%+v was written %q and read as %+v", v, out, back)
	}
	return ""
}

// alike compares values: NaN with NaN, instants of times.
func alike(a, b reflect.Value) bool {
	if a.Type() == typeTime {
		return a.Interface().(time.Time).Equal(b.Interface().(time.Time))
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return alike(a.Elem(), b.Elem())
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !alike(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if a.NumField() > 0 && a.Type().Field(0).IsExported() {
			for i := range a.NumField() {
				if a.Type().Field(i).IsExported() && !alike(a.Field(i), b.Field(i)) {
					return false
				}
			}
			return true
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func (p *property) roundTrip(what, difference string) {
	p.Helper()
	if difference != "" {
		p.Errorf("%s: %s", what, difference)
	}
}

var plainDecimal = regexp.MustCompile(`^[-+]?[0-9]+$`)

// exact holds what was read against the text.
func (p *property) exact(text string, v any) {
	p.Helper()
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return
		}
		value = value.Elem()
	}
	if value.NumMethod() > 0 || reflect.PointerTo(value.Type()).NumMethod() > 0 {
		return
	}
	if strings.Contains(text, "\n") && !strings.HasPrefix(text, `"`) {
		return // the line ends in it
	}
	plain := strings.Trim(text, `" `+"\t")
	var want string
	switch value.Kind() {
	case reflect.String:
		if want = text; strings.HasPrefix(text, `"`) && len(text) > 1 {
			want = strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if plain == "" {
			p.Errorf("%q became the number %v", text, value)
		}
		i, ok := new(big.Int).SetString(plain, 10)
		if !ok || !plainDecimal.MatchString(plain) {
			return
		}
		want = i.String()
	case reflect.Float64, reflect.Float32:
		f, err := strconv.ParseFloat(plain, value.Type().Bits())
		if err != nil || !alike(value.Convert(reflect.TypeOf(f)), reflect.ValueOf(f)) {
			p.Errorf("%q became %v", text, value)
		}
		return
	default:
		return
	}
	if got := fmt.Sprint(value); got != want {
		p.Errorf("%q became %s of %s, want %s", text, got, value.Type(), want)
	}
}

func TestEveryKindOfFieldByEveryText(t *testing.T) {
	p := &property{T: t}
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	late := time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.FixedZone("", -5*3600-30*60))
	odd := time.Date(1880, 1, 1, 0, 0, 0, 0, time.FixedZone("LMT", 3208))
	fieldKind(p, 0, -1, math.MaxInt)
	fieldKind[int8](p, 0, -128)
	fieldKind[int16](p, 7)
	fieldKind[int32](p, math.MinInt32)
	fieldKind[int64](p, math.MinInt64)
	fieldKind[uint](p, 0)
	fieldKind[uint8](p, 255)
	fieldKind[uint16](p, 1)
	fieldKind[uint32](p, math.MaxUint32)
	fieldKind[uint64](p, math.MaxUint64)
	fieldKind(p, 0.0, math.Copysign(0, -1), 0.1, 1e300, math.Inf(1), math.NaN())
	fieldKind[float32](p, 0.1, math.MaxFloat32)
	fieldKind(p, true, false)
	fieldKind(p, "", "x", " x", `\N`, "NULL", "a\r\nb", `"`, ",", ";", "\xff", "\ufeff", "\x00")
	fieldKind[myInt](p, 1)
	fieldKind[myString](p, "", "NULL")
	fieldKind[myFloat](p, 0.25)
	fieldKind(p, day, late, odd, time.Time{})
	fieldKind(p, time.Duration(0), 90*time.Minute)
	fieldKind(p, []byte(nil), []byte("a\x00b"), []byte{})
	fieldKind(p, []string(nil), []string{"a", "", "\xff"})
	fieldKind(p, []int{1, 2}, nil)
	fieldKind(p, []any{"a", 1.5, nil}, []any{int64(1)})
	fieldKind(p, []address{{"Elm", nil}})
	fieldKind(p, address{"Elm", nil}, address{})
	fieldKind(p, map[string]int{"a": 1})
	fieldKind[any](p, "x", 1, nil)
	fieldKind[func()](p, nil)
	fieldKind[chan int](p, nil)
	fieldKind(p, complex(1, 2))
	fieldKind(p, usDate(day))
	fieldKind(p, decimal.MustNew(1250, 2), decimal.Decimal{})
	fieldKind(p, netip.MustParseAddr("127.0.0.1"), netip.Addr{})
	fieldKind(p, *big.NewInt(12))
	fieldKind(p, shout{"hey!"}, shout{"!"})
	fieldKind(p, sql.NullString{}, sql.NullString{Valid: true}, sql.NullString{String: "NULL", Valid: true})
	fieldKind(p, sql.NullInt64{}, sql.NullInt64{Int64: 5, Valid: true})
	fieldKind(p, sql.NullInt16{Int16: -1, Valid: true})
	fieldKind(p, sql.NullByte{Byte: 255, Valid: true})
	fieldKind(p, sql.NullFloat64{Float64: 0.1, Valid: true}, sql.NullFloat64{Float64: math.NaN(), Valid: true})
	fieldKind(p, sql.NullBool{Bool: true, Valid: true})
	fieldKind(p, sql.NullTime{}, sql.NullTime{Time: late, Valid: true})
	fieldKind(p, sql.Null[string]{V: "x", Valid: true}, sql.Null[string]{})
	fieldKind(p, sql.Null[float32]{V: 0.1, Valid: true})
	fieldKind(p, pgtype.Text{}, pgtype.Text{Valid: true}, pgtype.Text{String: `\N`, Valid: true})
	fieldKind(p, pgtype.Int4{Int32: 3, Valid: true}, pgtype.Int4{})
	fieldKind(p, pgtype.Int8{Int64: math.MinInt64, Valid: true})
	fieldKind(p, pgtype.Float8{Float64: 1.5, Valid: true})
	fieldKind(p, pgtype.Bool{Bool: true, Valid: true}, pgtype.Bool{})
	fieldKind(p, pgtype.Date{Time: day, Valid: true}, pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, pgtype.Date{})
	fieldKind(p, pgtype.Timestamptz{Time: late, Valid: true})
	fieldKind(p, pgtype.Timestamp{Time: day, Valid: true})
	fieldKind(p, pgtype.Numeric{Int: big.NewInt(1250), Exp: -2, Valid: true}, pgtype.Numeric{})
	fieldKind(p, pgtype.UUID{Bytes: [16]byte{1, 2}, Valid: true}, pgtype.UUID{})
	fieldKind(p, pgtype.Interval{Microseconds: 1, Days: 2, Valid: true})
	fieldKind(p, pgtype.Time{Microseconds: 36_000_000_000, Valid: true})
	t.Logf("%d cases, %d values came back", p.cases, p.held)
	if p.cases < 10_000 || p.held < 10_000 {
		t.Errorf("only %d cases, only %d values came back", p.cases, p.held)
	}
}

// FuzzTags holds that a tag is understood whole or refused, and never panics: the column
// that a struct is written under is the one that it is read from.
func FuzzTags(f *testing.F) {
	for _, tag := range []string{"a", "a,omitempty", ",omitempty", "-", "a,b,default=3", "partial_payment", "Last, First", "a,omitEmpty", "a,", ",", "omitempty", "a,partial", "a,default=x"} {
		f.Add(tag, "", uint8(0))
		f.Add(tag, "2", uint8(3))
	}
	types := []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[*string](), reflect.TypeFor[time.Time](), reflect.TypeFor[[]int](), reflect.TypeFor[address](),
		reflect.TypeFor[*address](), reflect.TypeFor[[2]address](), reflect.TypeFor[sql.NullString](), reflect.TypeFor[map[int]int](),
	}
	f.Fuzz(func(t *testing.T, tag, elements string, typ uint8) {
		full := fmt.Sprintf("csv:%q", tag)
		if elements != "" {
			full += fmt.Sprintf(" csv[]:%q", elements)
		}
		s := reflect.StructOf([]reflect.StructField{
			{Name: "First", Type: reflect.TypeFor[string](), Tag: `csv:"first"`},
			{Name: "V", Type: types[int(typ)%len(types)], Tag: reflect.StructTag(full)},
		})
		w, err := newEncodePlan(s, EncodeOptions{})
		if err != nil {
			return
		}
		if len(w.header) > limitElements {
			return
		}
		p, err := newPlan(s, w.header, DecodeOptions{})
		if err != nil {
			if _, ok := errors.AsType[*HeaderError](err); ok && !strings.Contains(tag, "partial") && !strings.ContainsAny(tag, " \u200b\u200c\u200d\ufeff\t\r\n\v\f\u0085\u00a0") {
				t.Fatalf("%s: the header %q that it is written under is refused: %v", full, w.header, err)
			}
			return
		}
		if len(p.ops)+len(p.reach) != len(w.header) && !strings.Contains(tag, "partial") {
			t.Fatalf("%s: of the columns %q %d are read", full, w.header, len(p.ops)+len(p.reach))
		}
	})
}

// FuzzSettings holds that no setting of the reader panics, and that what it accepts reads
// one record of the same fields as it writes.
func FuzzSettings(f *testing.F) {
	f.Add(byte(','), byte(0), "", "", false, "a,t\n1,2024-01-15\n")
	f.Add(byte(';'), byte('#'), `\N`, time.DateOnly, true, "a;t\n1,5;2024-01-15\n")
	f.Add(byte('\t'), byte(';'), "NULL", "2006-01-02 15:04 MST", true, "a\tt\nNULL\tx\n")
	f.Fuzz(func(t *testing.T, comma, comment byte, null, layout string, decimalComma bool, in string) {
		type row struct {
			A *float64  `csv:"a"`
			T time.Time `csv:"t"`
		}
		r, err := NewReader[row](strings.NewReader(in), ReadOptions{
			ScanOptions:   ScanOptions{Comma: comma, Comment: comment, MaxRecord: 1 << 12, BufferSize: 1 << 10},
			DecodeOptions: DecodeOptions{Null: null, Layout: layout, DecimalComma: decimalComma},
		})
		if err != nil {
			return
		}
		e, err := NewEncoder[row](EncodeOptions{Layout: layout})
		if err != nil {
			t.Fatalf("the reader takes the settings, the writer: %v", err)
		}
		for range 1000 {
			var v, back row
			if err := r.Read(&v); err != nil {
				if _, ok := errors.AsType[*Error](err); ok {
					continue
				}
				return
			}
			out, err := e.Append(nil, &v)
			if err != nil {
				continue
			}
			s, _ := NewScanner(strings.NewReader(string(out)), ScanOptions{})
			rec, err := s.Next()
			if err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			d, err := NewDecoder[row](e.Header(), DecodeOptions{Layout: layout})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(rec, &back); err == nil && !alike(reflect.ValueOf(back), reflect.ValueOf(v)) {
				t.Fatalf("%q: %+v, read back %+v", out, v, back)
			}
		}
	})
}
