package csvcodec

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gocarina/gocsv"
	"github.com/govalues/decimal"
)

// Types with their own conversions, and types of one's own without.
type (
	celsius float64
	tag     string
	flag    bool
	small   int8
)

// shout converts itself by gocsv's interface, reversed by text's.
type shout struct{ text string }

func (s *shout) UnmarshalCSV(v string) error {
	if strings.Contains(v, "?") {
		return errors.New("do not ask")
	}
	s.text = v + "!"
	return nil
}

func (s shout) MarshalCSV() (string, error) { return strings.TrimSuffix(s.text, "!"), nil }

// oneRow is a header and a row as gocsv.CSVReader.
type oneRow [2][]string

func (r oneRow) ReadAll() ([][]string, error) { return r[:], nil }
func (r oneRow) Read() ([]string, error)      { return nil, io.EOF }

// byGocsv reads one value into one field with gocsv, which takes it as it is.
func byGocsv[V any](value string) (v V, err error) {
	var rows []struct {
		V V `csv:"v"`
	}
	if err = gocsv.UnmarshalCSV(oneRow{{"v"}, {value}}, &rows); err != nil {
		return v, err
	}
	return rows[0].V, nil
}

// byUs reads one value into one field by the compiled path.
func byUs[V any](t *testing.T, value string, o DecodeOptions) (v V, err error) {
	t.Helper()
	in := string(appendQuoted([]byte("v\n"), value)) + "\n"
	type row = struct {
		V V `csv:"v"`
	}
	r, err := NewReader[row](strings.NewReader(in), ReadOptions{DecodeOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	var got row
	err = r.Read(&got)
	return got.V, err
}

// agree fails the test when the compiled path and gocsv do not give the same
// answer, unless the difference is one that the package comment lists.
func agree[V any](t *testing.T, value string, listed func(ours, theirs V, ourErr, theirErr error) bool) {
	t.Helper()
	var o DecodeOptions
	switch any(*new(V)).(type) {
	case float32, float64, celsius:
		o.DecimalComma = !strings.Contains(value, ".") // with which a point is an error here
	}
	ours, ourErr := byUs[V](t, value, o)
	if o.DecimalComma == false && strings.Contains(value, ",") && strings.Contains(value, ".") && ourErr != nil {
		return
	}
	theirs, theirErr := byGocsv[V](value)
	if _, ok := errors.AsType[*Error](ourErr); ourErr != nil && !ok {
		t.Fatalf("%q into %T: %v is no *Error", value, ours, ourErr)
	}
	if (ourErr == nil) == (theirErr == nil) && (ourErr != nil || same(ours, theirs)) {
		return
	}
	var v V
	if k := reflect.TypeOf(v).Kind(); strings.TrimSpace(value) == "" && ourErr != nil && k != reflect.String {
		return // zero there, an error here
	}
	if listed != nil && listed(ours, theirs, ourErr, theirErr) {
		return
	}
	t.Errorf("%q into %T: %v, %v; gocsv: %v, %v", value, ours, ours, ourErr, theirs, theirErr)
}

func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		return math.Float64bits(a) == math.Float64bits(b.(float64)) || a != a && b.(float64) != b.(float64)
	case float32:
		return math.Float32bits(a) == math.Float32bits(b.(float32)) || a != a && b.(float32) != b.(float32)
	case celsius:
		return same(float64(a), float64(b.(celsius)))
	case time.Time:
		return a.Equal(b.(time.Time))
	}
	return reflect.DeepEqual(a, b)
}

// listedInteger tells whether the package comment lists a difference for value.
func listedInteger(value string, fits func(int64) bool, unsigned bool) bool {
	s := strings.TrimSpace(value)
	digits := strings.TrimLeft(s, "+-")
	if len(digits) > 1 && digits[0] == '0' && (digits[1] == '_' || digits[1] >= '0' && digits[1] <= '9') {
		return true // octal there, decimal here
	}
	whole, fraction, point := strings.Cut(s, ".")
	if strings.Trim(fraction, "0") != "" {
		return true // cut there, an error here
	}
	if point && unsigned {
		// Read as a float there: an exponent, and what a float cannot hold.
		if _, err := strconv.ParseUint(whole, 10, 53); err != nil {
			return true
		}
	}
	v, err := strconv.ParseInt(whole, 0, 64)
	if unsigned {
		var u uint64
		if u, err = strconv.ParseUint(whole, 0, 64); err == nil && u > math.MaxInt64 {
			return !fits(math.MaxInt64)
		}
		v = int64(u)
	}
	return err == nil && !fits(v) // wrapped there, an error here
}

