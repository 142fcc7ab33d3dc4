package structgen

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/millrace/millrace/internal/devdb"
)

// loadCase is a file, and what is to be in the table that its program loads.
type loadCase struct {
	name    string // of the file, which names the table
	content string
	source  string     // must be in the program
	fields  []string   // of the struct, name and type
	rows    [][]string // as Postgres writes them; "∅" is null
}

const null = "∅"

var loadCases = []loadCase{
	{
		name: "plain.csv", content: "id,name,paid,share,day,at\n1,Tea,true,0.5,2024-02-29,2024-02-29 12:00:00\n2,\"a, \"\"b\"\"\",false,3.0,2024-03-01,2024-03-01T00:00:00+02:00\n",
		source: `{Path: "plain.csv"}`, fields: []string{"ID int64", "Name string", "Paid bool", "Share float64", "Day time.Time", "At time.Time"},
		rows: [][]string{{"1", "Tea", "true", "0.5", "2024-02-29 00:00:00+00", "2024-02-29 12:00:00+00"}, {"2", `a, "b"`, "false", "3", "2024-03-01 00:00:00+00", "2024-02-29 22:00:00+00"}},
	},
	{
		name: "excel.csv", content: "Kunden-Nr;Name;Gr\xf6\xdfe;Preis;Datum;Datum\n007;Zo\xeb;1,5;12,50;31.12.2024;x\n008;\"J\xf6rg; Sohn\";2,25;3,10;01.02.2024;y\n",
		source: `{Path: "excel.csv", Encoding: "windows-1252", Dialect: dialect.CSV{Delimiter: ";", Decimal: ','}}`,
		fields: []string{"KundenNr string", "Name string", "Größe float64", "Preis string", "Datum time.Time", "Datum2 string"},
		rows: [][]string{
			{"007", "Zoë", "1.5", "12,50", "2024-12-31 00:00:00+00", "x"}, {"008", "Jörg; Sohn", "2.25", "3,10", "2024-02-01 00:00:00+00", "y"},
		},
	},
	{
		name: "days.csv", content: "n\tday\tus\n1\t31.12.2024\t12/31/2024\n2\t01.02.2024\t02/01/2024\n3\t\t02/01/2024\n",
		source: `{Path: "days.csv", Dialect: dialect.CSV{Delimiter: "\t"}}`, fields: []string{"N int64", "Day *time.Time", "Us time.Time"},
		rows: [][]string{{"1", "2024-12-31 00:00:00+00", "2024-12-31 00:00:00+00"}, {"2", "2024-02-01 00:00:00+00", "2024-02-01 00:00:00+00"}, {"3", null, "2024-02-01 00:00:00+00"}},
	},
	{
		name: "doubt.csv", content: "n|day\n1|01/02/2024\n2|03/04/2024\n", source: `{Path: "doubt.csv", Dialect: dialect.CSV{Delimiter: "|"}}`, fields: []string{"N int64", "Day string"},
		rows: [][]string{{"1", "01/02/2024"}, {"2", "03/04/2024"}},
	},
	{
		name: "bare.csv", content: "1,Tea,2024-01-01\n2,,2024-01-02\n", source: `{Path: "bare.csv", NoHeader: true}`,
		fields: []string{"Column1 int64", "Column2 *string", "Column3 time.Time"},
		rows:   [][]string{{"1", "Tea", "2024-01-01 00:00:00+00"}, {"2", null, "2024-01-02 00:00:00+00"}},
	},
	{
		name: "tokens.csv", content: "n,share,who\n1,NULL,x\nNULL,0.5,NULL\n3,1.5,\n", source: `{Path: "tokens.csv", Dialect: dialect.CSV{Null: []string{"", "NULL"}}}`,
		fields: []string{"N *int64", "Share *float64", "Who *string"},
		rows:   [][]string{{"1", null, "x"}, {null, "0.5", null}, {"3", "1.5", null}},
	},
	{
		name: "mixed.csv", content: "n,m,big\n1,NA,18446744073709551615\n,NULL,1\n3,4,2\n", source: `{Path: "mixed.csv", Dialect: dialect.CSV{Null: []string{"", "NA", "NULL"}}}`,
		fields: []string{"N *int64", "M *int64", "Big string"},
		rows:   [][]string{{"1", null, "18446744073709551615"}, {null, null, "1"}, {"3", "4", "2"}},
	},
	{
		name: "names.csv", content: "unit price,2nd,type,a,A,a2,名前,a`b,\"say \"\"x\"\"\",id\u0301e,select,X-Y\n1,2,3,4,5,6,7,8,9,10,11,12\n", source: `{Path: "names.csv"}`,
		fields: []string{"UnitPrice int64", "Column2nd int64", "Type int64", "A int64", "A2 int64", "A22 int64", "Column名前 int64", "AB int64", "SayX int64", "Ide int64", "Select int64", "XY int64"},
		rows:   [][]string{{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}},
	},
	{
		name: "odd.csv", content: "\"Last, First\",First,,-,omitempty,*,\" a \",a,x,x\n1,2,3,4,5,6,7,8,9,10\n", source: `{Path: "odd.csv"}`,
		rows: [][]string{{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}},
	},
	{
		name: "report.csv", content: "My report\n\na;b\n1;2\n3;4\n5;6\n", source: `{Path: "report.csv", Dialect: dialect.CSV{Delimiter: ";", SkipLines: 2}}`,
		fields: []string{"A int64", "B int64"}, rows: [][]string{{"1", "2"}, {"3", "4"}, {"5", "6"}},
	},
	{
		name: "sep.csv", content: "sep=;\na;b\n1;2\n3;4\n", fields: []string{"A int64", "B int64"}, rows: [][]string{{"1", "2"}, {"3", "4"}},
	},
	{name: "header.csv", content: "a,b\n", source: `{Path: "header.csv"}`, fields: []string{"A string", "B string"}, rows: nil},
	{name: "one.csv", content: "n\n1\n\n3\n", source: `{Path: "one.csv"}`, fields: []string{"N *int64"}, rows: [][]string{{"1"}, {null}, {"3"}}},
	{
		name: "hollow.csv", content: "n,nothing\n1,\n2,\n", source: `{Path: "hollow.csv"}`, fields: []string{"N int64", "Nothing *string"},
		rows: [][]string{{"1", null}, {"2", null}},
	},
}

