package sources_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

func ExampleCSV_dialect() {
	type Booking struct {
		Account string            `csv:"konto"`
		Amount  float64           `csv:"betrag"`
		Booked  time.Time         `csv:"gebucht" csv.layout:"02.01.2006" csv.location:"Europe/Berlin"`
		Payee   *string           `csv.name:"Name, Vorname"`
		Others  map[string]string `csv:"*"`
	}
	p := pipeline.New("load", pipeline.Options{})
	bookings := pipeline.From(p, "extract", sources.CSV[Booking]{
		Path: "umsatz.csv",
		Store: files.FS(fstest.MapFS{"umsatz.csv": {Data: []byte(
			"Umsätze im Mai\nKonto;;Betrag;;Gebucht;;Name, Vorname;;Zweck\nDE01;;-1.234,50;;02.05.2025;;k.A.;;\"Miete;;Mai\"\n")}}),
		Dialect: dialect.CSV{Delimiter: ";;", SkipLines: 1, AnyCase: true, Decimal: ',', Thousands: '.', Null: []string{"", "k.A."}},
	})
	var all []Booking
	pipeline.To(bookings, "keep", sinks.Slice[Booking]{Into: &all})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	for _, b := range all {
		fmt.Println(b.Account, b.Amount, b.Booked, b.Payee == nil, b.Others)
	}
	// Output:
	// DE01 -1234.5 2025-05-02 00:00:00 +0200 CEST true map[Zweck:Miete;;Mai]
}

func TestWhatADialectAllows(t *testing.T) {
	type row struct {
		A string   `csv:"a"`
		N *float64 `csv:"n"`
		I int      `csv:"i,default=7"`
	}
	f := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name    string
		source  sources.CSV[row]
		content string
		want    []row
		err     string
	}{
		{"short rows", sources.CSV[row]{Dialect: dialect.CSV{Ragged: true}}, "a,n,i\nx\ny,1\n,2,3\n", []row{{"x", nil, 7}, {"y", f(1), 7}, {"", f(2), 3}}, ""},
		{"a delimiter at the end of data lines only", sources.CSV[row]{Dialect: dialect.CSV{Ragged: true}}, "a,n,i\nx,1,2,\n", []row{{"x", f(1), 2}}, ""},
		{"a row that is too long is not cut", sources.CSV[row]{Dialect: dialect.CSV{Ragged: true}}, "a,n,i\nx,1,2,3\n", nil, "line 2: 4 fields, but the header has 3"},
		{"nor one with an empty text", sources.CSV[row]{Dialect: dialect.CSV{Ragged: true}}, "a,n,i\nx,1,2,\"\"\n", nil, "4 fields"},
		{"several NULL tokens, also beside a default", sources.CSV[row]{Dialect: dialect.CSV{Null: []string{"", "n/a", "-"}}}, "a,n,i\nx,n/a,-\ny,-,n/a\nz,,\n",
			[]row{{"x", nil, 7}, {"y", nil, 7}, {"z", nil, 7}}, ""},
		{"a NULL token in a string", sources.CSV[row]{Dialect: dialect.CSV{Null: []string{"n/a"}}}, "a,n,i\nn/a,1,2\n", nil, `"n/a" means NULL, but the field is not a pointer`},
		{"marks in their places", sources.CSV[row]{Dialect: dialect.CSV{Delimiter: ";", Decimal: ',', Thousands: '.'}}, "a;n;i\nx;1.234.567,25;-1.000\ny;1234,5;12\nz;,5;+1\n",
			[]row{{"x", f(1234567.25), -1000}, {"y", f(1234.5), 12}, {"z", f(.5), 1}}, ""},
		{"a mark of a language", sources.CSV[row]{Dialect: dialect.CSV{Thousands: '’'}}, "a,n,i\nx,1’234.5,1’000\n", []row{{"x", f(1234.5), 1000}}, ""},
		{"1.23 under a decimal comma", sources.CSV[row]{Dialect: dialect.CSV{Delimiter: ";", Decimal: ',', Thousands: '.'}}, "a;n;i\nx;1.23;1\n", nil, `line 2: column "n": "1.23" is not a number: its decimal mark is ',', and '.' stands between thousands only`},
		{"1,23,456", sources.CSV[row]{Dialect: dialect.CSV{Delimiter: ";", Thousands: ','}}, "a;n;i\nx;1;1,23,456\n", nil, `"1,23,456" is not a number`},
		{"a mark behind the decimal one", sources.CSV[row]{Dialect: dialect.CSV{Delimiter: ";", Thousands: ','}}, "a;n;i\nx;1.234,567;1\n", nil, `"1.234,567" is not a number`},
		{"any letter case", sources.CSV[row]{Dialect: dialect.CSV{AnyCase: true}}, "A, N ,I\nx,1,2\n", []row{{"x", f(1), 2}}, ""},
		{"two in any letter case", sources.CSV[row]{Dialect: dialect.CSV{AnyCase: true}}, "A,n,i,a\nx,1,2,y\n", nil, `appears more than once`},
		{"unknown columns", sources.CSV[row]{OnlyColumns: true}, "a,n,i,extra\nx,1,2,3\n", nil, `line 1: the struct has no field for "extra", and OnlyColumns is set`},
		{"no unknown columns", sources.CSV[row]{OnlyColumns: true}, "i,n,a\n2,1,x\n", []row{{"x", f(1), 2}}, ""},
		{"nothing at all", sources.CSV[row]{AllowEmpty: true}, "", nil, ""},
		{"nothing at all, which may not be", sources.CSV[row]{}, "", nil, "there is no header; AllowEmpty passes over such files"},
		{"a line sep=", sources.CSV[row]{}, "sep=;\r\na;n;i\r\nx,y;1;2\r\n", []row{{"x,y", f(1), 2}}, ""},
		{"lines to skip without a header", sources.CSV[row]{NoHeader: true, Dialect: dialect.CSV{SkipLines: 1}}, "title\nx,1,2\n", []row{{"x", f(1), 2}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.source.Path = file(t, t.TempDir(), "a.csv", tt.content)
			for _, lanes := range []int{1, 2} {
				got, _, err := run(t, tt.source, pipeline.Options{}, pipeline.Parallel(lanes))
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Errorf("got %v, want %s", err, tt.err)
					}
					continue
				}
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("got %+v, %v", got, err)
				}
			}
		})
	}
}

