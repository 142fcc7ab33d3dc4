package csvcodec

import (
	"database/sql"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

// optionTypes are fields of every kind, refused ones included.
var optionTypes = []reflect.Type{
	reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint16](), reflect.TypeFor[float64](), reflect.TypeFor[float32](),
	reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[myInt](), reflect.TypeFor[myString](), reflect.TypeFor[myFloat](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[[]byte](), reflect.TypeFor[[]string](), reflect.TypeFor[[]int](),
	reflect.TypeFor[[]address](), reflect.TypeFor[[2]int](), reflect.TypeFor[[2]string](), reflect.TypeFor[[2]address](), reflect.TypeFor[address](),
	reflect.TypeFor[map[string]int](), reflect.TypeFor[any](), reflect.TypeFor[func()](), reflect.TypeFor[chan int](), reflect.TypeFor[complex128](),
	reflect.TypeFor[usDate](), reflect.TypeFor[shout](), reflect.TypeFor[decimal.Decimal](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[big.Int](),
	reflect.TypeFor[sql.NullString](), reflect.TypeFor[sql.NullInt64](), reflect.TypeFor[sql.NullFloat64](), reflect.TypeFor[sql.NullBool](),
	reflect.TypeFor[sql.NullTime](), reflect.TypeFor[pgtype.Text](), reflect.TypeFor[pgtype.Int4](), reflect.TypeFor[pgtype.Date](),
	reflect.TypeFor[pgtype.Numeric](), reflect.TypeFor[pgtype.UUID](), reflect.TypeFor[pgtype.Interval](),
}

// optionTexts are cells, of which each type takes some.
var optionTexts = []string{
	"", `""`, "7", "x", "true", "2024-01-15", "[1]", `"[""a""]"`, "127.0.0.1", "1h0m0s", "00:00:01", "hey!", "550e8400-e29b-41d4-a716-446655440000", "01/15/2024", `"[{""Street"":""Elm"",""Number"":null}]"`,
}

// place puts a field somewhere into a struct.
type optionPlace struct {
	name string
	wrap func(reflect.StructField) reflect.Type
}

func structOf(fields ...reflect.StructField) reflect.Type { return reflect.StructOf(fields) }

func optionField(name string, t reflect.Type, tag string) reflect.StructField {
	return reflect.StructField{Name: name, Type: t, Tag: reflect.StructTag(tag)}
}

var optionPlaces = []optionPlace{
	{"in the struct", func(f reflect.StructField) reflect.Type {
		return structOf(optionField("First", reflect.TypeFor[string](), `csv:"first"`), f)
	}},
	{"in a struct with a name", func(f reflect.StructField) reflect.Type {
		return structOf(optionField("First", reflect.TypeFor[string](), `csv:"first"`), optionField("In", structOf(f), `csv:"in"`))
	}},
	{"behind a pointer", func(f reflect.StructField) reflect.Type {
		return structOf(optionField("First", reflect.TypeFor[string](), `csv:"first"`), optionField("In", reflect.PointerTo(structOf(f)), `csv:"in"`))
	}},
	{"in elements", func(f reflect.StructField) reflect.Type {
		return structOf(optionField("First", reflect.TypeFor[string](), `csv:"first"`), optionField("In", reflect.SliceOf(structOf(f)), `csv:"in" csv[]:"1"`))
	}},
}

// show writes a value with what its pointers point to.
func showValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
		return "&" + showValue(v.Elem())
	case reflect.Struct:
		if v.Type() == typeTime {
			return v.Interface().(time.Time).String()
		}
		var all []string
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				all = append(all, showValue(v.Field(i)))
			} else {
				all = append(all, fmt.Sprint(v.Field(i)))
			}
		}
		return "{" + strings.Join(all, " ") + "}"
	case reflect.Slice:
		if v.IsNil() {
			return "nil"
		}
		fallthrough
	case reflect.Array:
		var all []string
		for i := range v.Len() {
			all = append(all, showValue(v.Index(i)))
		}
		return "[" + strings.Join(all, " ") + "]"
	}
	return fmt.Sprint(v)
}