// jsonCases are files of JSON, and what is to be in their tables.
var jsonCases = []loadCase{
	{
		name: "lines.jsonl",
		content: `{"id":9007199254740993,"at":"2024-01-01T00:00:00+02:00","who":{"name":"Zoë","mail":null},"tags":["a"],"share":12.50,"big":0.1234567890123456789,"mixed":1}
{"id":1,"who":{"name":"x","age":3},"items":[{"sku":"a"},{"sku":"b","qty":3}],"share":1,"big":1,"mixed":"x","-":true}
`,
		source: `sources.JSONLines[Row]{Path: "lines.jsonl", IgnoreUnknown: true}`,
		fields: []string{"ID int64", "At *time.Time", "Who RowWho", "Tags []string", "Share float64", "Big json.RawMessage", "Mixed json.RawMessage", "Items []RowItems"},
		rows: [][]string{
			{"9007199254740993", "2023-12-31 22:00:00+00", `{"age": null, "mail": null, "name": "Zoë"}`, "{a}", "12.5", "0.1234567890123456789", "1", null},
			{"1", null, `{"age": 3, "mail": null, "name": "x"}`, null, "1", "1", `"x"`, `{"{\"qty\": null, \"sku\": \"a\"}","{\"qty\": 3, \"sku\": \"b\"}"}`},
		},
	},
	{
		name: "array.json", content: "[\n {\"a b\": 1, \"x,y\": 2},\n {\"a b\": null}\n]", source: `{Path: "array.json", IgnoreUnknown: true}`,
		fields: []string{"AB *int64"}, rows: [][]string{{"1"}, {null}},
	},
}