func agreeInteger[V int | int8 | int16 | int32 | int64 | small](t *testing.T, value string) {
	t.Helper()
	agree(t, value, func(_, _ V, _, _ error) bool {
		return listedInteger(value, func(v int64) bool { return int64(V(v)) == v }, false)
	})
}

func agreeUnsigned[V uint | uint8 | uint16 | uint32 | uint64](t *testing.T, value string) {
	t.Helper()
	agree(t, value, func(_, _ V, _, _ error) bool {
		return listedInteger(value, func(v int64) bool { return int64(V(v)) == v }, true)
	})
}

func agreeEverywhere(t *testing.T, value string) {
	t.Helper()
	agreeInteger[int](t, value)
	agreeInteger[int8](t, value)
	agreeInteger[int16](t, value)
	agreeInteger[int32](t, value)
	agreeInteger[int64](t, value)
	agreeInteger[small](t, value)
	agreeUnsigned[uint](t, value)
	agreeUnsigned[uint8](t, value)
	agreeUnsigned[uint16](t, value)
	agreeUnsigned[uint32](t, value)
	agreeUnsigned[uint64](t, value)
	agree[float64](t, value, nil)
	agree[celsius](t, value, nil)
	agree[bool](t, value, nil)
	agree[flag](t, value, nil)
	agree[shout](t, value, nil)
	agree[decimal.Decimal](t, value, nil)
	agree(t, value, func(ours, theirs float32, ourErr, theirErr error) bool {
		if ourErr != nil {
			return errors.Is(ourErr, ErrRange) && theirErr == nil && math.IsInf(float64(theirs), 0)
		}
		// Rounded twice there.
		return math.Nextafter32(ours, theirs) == theirs
	})
	text := checkText(append([]byte(value), make([]byte, slack)...), 0, len(value)) == nil
	agree(t, value, func(_, _ string, ourErr, _ error) bool { return !text && ourErr != nil })
	agree(t, value, func(_, _ tag, ourErr, _ error) bool { return !text && ourErr != nil })
	agree(t, value, func(_, _ time.Time, ourErr, theirErr error) bool {
		// What is not RFC 3339 may be one of our other forms.
		_, err := time.Parse(time.RFC3339, value)
		return ourErr == nil && theirErr != nil && err != nil
	})
	agree(t, value, func(ours, _ *decimal.Decimal, _, _ error) bool { return value == "" && ours == nil })
	agree(t, value, func(ours, theirs *int64, _, _ error) bool {
		return value == "" && ours == nil || listedInteger(value, func(int64) bool { return true }, false)
	})
}

var valueSeeds = []string{
	"", "0", "-0", "1", "-1", "+1", "7", "12345678", "123456789", "1234567890123456", "12345678901234567", "9223372036854775807",
	"9223372036854775808", "-9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999",
	"127", "128", "-128", "-129", "300", "65535", "65536", "010", "08", "00", "0x1f", "0b11", "0o17", "1_000", "0_7", "1__0",
	" 5 ", "5 ", "\t5", "12.00", "3.7", "12.", ".5", ".", "-.", "1.2.3", "12.abc", "abc", "1.5e3", "1e3", "1e999", "1e39", "-", "--1",
	"0.1", "0.10", "-2.50", "3.14159265358979", "1234567.89", "12345678.9", "0.30000000000000004", "123456789012345.6", "1,5", "1,234.5",
	"inf", "NaN", "0x1p-2", "yes", "No", "TRUE", "t", "F", "maybe", "\x00", "a\xffb", "é", "2024-02-29", "2023-02-29", "2024-13-01",
	"2024-02-29T12:30:45Z", "2024-02-29T12:30:45.123456789+02:00", "2024-02-29 12:30:45", "2024-02-29 12:30:45.5+00", "2024-02-29T12:30:45",
	"2024-02-29T24:00:00Z", "2024-02-29T12:30:60Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999999Z", "2024-02-29T12:30:45,5Z",
	"123456789012345678901234567890123456789012345678901234567890", "a\r\nb", "\"", "?", strings.Repeat("x", 70),
}