// behaviour is what a struct does with texts, headers and values; the error is that of the validation.
func behaviour(t *testing.T, s reflect.Type) (string, error) {
	w, writeErr := newEncodePlan(s, EncodeOptions{})
	var b strings.Builder
	names, err := shapeOf(s)
	if err != nil {
		return "", err
	}
	var header, other []string
	for _, c := range names.columns {
		header = append(header, c.name())
		other = append(other, "x"+c.name()+"x")
	}
	other[0] = header[0]
	for _, h := range [][]string{header, other} {
		p, err := newPlan(s, h, DecodeOptions{})
		if err != nil {
			if slices.Equal(h, header) {
				return "", err
			}
			fmt.Fprintf(&b, "%s\n", strings.Join(strings.Fields(err.Error()), " "))
			continue
		}
		for _, text := range optionTexts {
			line := "f" + strings.Repeat(","+text, len(h)-1) + "\n"
			scanner, err := NewScanner(strings.NewReader(line), ScanOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := scanner.Next()
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			v := reflect.New(s)
			if e := p.decode(rec, v.UnsafePointer()); e != nil {
				fmt.Fprintf(&b, "%q: %s\n", text, e.Reason)
				continue
			}
			fmt.Fprintf(&b, "%q: %s\n", text, showValue(v.Elem()))
			if writeErr == nil {
				out, err := w.append(nil, v.UnsafePointer())
				fmt.Fprintf(&b, "\t%s %v\n", out, err)
			}
		}
	}
	if writeErr == nil {
		out, err := w.append(nil, reflect.New(s).UnsafePointer())
		fmt.Fprintf(&b, "zero: %s %v\n", out, err)
	}
	return b.String(), nil
}

// tagOptions are all there are; of defaults one for each kind of type.
var tagOptions = []string{
	"omitempty", "partial", "default=7", "default=x", "default=true", "default=2024-01-15", "default=[1]", "default=127.0.0.1",
	"default=hey!", "default=01/15/2024",
}

// What a tag says changes what is read or written, or it is an error before data moves. The one thing that is granted is
// omitempty where an empty cell is taken anyway: it is as if one said it.
func TestEveryTagOptionHasAnEffectOrIsAnError(t *testing.T) {
	cases, refused := 0, 0
	try := func(what string, s reflect.Type, others ...string) (got string) {
		cases++
		got, err := behaviour(t, s)
		switch {
		case err != nil:
			refused++
		case slices.Contains(others, got):
			t.Errorf("%s: an option has no effect and is no error", what)
		}
		return got
	}
	for _, base := range optionTypes {
		for _, typ := range []reflect.Type{base, reflect.PointerTo(base)} {
			for _, place := range optionPlaces {
				for i, name := range []string{"v", ""} {
					if i > 0 && place.name != optionPlaces[0].name {
						continue
					}
					tagged := func(options ...string) reflect.Type {
						return place.wrap(optionField("V", typ, fmt.Sprintf("csv:%q", strings.Join(append([]string{name}, options...), ","))))
					}
					for _, length := range []string{"", "1", "2"} {
						build := tagged
						if length != "" {
							build = func(options ...string) reflect.Type {
								tag := fmt.Sprintf("csv:%q csv[]:%q", strings.Join(append([]string{name}, options...), ","), length)
								return place.wrap(optionField("V", typ, tag))
							}
						}
						what := fmt.Sprintf("%s, csv:%q csv[]:%q of %s, ", place.name, name, length, typ)
						plain, err := behaviour(t, build())
						if err != nil { // whatever is said besides
							plain = ""
						} else if length != "" {
							without, _ := behaviour(t, tagged())
							try(what+"csv[]", build(), without)
						}
						takesEmpty := strings.HasPrefix(plain, `"": {`)
						var said, alone []string // options that do something, and what
						for _, option := range tagOptions {
							if option == "omitempty" && takesEmpty {
								continue
							}
							got := try(what+option, build(option), plain)
							if got == "" {
								continue
							}
							for i, other := range said {
								try(what+other+" and "+option, build(other, option), plain, alone[i], got)
							}
							said, alone = append(said, option), append(alone, got)
						}
					}
				}
			}
		}
		if base.Kind() == reflect.Struct && !isOneValue(base) {
			for _, option := range append([]string{""}, tagOptions...) {
				for _, name := range []string{"v", ""} {
					if name+option == "" {
						continue
					}
					f := optionField("V", base, fmt.Sprintf("csv:%q", strings.TrimSuffix(name+","+option, ",")))
					f.Anonymous = true
					cases++
					if _, err := behaviour(t, structOf(f)); err == nil {
						t.Errorf("the tag %s of an embedded struct has no effect and is no error", f.Tag)
					}
					refused++
				}
			}
		}
	}
	t.Logf("%d cases, %d refused", cases, refused)
	if cases < 10_000 || refused < 5_000 || cases-refused < 1_000 {
		t.Errorf("%d cases, %d refused: too few to show anything", cases, refused)
	}
}