func TestThePrintedProgramsLoadWhatTheyWerePrintedFor(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	url := devdb.TestURL(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	cases := slices.Concat(loadCases, jsonCases)
	for i := range 16 {
		cases = append(cases, randomCase(t, random, i))
	}
	m := newModule(t)
	tables := map[string]string{} // by the program's package
	for _, c := range cases {
		if err := os.WriteFile(c.name, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := File(t.Context(), c.name, Options{})
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, c.content)
		}
		c.check(t, p)
		tables[m.add(t, p)] = p.table
	}
	// The same file from a web server, into the table of its name there.
	if err := os.WriteFile("web.csv", []byte(loadCases[0].content), 0o600); err != nil {
		t.Fatal(err)
	}
	fromWeb, err := File(t.Context(), web.URL+"/web.csv?v=1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	webPackage := m.add(t, fromWeb)
	if _, err := pool.Exec(t.Context(), everyType); err != nil {
		t.Fatal(err)
	}
	fromTable, err := Table(t.Context(), pool, "every")
	if err != nil {
		t.Fatal(err)
	}
	tablePackage := m.add(t, fromTable)

	m.build(t)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m.run(t, m.packages[i], url)
			if got := contents(t, pool, tables[m.packages[i]]); !cmp.Equal(got, c.rows) && (len(got) > 0 || len(c.rows) > 0) {
				t.Errorf("%s\n%s\n%s", cmp.Diff(c.rows, got), c.content, m.sources[i])
			}
		})
	}
	m.run(t, webPackage, url)
	if diff := cmp.Diff(loadCases[0].rows, contents(t, pool, "web")); diff != "" {
		t.Error(diff)
	}
	// Into a table of the same types, so that nothing may differ; the one that it would create has others.
	m.run(t, tablePackage, url)
	if diff := cmp.Diff(contents(t, pool, "every"), contents(t, pool, "every_copy")); diff != "" {
		t.Error(diff)
	}
}

// check compares the source and the struct with what they should be.
func (c loadCase) check(t *testing.T, p *Program) {
	t.Helper()
	text, err := p.Source()
	if err != nil {
		t.Fatal(err)
	}
	if c.source != "" && !strings.Contains(string(text), c.source) {
		t.Errorf("%s: want the source %s in\n%s", c.name, c.source, text)
	}
	if c.fields == nil {
		return
	}
	var fields []string
	for _, f := range p.row.fields {
		if f.typ != "" {
			fields = append(fields, f.name+" "+f.typ)
		}
	}
	if diff := cmp.Diff(c.fields, fields); diff != "" {
		t.Errorf("%s: %s", c.name, diff)
	}
}

// module is a module of printed programs, each a package that one main runs by its name: to link 40 programs takes minutes.
// The first one is built as it was printed too.
type module struct {
	dir      string
	packages []string
	sources  []string
}

func newModule(t *testing.T) *module {
	t.Helper()
	return &module{dir: t.TempDir()}
}

func (m *module) add(t *testing.T, p *Program) string {
	t.Helper()
	text, err := p.Source()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("p%d", len(m.packages))
	m.packages, m.sources = append(m.packages, name), append(m.sources, string(text))
	if len(m.packages) == 1 {
		m.write(t, "whole/main.go", string(text))
	}
	renamed := strings.Replace(string(text), "\npackage main\n", "\npackage "+name+"\n", 1)
	m.write(t, name+"/main.go", strings.Replace(renamed, "\nfunc main() {", "\n// Main is main.\nfunc Main() {", 1))
	return name
}