func TestSettingsThatContradictAreToldTogether(t *testing.T) {
	path := file(t, t.TempDir(), "a.csv", "id,product,quantity\n")
	_, _, err := run(t, sources.CSV[sale]{Path: path, Dialect: dialect.CSV{
		Delimiter: "a\n", Quote: dialect.None, Escape: '\\', LazyQuotes: true, SkipLines: -1, Null: []string{"x\ny"}, Decimal: '.', Thousands: '.', Comment: "\r",
	}}, pipeline.Options{})
	for _, want := range []string{
		"cannot be the Delimiter", "works inside quotes, and Quote is None", "LazyQuotes is about quotes", "SkipLines is -1", `"x\ny" cannot stand for NULL`,
		"'.' cannot be the Decimal mark and that between Thousands", `"\r" cannot begin a Comment`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, d := range []dialect.CSV{
		{Delimiter: `"`}, {Quote: ','}, {Quote: 'ä'}, {Quote: 'a'}, {Delimiter: ";", Quote: ';'}, {Escape: ','}, {Escape: 'n'}, {Comment: ","}, {Comment: `"`},
		{Null: []string{`"`}}, {Null: []string{"#N/A"}, Comment: "#"}, {Delimiter: ";;", Null: []string{"x;"}}, {Decimal: ';'}, {Thousands: '1'}, {Thousands: '-'}, {Delimiter: "\xff"},
	} {
		if d.Validate() == nil {
			t.Errorf("%+v is accepted", d)
		}
		if _, _, err := run(t, sources.CSV[sale]{Path: path, Dialect: d}, pipeline.Options{}); !pipeline.IsPermanent(err) {
			t.Errorf("%+v: got %v", d, err)
		}
	}
}

func TestColumnsByNameAndPosition(t *testing.T) {
	type row struct {
		Last  string `csv.name:"Last, First"`
		None  string `csv.name:""`
		One   int    `csv:"n" csv.column:"2"`
		Other int    `csv:"n" csv.column:"4"`
		Any   string `csv.column:"5"`
	}
	in := "\"Last, First\",n,,n,whatever\n\"Ely, Ann\",1,x,2,y\n"
	got, _, err := run(t, sources.CSV[row]{Path: file(t, t.TempDir(), "a.csv", in)}, pipeline.Options{})
	want := []row{{"Ely, Ann", "x", 1, 2, "y"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	out := filepath.Join(t.TempDir(), "out.csv")
	writeAll(t, sinks.CSV[row]{Path: out}, want)
	if text := content(t, out); text != strings.Replace(in, "whatever", "Any", 1) {
		t.Errorf("written as %q", text)
	}
	_, _, err = run(t, sources.CSV[row]{Path: file(t, t.TempDir(), "a.csv", "\"Last, First\",m,,n,x\n")}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), `field One: column 2 is "m" in the header, not "n"`) {
		t.Errorf("got %v", err)
	}
}

func TestPositionsAlone(t *testing.T) {
	type row struct {
		B string `csv.column:"3"`
		A int    `csv.column:"1"`
	}
	want := []row{{"x", 1}}
	for name, source := range map[string]sources.CSV[row]{
		"n,?,whatever\n1,,x\n": {},
		"1,,x\n":               {NoHeader: true},
	} {
		source.Path = file(t, t.TempDir(), "a.csv", name)
		if got, _, err := run(t, source, pipeline.Options{}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", name, got, err)
		}
	}
	p := pipeline.New("test", pipeline.Options{})
	out := filepath.Join(t.TempDir(), "a.csv")
	pipeline.To(pipeline.From(p, "extract", sources.Slice[row](want)), "load", sinks.CSV[row]{Path: out})
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "field B is column 3, and there are 2 to write") {
		t.Errorf("got %v", err)
	}
}

func TestDriftBetweenTheFilesOfAPattern(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "1.csv", "id,product,quantity\n1,tea,3\n")
	file(t, dir, "2.csv", "")
	s := sources.CSV[sale]{Path: filepath.Join(dir, "*.csv"), OnlyColumns: true, AllowEmpty: true}
	if got, _, err := run(t, s, pipeline.Options{}); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	file(t, dir, "3.csv", "id,product,quantity,price\n2,mug,4,5\n")
	_, _, err := run(t, s, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), `3.csv: line 1: the struct has no field for "price"`) {
		t.Errorf("got %v", err)
	}
	type rest struct {
		ID   int               `csv:"id"`
		Rest map[string]string `csv:"*"`
	}
	_, _, err = run(t, sources.CSV[rest]{Path: filepath.Join(dir, "1.csv"), OnlyColumns: true}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), "OnlyColumns has no effect: field Rest takes all other columns") {
		t.Errorf("got %v", err)
	}
}

