package csvcodec

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

// The rule that these tests hold: where a lenient reader guesses, this one says so
// before data moves, or sets the record aside.

type usDate time.Time

// one is a struct of one column.
type one[V any] struct {
	A V `csv:"a"`
}

func readOne[V any](t *testing.T, text string, o DecodeOptions) (v V, err error) {
	t.Helper()
	r, err := NewReader[one[V]](strings.NewReader("a\n"+text+"\n"), ReadOptions{DecodeOptions: o})
	if err != nil {
		return v, err
	}
	var row one[V]
	err = r.Read(&row)
	return row.A, err
}

func TestTypesOfDatabaseSQLAreFilledAndWrittenBack(t *testing.T) {
	day := time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC)
	t.Run("a null string", both(`Ann`, sql.NullString{String: "Ann", Valid: true}))
	t.Run("a null string that is NULL", both(``, sql.NullString{}))
	t.Run("a null string that is empty", both(`""`, sql.NullString{Valid: true}))
	t.Run("a null integer", both(`12`, sql.NullInt64{Int64: 12, Valid: true}))
	t.Run("a null boolean that is NULL", both(``, sql.NullBool{}))
	t.Run("a null time", both(`2024-01-15T00:00:00Z`, sql.NullTime{Time: day, Valid: true}))
	t.Run("a null of any type", both(`0.5`, sql.Null[float32]{V: 0.5, Valid: true}))
	t.Run("a null of a type of one's own", both(`12.50`, sql.Null[decimal.Decimal]{V: decimal.MustNew(1250, 2), Valid: true}))
	t.Run("a text of pgtype", both(`Ann`, pgtype.Text{String: "Ann", Valid: true}))
	t.Run("a text of pgtype that is NULL", both(``, pgtype.Text{}))
	t.Run("a date of pgtype", both(`2024-01-15T00:00:00Z`, pgtype.Date{Time: day, Valid: true}))
	t.Run("a date without an end", both(`infinity`, pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}))
	t.Run("an integer of pgtype", both(`-7`, pgtype.Int4{Int32: -7, Valid: true}))
}

func both[V any](text string, value V) func(*testing.T) {
	return func(t *testing.T) {
		got, err := readOne[V](t, text, DecodeOptions{})
		if err != nil || !reflect.DeepEqual(got, value) {
			t.Errorf("%s is read as %+v, %v, want %+v", text, got, err, value)
		}
		if out := writeAll(t, []one[V]{{value}}, EncodeOptions{}); out != "a\n"+text+"\n" {
			t.Errorf("%+v is written %q, want %q", value, out, text)
		}
	}
}

func TestWhatWouldBeSilentIsFoundBeforeDataMoves(t *testing.T) {
	type inner struct{ String string }
	type base struct {
		A int `csv:"a"`
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"a named time without a method", newErr[one[usDate]](), "field A (csvcodec.usDate) cannot be a column"},
		{"a struct of one's own, of which the header has no column", newErr[struct {
			A inner `csv:"a"`
			B int
		}](), `"a.String" is missing; the header has "a"; field A is a csvcodec.inner, which has neither`},
		{"two fields of one column", newErr[struct {
			A int `csv:"a"`
			B int `csv:"a"`
		}](), `fields A and B both have the column "a"`},
		{"a map", newErr[one[map[string]int]](), "no conversion from text to map[string]int"},
		{"a function", newErr[one[func()]](), "no conversion from text to func()"},
		{"an array without csv[]", newErr[one[[2]int]](), "tag it csv[] with the number of its elements"},
		{"an embedded value", newErr[struct {
			time.Time
			A int `csv:"a"`
		}](), "is embedded and one value"},
		{"an option that is misspelt", newErr[struct {
			A int `csv:"a,omitEmpty"`
		}](), `has "omitEmpty", which is no option`},
		{"a default with a comma", newErr[struct {
			A string `csv:"a,default=x,y"`
		}](), `has "y" behind the default`},
		{"two ideas of an empty cell", newErr[struct {
			A int `csv:"a,omitempty,default=3"`
		}](), "has both omitempty and default="},
		{"a default of a struct", newErr[struct {
			A inner `csv:"a,default=x"`
		}](), "default= has no effect"},
		{"csv[] of what is no slice", newErr[struct {
			A int `csv:"a" csv[]:"2"`
		}](), "is for slices and arrays"},
		{"csv[] of another length", newErr[struct {
			A [3]int `csv:"a" csv[]:"2"`
		}](), "but the field has 3 elements"},
		{"a layout without a time", optionErr[one[int]](DecodeOptions{Layout: time.DateOnly}), "has no field for a time"},
		{"a location without a time", optionErr[one[int]](DecodeOptions{Location: time.Local}), "has no field for a time"},
		{"a layout in another language", optionErr[one[time.Time]](DecodeOptions{Layout: "yyyy-mm-dd"}), "has no part of a time"},
		{"a decimal comma without a float", optionErr[one[int]](DecodeOptions{DecimalComma: true}), "has no field for a number that could have it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", test.err, test.want)
			}
		})
	}
	type outer struct {
		base
		Base base `csv:"-"`
		A    int  `csv:"a"`
	}
	if got := readAll[outer](t, "a\n1\n", ReadOptions{}); len(got) != 1 || got[0].A != 1 {
		t.Errorf("an outer field goes before an embedded one: got %+v", got)
	}
}