func (m *module) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// root is this module's folder, found before the test changes its own.
var root = func() string {
	dir, err := filepath.Abs("../../../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

func (m *module) build(t *testing.T) {
	t.Helper()
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const house = "github.com/millrace/millrace"
	m.write(t, "go.mod", strings.Replace(string(ours), "module "+house, "module generated", 1)+
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", house, house, root))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "go.sum", string(sums))
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n\t\"os\"\n")
	for _, p := range m.packages {
		fmt.Fprintf(&b, "\t\"generated/%s\"\n", p)
	}
	b.WriteString(")\n\nfunc main() {\n\tswitch os.Args[1] {\n")
	for _, p := range m.packages {
		fmt.Fprintf(&b, "\tcase %q:\n\t\t%s.Main()\n", p, p)
	}
	b.WriteString("\t}\n}\n")
	m.write(t, "all/main.go", b.String())
	cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-ldflags=-s -w", "-o", m.dir+"/bin/", "./all", "./whole")
	cmd.Dir, cmd.Env = m.dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the programs do not compile: %v\n%s", err, out)
	}
	t.Logf("%d programs compiled in %v", len(m.packages), time.Since(start).Round(time.Millisecond))
}

func (m *module) run(t *testing.T, name, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.dir+"/bin/all", name)
	if name == "p0" {
		cmd = exec.CommandContext(ctx, m.dir+"/bin/whole")
	}
	cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, m.sources[slices.Index(m.packages, name)])
	}
}