func TestCompiledPathGivesTheAnswersOfGocsv(t *testing.T) {
	for _, value := range valueSeeds {
		agreeEverywhere(t, value)
	}
}

func FuzzDecodeAgainstGocsv(f *testing.F) {
	for _, value := range valueSeeds {
		f.Add(value)
	}
	f.Fuzz(agreeEverywhere)
}

// Structs of every shape that gocsv knows.
type (
	Base struct {
		ID   int64 `csv:"id,omitempty"`
		Note string
	}
	Address struct {
		Street string `csv:"street"`
		Number int    `csv:"number,omitempty"`
	}
	shapes struct {
		Base
		Name    string    `csv:"name,alias"`
		Level   int       `csv:"level,default=3"`
		Home    Address   `csv:"home"`
		Work    *Address  `csv:"work"`
		Tags    []string  `csv:"tags"`
		Scores  [2]int    `csv:"score,omitempty" csv[]:"2"`
		Places  []Address `csv:"place" csv[]:"2"`
		Amount  decimal.Decimal
		When    *time.Time `csv:"when,omitempty"`
		Loud    shout      `csv:"loud"`
		Hidden  string     `csv:"-"`
		private int        //nolint:unused // a field that is not exported is passed over
	}
)

func TestStructsThatWorkWithGocsvWorkHere(t *testing.T) {
	header := "name,extra,id,Note,level,home.street,home.number,work.street,work.number,tags,score[0],score[1]," +
		"place[0].street,place[0].number,place[1].street,place[1].number,Amount,when,loud"
	in := header + "\n" +
		`"Ann ""A""",x,7,hm,,Elm,5,Oak,6,"[""a"",""b""]",1,2,P0,8,P1,9,12.50,2024-02-29T12:30:45Z,hey` + "\n" +
		`Bob,,,,5,,,,,,,,,,,,0,,` + "\n"
	var want []shapes
	if err := gocsv.UnmarshalString(in, &want); err != nil {
		t.Fatal(err)
	}
	// What is empty throughout is nil here, and made of zeros there.
	want[1].Work, want[1].Places = nil, nil
	got := readAll[shapes](t, in, ReadOptions{})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// And back: the same bytes as gocsv's.
	text, err := gocsv.MarshalString(want)
	if err != nil {
		t.Fatal(err)
	}
	if out := writeAll(t, got, EncodeOptions{}); out != text {
		t.Errorf("got  %s\nwant %s", out, text)
	}
}

func TestAStructMayTakeItsColumnsItself(t *testing.T) {
	in := "a,b\n1,2\n3,no\n"
	got, bad := readSome[itself](t, in, ReadOptions{})
	if want := []itself{{"a=1 b=2 "}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(bad) != 1 || bad[0].Error() != `line 3: column "b": "no": refused` {
		t.Errorf("errors %v", bad)
	}
}

type itself struct{ all string }

func (s *itself) UnmarshalCSVWithFields(key, value string) error {
	if value == "no" {
		return errors.New("refused")
	}
	s.all += fmt.Sprintf("%s=%s ", key, value)
	return nil
}

func TestGeneralPathSaysWhichColumnIsWrong(t *testing.T) {
	type row struct {
		ID   int      `csv:"id"`
		Tags []string `csv:"tags"`
	}
	got, bad := readSome[row](t, "tags,id\n\"[\"\"a\"\"]\",1\n[x,2\n\"[\"\"\r\n\"\"]\",3\n\"[\"\"b\"\"]\",x\n,4\n", ReadOptions{})
	want := []row{{1, []string{"a"}}, {4, nil}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(bad) != 3 || bad[0].ColumnName != "tags" || bad[0].Value != "[x" || bad[0].Line != 3 ||
		bad[1].ColumnName != "tags" || bad[2].Error() != `line 6: column "id": "x" is not an integer` {
		t.Errorf("errors %v", bad)
	}
}

func TestGeneralPathKeepsLineEndsInsideAField(t *testing.T) {
	type inner struct{ Text string }
	type row struct {
		In *inner `csv:"in"`
	}
	got := readAll[row](t, "in.Text\n\"a\r\nb\"\n\"a\nb\"\n", ReadOptions{})
	if len(got) != 2 || got[0].In.Text != "a\r\nb" || got[1].In.Text != "a\nb" {
		t.Errorf("got %+v", got)
	}
}