func optionErr[T any](o DecodeOptions) error {
	_, err := NewDecoder[T]([]string{"a"}, o)
	return err
}

func TestSinksRefuseTypesThatTheyWouldWriteAsNothing(t *testing.T) {
	for want, err := range map[string]error{
		"cannot be a column":                   encodeErr[one[usDate]](),
		"no conversion to text from map":       encodeErr[one[map[string]int]](),
		"no conversion to text from interface": encodeErr[one[any]](),
		"no conversion to text from chan":      encodeErr[one[chan int]](),
		"no conversion to text from **int":     encodeErr[one[**int]](),
		"a Layout or a Location is set":        layoutErr[one[int]](),
		`fields A and B both have the column "x"`: encodeErr[struct {
			A int `csv:"x"`
			B int `csv:"x"`
		}](),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func encodeErr[T any]() error {
	_, err := NewEncoder[T](EncodeOptions{})
	return err
}

func layoutErr[T any]() error {
	_, err := NewEncoder[T](EncodeOptions{Layout: time.DateOnly})
	return err
}

func TestANameIsANameWhateverItBeginsWith(t *testing.T) {
	type row struct {
		ID      int     `csv:"id"`
		Payment float64 `csv:"partial_payment"`
		Default string  `csv:"default_name"`
		Name    string  `csv:"Last, First"`
	}
	in := "id,partial_payment,default_name,\"Last, First\"\n1,99.5,x,\"Lee, Ann\"\n"
	if got := readAll[row](t, in, ReadOptions{}); len(got) != 1 || got[0] != (row{1, 99.5, "x", "Lee, Ann"}) {
		t.Errorf("got %+v", got)
	}
	if out := writeAll(t, []row{}, EncodeOptions{}); out != "id,partial_payment,default_name,Last\n" {
		t.Errorf("the header is %q", out)
	}
}

func TestAnEmptyCellIsNoValue(t *testing.T) {
	for name, err := range map[string]error{
		"int": readErr[int](t, ""), "uint8": readErr[uint8](t, ""), "float64": readErr[float64](t, ""), "float32": readErr[float32](t, ""),
		"bool": readErr[bool](t, ""), "time": readErr[time.Time](t, ""), "quoted": readErr[int](t, `""`), "decimal": readErr[decimal.Decimal](t, ""),
	} {
		want := `line 2: column "a" is empty; for NULL use a pointer, for a value say omitempty or default= in its csv tag`
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	type row struct {
		A int     `csv:"a,omitempty"`
		B int     `csv:"b,default=3"`
		C *int    `csv:"c"`
		D string  `csv:"d"`
		E float64 `csv:"e,omitempty"`
	}
	if got := readAll[row](t, "a,b,c,d,e\n,,,,\n", ReadOptions{}); len(got) != 1 || got[0] != (row{B: 3}) {
		t.Errorf("got %+v", got)
	}
}

func readErr[V any](t *testing.T, text string) error {
	_, err := readOne[V](t, text, DecodeOptions{})
	return err
}

func TestATimeIsTheSameInstantOnEveryMachine(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	zone := "2006-01-02 15:04:05 MST"
	tests := []struct {
		name, text string
		o          DecodeOptions
		want       string // in UTC, or of the error
	}{
		{"an abbreviation", "2024-01-15 12:00:00 EST", DecodeOptions{Layout: zone}, "names a zone by the abbreviation EST"},
		{"UTC", "2024-01-15 12:00:00 UTC", DecodeOptions{Layout: zone}, "2024-01-15T12:00:00Z"},
		{"GMT", "2024-01-15 12:00:00 GMT", DecodeOptions{Layout: zone}, "2024-01-15T12:00:00Z"},
		{"an abbreviation of the location", "2024-01-15 12:00:00 CET", DecodeOptions{Layout: zone, Location: berlin}, "2024-01-15T11:00:00Z"},
		{"an abbreviation of another", "2024-01-15 12:00:00 EST", DecodeOptions{Layout: zone, Location: berlin}, "names a zone"},
		{"an abbreviation beside an offset", "2024-01-15 12:00:00 -0500 EST", DecodeOptions{Layout: "2006-01-02 15:04:05 -0700 MST"}, "2024-01-15T17:00:00Z"},
		{"no offset", "2024-07-15 12:00:00", DecodeOptions{}, "2024-07-15T12:00:00Z"},
		{"no offset, in a location", "2024-07-15 12:00:00", DecodeOptions{Location: berlin}, "2024-07-15T10:00:00Z"},
		{"an offset, in a location", "2024-07-15 12:00:00Z", DecodeOptions{Location: berlin}, "2024-07-15T12:00:00Z"},
		{"a date in a location", "2024-07-15", DecodeOptions{Location: berlin}, "2024-07-14T22:00:00Z"},
		{"a time that was skipped", "2024-03-31 02:30:00", DecodeOptions{Location: berlin}, "is a time that the clocks of Europe/Berlin skipped"},
		{"a time that was shown twice", "2024-10-27 02:30:00", DecodeOptions{Location: berlin}, "2024-10-27T00:30:00Z"},
	}
	old := time.Local
	defer func() { time.Local = old }()
	for _, zone := range []string{"UTC", "America/New_York"} {
		if time.Local, err = time.LoadLocation(zone); err != nil {
			t.Skip(err)
		}
		for _, test := range tests {
			t.Run(test.name+" on a machine in "+zone, func(t *testing.T) {
				got, err := readOne[time.Time](t, test.text, test.o)
				if err != nil {
					if !strings.Contains(err.Error(), test.want) {
						t.Errorf("got %v, want %s", err, test.want)
					}
				} else if s := got.UTC().Format(time.RFC3339); s != test.want {
					t.Errorf("got %s, want %s", s, test.want)
				}
			})
		}
	}
}

func TestAPointUnderADecimalCommaIsAnError(t *testing.T) {
	type row struct {
		F float64  `csv:"f"`
		I int      `csv:"i"`
		P *float32 `csv:"p"`
	}
	o := ReadOptions{ScanOptions: ScanOptions{Comma: ';'}, DecodeOptions: DecodeOptions{DecimalComma: true}}
	got, bad := readSome[row](t, "f;i;p\n1,5;1;2,5\n1.234;1;1\n1;1.000;1\n1;1;1.000\n", o)
	if len(got) != 1 || got[0].F != 1.5 || *got[0].P != 2.5 || len(bad) != 3 {
		t.Fatalf("got %+v, %v", got, bad)
	}
	for _, e := range bad {
		if !strings.Contains(e.Error(), "its decimal mark is ','; set Dialect.Thousands") {
			t.Error(e)
		}
	}
}

func TestTheBlankLineOfOneColumnIsNULL(t *testing.T) {
	text := func(p *string) string {
		if p == nil {
			return "NULL"
		}
		return fmt.Sprintf("%q", *p)
	}
	var all string
	for _, r := range readAll[one[*string]](t, "a\nx\n\n\"\"\ny\n", ReadOptions{}) {
		all += text(r.A) + " "
	}
	if all != `"x" NULL "" "y" ` {
		t.Errorf("got %s", all)
	}
	x, empty := "x", ""
	if out := writeAll(t, []one[*string]{{&x}, {nil}, {&empty}}, EncodeOptions{}); out != "a\nx\n\n\"\"\n" {
		t.Errorf("wrote %q", out)
	}
}

func TestAQuoteThatTakesLinesSaysWhich(t *testing.T) {
	type row struct {
		A int    `csv:"a"`
		B string `csv:"b"`
	}
	got, bad := readSome[row](t, "a,b\n1,\"5 inch\n2,x\n3,y\n4,\"z\n5,ok\n", ReadOptions{})
	if len(got) != 1 || got[0].A != 5 || len(bad) != 1 || !strings.Contains(bad[0].Error(), "lines 2 to 5") {
		t.Errorf("got %v, %v", got, bad)
	}
}

func TestInputsThatAreNoCSVAreNamed(t *testing.T) {
	for in, want := range map[string]string{
		"a,b\r1,x\r2,y\r":                       "the lines end in CR alone",
		"\xff\xfe\"\x00a\x00\"\x00\n\x00":       "UTF-16",
		"a\x00,\x00b\x00\n\x00":                 "UTF-16 without a byte order mark",
		"PK\x03\x04\x14\x00sales.csv":           "a zip archive",
		"PK\x03\x04\x14\x00[Content_Types].xml": "an Excel workbook",
		"\xfd7zXZ\x00\x00":                      "packed with xz",
		"BZh91AY&SY\x00":                        "packed with bzip2",
		"sep=;\nb;c\n1;2\n":                     `column "a" is missing; the header has "b", "c"`,
		"Sales of March\n\na,b\n1,2\n":          "line 3 has them: set Dialect.SkipLines to 2",
		"a;b\n1;2\n":                            `is the delimiter ";"?`,
	} {
		_, err := NewReader[one[int]](strings.NewReader(in), ReadOptions{})
		if e, ok := errors.AsType[*HeaderError](err); ok {
			s, _ := NewScanner(strings.NewReader(in), ScanOptions{})
			if _, err := ReadHeader(s); err == nil {
				HintHeader(s, e)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x00\n\r") {
			t.Errorf("%q: bytes of the input are in %q", in, err)
		}
	}
}

func TestAHeaderMayHoldWhatNobodyReads(t *testing.T) {
	if got := readAll[one[int]](t, "gr\xf6\xdfe,a\nx,1\n", ReadOptions{}); len(got) != 1 || got[0].A != 1 {
		t.Errorf("a name in Latin-1: got %v", got)
	}
	names := strings.Repeat("x,", 70_000)
	if got := readAll[one[int]](t, names+"a\n"+strings.Repeat(",", 70_000)+"1\n", ReadOptions{}); len(got) != 1 || got[0].A != 1 {
		t.Errorf("70,000 columns: got %v", got)
	}
}

func TestATimeThatALayoutCutsIsNotWritten(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	for _, test := range []struct {
		layout string
		t      time.Time
		want   string // "" for an error
	}{
		{time.DateOnly, time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC), "2024-01-15"},
		{time.DateOnly, time.Date(2024, 1, 15, 1, 0, 0, 0, berlin), "2024-01-15"},
		{time.DateOnly, time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC), ""},
		{time.DateTime, time.Date(2024, 1, 15, 10, 0, 0, 0, berlin), "2024-01-15 09:00:00"},
		{time.DateTime, time.Date(2024, 1, 15, 10, 0, 0, 1, time.UTC), ""},
		{"02.01.06", time.Date(1950, 1, 15, 0, 0, 0, 0, time.UTC), ""},
	} {
		e, err := NewEncoder[one[time.Time]](EncodeOptions{Layout: test.layout})
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Append(nil, &one[time.Time]{test.t})
		if (err == nil) != (test.want != "") || err == nil && string(out) != test.want+"\n" {
			t.Errorf("%s by %s: got %q, %v", test.t, test.layout, out, err)
		}
	}
}