// contents are a table's rows in the order in which they were written, as the server writes them.
func contents(t *testing.T, pool *pgxpool.Pool, table string) [][]string {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "set timezone to 'UTC'"); err != nil {
		t.Fatal(err)
	}
	results, err := conn.Conn().PgConn().Exec(t.Context(), "select * from "+pgx.Identifier{table}.Sanitize()+" order by ctid").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for _, r := range results[0].Rows {
		var row []string
		for i, v := range r {
			text := string(v)
			switch {
			case v == nil:
				text = null
			case results[0].FieldDescriptions[i].DataTypeOID == 16:
				text = map[string]string{"t": "true", "f": "false"}[text]
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	return rows
}

// randomCase is a random table, written in a random dialect.
func randomCase(t *testing.T, r *rand.Rand, i int) loadCase {
	t.Helper()
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	comma := pick(",", ";", "\t", "|")
	decimal := "."
	if comma != "," && r.IntN(2) == 0 {
		decimal = ","
	}
	layout := pick("2006-01-02", "02.01.2006", "01/02/2006", "2006-01-02 15:04:05", "2.1.2006 15:04", "2006/01/02", "02/01/2006 15:04:05")
	coding := map[string]encoding.Encoding{
		"utf-8": encoding.Nop, "windows-1252": charmap.Windows1252, "utf-16": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
		"utf-16be without a mark": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	}[pick("utf-8", "utf-8", "windows-1252", "utf-16", "utf-16be without a mark")]
	crlf := pick("\n", "\r\n")
	header := r.IntN(3) > 0
	records := 25 + r.IntN(50)
	kinds := []string{"int"}
	for range 1 + r.IntN(7) {
		kinds = append(kinds, pick("int", "float", "money", "text", "bool", "time", "zip"))
	}
	nullable := make([]bool, len(kinds))
	for k := range kinds {
		nullable[k] = k > 0 && r.IntN(3) == 0
	}
	c := loadCase{name: fmt.Sprintf("random_%d.csv", i)}
	var text strings.Builder
	if header {
		for k, kind := range kinds {
			if k > 0 {
				text.WriteString(comma)
			}
			fmt.Fprintf(&text, "%s %s", kind, pick("é", "ä", "x", "_")+strconv.Itoa(k))
		}
		text.WriteString(crlf)
	}
	for n := range records {
		var row []string
		for k, kind := range kinds {
			if k > 0 {
				text.WriteString(comma)
			}
			if nullable[k] && r.IntN(4) == 0 {
				row = append(row, null)
				continue
			}
			written, want := "", ""
			switch kind {
			case "int":
				want = strconv.FormatInt(r.Int64()>>r.IntN(63)*int64(1-2*r.IntN(2)), 10)
				written = want
			case "float":
				want = strconv.FormatFloat(float64(r.IntN(2_000_000))/1e4+0.0001*float64(n%2), 'f', -1, 64)
				written = strings.Replace(want, ".", decimal, 1)
			case "money":
				want = fmt.Sprintf("%d%s%02d", r.IntN(1000), decimal, []int{50, r.IntN(100)}[min(n, 1)])
				written = want
			case "text":
				want = pick("Tea", "Zoë", "a"+comma+"b", `say "x"`, "two\nlines", "über", " padded ", "1", "-") + strconv.Itoa(r.IntN(10))
				if n == 0 {
					want = "word"
				}
				written = want
			case "bool":
				want = strconv.FormatBool(n%2 == 0)
				written = want
			case "time":
				at := time.Date(1990+r.IntN(50), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
				if n < 2 {
					at = time.Date(2024, 12, 31, 13, 59, 58, 0, time.UTC) // leaves no doubt which is the day
				}
				written = at.Format(layout)
				at, err := time.Parse(layout, written)
				if err != nil {
					t.Fatal(err)
				}
				want = at.Format("2006-01-02 15:04:05-07")
			case "zip":
				want = fmt.Sprintf("%05d", r.IntN(20000))
				if n == 0 {
					want = "01234"
				}
				written = want
			}
			if strings.ContainsAny(written, comma+"\"\r\n") || r.IntN(10) == 0 {
				written = `"` + strings.ReplaceAll(written, `"`, `""`) + `"`
			}
			text.WriteString(written)
			row = append(row, want)
		}
		text.WriteString(crlf)
		c.rows = append(c.rows, row)
	}
	encoded, err := coding.NewEncoder().String(text.String())
	if err != nil {
		t.Fatal(err)
	}
	c.content = encoded
	if r.IntN(4) == 0 {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write([]byte(encoded)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		c.content, c.name = packed.String(), c.name+".gz"
	}
	return c
}

// everyType has a column of each type that the struct of a table has a type of its own for, and of some that are text to it.
const everyType = `
create type mood as enum ('sad', 'ok');
create domain positive as integer check (value > 0);
create table every (
	b boolean not null, i2 smallint not null, i4 integer not null, i8 bigint not null, "Real" real not null, f8 double precision not null,
	n numeric(12,2) not null, whole numeric(9,0) not null, anyn numeric, t text not null, vc varchar(10), bc char(4) not null, nm name not null,
	d date not null, ti time not null, ts timestamp not null, tz timestamptz not null, tiz timetz, iv interval not null, u uuid not null,
	by bytea, js json, jb jsonb not null, ip inet, net cidr not null, mac macaddr, mo mood not null, pos positive not null,
	arr integer[], txt text[] not null, moods mood[], uuids uuid[], bits bit varying not null, m money not null, pt point, rng int4range not null, ts_v tsvector,
	"select" oid not null, x8 xid8 not null, "with space" integer, "quote""d" integer, vec int2vector
);
insert into every values (true, -32768, 2147483647, -9223372036854775808, 0.1, 1e300, 12.50, 999999999, 1234567890123456789.000100, 'é', 'abc', 'ab', 'n',
	'2024-02-29', '23:59:59.999999', '2024-02-29 12:00', '2024-02-29 12:00+02', '12:00+02', '1 mon 2 days 03:04:05.6', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
	'\x00ff', '{"a": 1.50}', '{"a": [1, null]}', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', 'ok', 7, '{1,2}', '{a,"b c"}', '{sad,ok}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}',
	'101', '12.34', '(1,2)', '[1,5)', 'a b', 42, '99', 1, 2, '1 2 3');
insert into every values (false, 0, 0, 0, 0, 'NaN', 0, 0, null, '', null, '', '', '0001-01-01', '00:00', '0001-01-01', '2024-01-01', null, '0', '00000000-0000-0000-0000-000000000000',
	null, null, 'null', null, '::/0', null, 'sad', 1, null, '{}', null, null, '', '0', null, 'empty', null, 0, '0', null, null, null);
create table every_copy (like every);`

func TestWhatIsNoFileToMakeAStructOfIsAClearError(t *testing.T) {
	t.Chdir(t.TempDir())
	tests := []struct{ name, file, content, want string }{
		{"nothing at all", "a.csv", "", "a.csv: the file is empty: there is nothing to make a struct of"},
		{"blank lines", "a.csv", "\n\r\n\n", "a.csv: the file holds blank lines only: there is nothing to make a struct of"},
		{"a binary file", "a.bin", "abc\x00\x01\x02\x00\x05", "a.bin: byte 4 is NUL: the file is binary, neither CSV nor JSON lines"},
		{"a Parquet file", "a.parquet", "PAR1\x15\x00\x15", "a.parquet: the input is a Parquet file"},
		{"JSON that is none", "a.jsonl", "{\"a\":\n1}\n", "a.jsonl: line 1: unexpected end of JSON input (byte 5): want one JSON object a line, or one array of objects"},
		{"JSON of numbers", "a.json", "[1,2]", "a.json: record 1: it is no object: want one JSON object a line, or one array of objects"},
		{"an empty array", "a.json", "[]", "a.json: the file holds no records: there is nothing to make a struct of"},
		{"empty objects", "a.json", "{}\n{}\n", "a.json: the objects have no members: there is nothing to make a struct of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(test.file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := File(t.Context(), test.file, Options{})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v\nwant  %s", err, test.want)
			}
		})
	}
	if _, err := File(t.Context(), "none.csv", Options{}); err == nil || err.Error() != "none.csv: no such file or directory" {
		t.Errorf("a file that is not there: %v", err)
	}
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), "create table hollow ()"); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{
		"hollow": `table "hollow" has no columns: there is nothing to make a struct of`,
		"holow":  `table "holow" does not exist; near it: "hollow"`,
		"a.b.c":  `table "a.b.c": want table or schema.table; a name that holds a dot needs double quotes`,
	} {
		if _, err := Table(t.Context(), pool, table); err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
}