func TestColumnsThatNoFieldNames(t *testing.T) {
	type row struct {
		ID   int               `csv:"id"`
		Rest map[string]string `csv:"*"`
	}
	in := "zeta,id,alpha,\"b,c\"\n1,2,,x\n\"3,\",4,\"\",y\n"
	path := file(t, t.TempDir(), "a.csv", in)
	got, _, err := run(t, sources.CSV[row]{Path: path}, pipeline.Options{})
	want := []row{{2, map[string]string{"zeta": "1", "alpha": "", "b,c": "x"}}, {4, map[string]string{"zeta": "3,", "alpha": "", "b,c": "y"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, tt := range []struct {
		name    string
		columns []string
		want    string
	}{
		{"in the file's order", []string{"zeta", "id", "alpha", "b,c"}, "zeta,id,alpha,\"b,c\"\n1,2,,x\n\"3,\",4,,y\n"},
		{"by default behind the fields", nil, "id,alpha,\"b,c\",zeta\n2,,x,1\n4,,y,\"3,\"\n"},
	} {
		out := filepath.Join(t.TempDir(), "out.csv")
		writeAll(t, sinks.CSV[row]{Path: out, Columns: tt.columns}, want)
		if text := content(t, out); text != tt.want {
			t.Errorf("%s: written as %q", tt.name, text)
		}
		if back, _, err := run(t, sources.CSV[row]{Path: out}, pipeline.Options{}); err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("%s: read back as %+v, %v", tt.name, back, err)
		}
	}
	_, _, err = run(t, sources.CSV[row]{Path: file(t, t.TempDir(), "a.csv", "id,x,x\n1,2,3\n")}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), `column "x" appears more than once in the header`) {
		t.Errorf("got %v", err)
	}
}

func TestTimesByColumn(t *testing.T) {
	type row struct {
		A time.Time `csv:"a"`
		B time.Time `csv:"b" csv.layout:"02.01.2006 15:04" csv.location:"Europe/Berlin"`
		C time.Time `csv:"c"`
	}
	d := dialect.CSV{Times: map[string]dialect.Time{"c": {Layout: "01/02/2006"}}}
	in := "a,b,c\n2025-01-02T00:00:00Z,31.07.2025 12:00,12/31/2025\n"
	got, _, err := run(t, sources.CSV[row]{Path: file(t, t.TempDir(), "a.csv", in), Dialect: d}, pipeline.Options{})
	if err != nil || len(got) != 1 || got[0].B.UTC() != time.Date(2025, 7, 31, 10, 0, 0, 0, time.UTC) || got[0].C != time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC) {
		t.Fatalf("got %v, %v", got, err)
	}
	out := filepath.Join(t.TempDir(), "out.csv")
	writeAll(t, sinks.CSV[row]{Path: out, Dialect: d}, got)
	if text := content(t, out); text != in {
		t.Errorf("written as %q", text)
	}
	for want, source := range map[string]pipeline.Source[sale]{
		`Times names the column "id", which no field for a time has`: sources.CSV[sale]{Path: out, Dialect: dialect.CSV{Times: map[string]dialect.Time{"id": {Layout: "2006"}}}},
	} {
		if _, _, err := run(t, source, pipeline.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	type odd struct {
		N int `csv:"n" csv.layout:"2006"`
	}
	if _, _, err := run(t, sources.CSV[odd]{Path: out}, pipeline.Options{}); err == nil || !strings.Contains(err.Error(), "csv.layout has no effect on int, which is no time") {
		t.Errorf("got %v", err)
	}
}

func TestADialectInLanes(t *testing.T) {
	var in strings.Builder
	in.WriteString("sep=|\ntitle 'of the report\nid|product|quantity\n")
	for i := range 200_000 {
		fmt.Fprintf(&in, "%d|'it''s|\n%d'|%d\n", i, i, i%7)
	}
	path := file(t, t.TempDir(), "a.csv", in.String())
	s := sources.CSV[sale]{Path: path, Dialect: dialect.CSV{Quote: '\'', SkipLines: 2}}
	parts, err := s.Split(t.Context(), 3)
	if err != nil || len(parts) != 3 {
		t.Fatal(len(parts), err)
	}
	all, _, err := run(t, s, pipeline.Options{})
	check(t, err)
	laned, _, err := run(t, s, pipeline.Options{}, pipeline.Parallel(3))
	check(t, err)
	sum := 0
	for _, r := range laned {
		sum += int(r.ID)
	}
	if len(all) != 200_000 || len(laned) != 200_000 || sum != 199_999*200_000/2 || all[5].Product != "it's|\n5" {
		t.Errorf("%d and %d records", len(all), len(laned))
	}
}

func TestASinkWritesNoLinesToSkip(t *testing.T) {
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "extract", sources.Slice[sale]{}), "load", sinks.CSV[sale]{Path: filepath.Join(t.TempDir(), "a.csv"), Dialect: dialect.CSV{SkipLines: 1}})
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "SkipLines is for reading") {
		t.Errorf("got %v", err)
	}
}

func writeAll[T any](t *testing.T, sink pipeline.Sink[T], all []T) {
	t.Helper()
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "extract", sources.Slice[T](all)), "load", sink)
	_, err := p.Run(t.Context())
	check(t, err)
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}