func TestWhatIsLeftInDoubtIsSaid(t *testing.T) {
	t.Chdir(t.TempDir())
	tests := []struct {
		name, content string
		o             Options
		want          string // a regular expression
	}{
		{"a column that is there twice", "a,b,a\n1,2,3\n", Options{}, `A2 int64 .csv.column:"3" db:"a2"`},
		{"money", "p\n12.50\n", Options{}, `P string .*// numbers; a float64 would not keep 12.50 as it stands`},
		{"records that cannot be read", "a,b\n1,2\n3\n4,5\n", Options{}, `// 1 record cannot be read, the first: line 3: 1 field, but the first record has 2`},
		{"a guess", "a\nZo\xeb\n", Options{}, `windows-1252 is a guess`},
		{"a number of rows", "a\n1\nx\n", Options{Rows: 1}, `(?s)first 1 records.*A int64`},
		{"a header that is said to be data", "a,b\nc,d\n", Options{Header: "no"}, `NoHeader: true`},
		{"data that is said to be a header", "2023,2024\n1,2\n", Options{Header: "yes"}, "Column2023 int64 `csv:\"2023\""},
		{"an encoding that is given", "a\nZo\xeb\n", Options{Encoding: "iso-8859-15"}, `Encoding: "iso-8859-15"`},
		{"UTF-8 with a bad byte", "a\nZoëéèö\nx\xff\n", Options{}, `sources.CSV\[Row\]{Path: "x.csv"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile("x.csv", []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := File(t.Context(), "x.csv", test.o)
			if err != nil {
				t.Fatal(err)
			}
			text, err := p.Source()
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(test.want).Match(text) {
				t.Errorf("want %s in\n%s", test.want, text)
			}
		})
	}
}
