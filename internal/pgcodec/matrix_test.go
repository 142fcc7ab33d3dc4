package pgcodec

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

var update = flag.Bool("update", false, "write docs/types.md anew")

const typesPage = "../../docs/types.md"

type (
	namedTime  time.Time
	namedFloat float64
	namedBool  bool
	document   struct {
		A int
		B string
	}
)

// goValues are the Go types of the matrix, each by values that it is tried with. Pointers
// to each, and slices of each against arrays, are tried too.
var goValues = [][]any{
	{true, false}, {int(0), math.MaxInt, math.MinInt}, {int8(-128), int8(127)}, {int16(math.MinInt16), int16(7)},
	{int32(math.MinInt32), int32(12)}, {int64(math.MinInt64), int64(12), int64(math.MaxInt64)},
	{uint(0), uint(math.MaxUint)}, {uint8(255), uint8(65)}, {uint16(math.MaxUint16)}, {uint32(math.MaxUint32), uint32(12)}, {uint64(math.MaxUint64), uint64(12)},
	{float32(12.5), float32(0.1), float32(math.Inf(1)), float32(math.Copysign(0, -1)), float32(math.MaxFloat32)},
	{12.5, 0.1, 1.0 / 3, math.NaN(), math.Inf(-1), math.Copysign(0, -1), 1e300, 42.0},
	{"12", "", "a\tb\\n\n\"x\"", "nul\x00", "12.345", "(1,x)", "2024-02-29", "2024-02-29 23:59:59.1234567", "{}", "10.0.0.1", "infinity"},
	{[]byte("12"), []byte{}, []byte{0, 0xff}},
	{time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 23, 59, 59, 999999999, time.UTC), time.Time{},
		time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC), time.Date(2024, 7, 14, 23, 30, 0, 0, time.FixedZone("", 7200)), time.Date(2000, 1, 1, 23, 59, 59, 1000, time.UTC)},
	{90 * time.Minute, time.Nanosecond, -time.Microsecond},
	{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::1")},
	{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.1/8")},
	{net.ParseIP("10.0.0.1")}, {net.HardwareAddr{1, 2, 3, 4, 5, 6}},
	{json.RawMessage(`{"a": 12345678901234567890.1}`), json.RawMessage(`[1]`)}, {map[string]any{"a": 1.5}}, {document{1, "x"}},
	{[16]byte{1, 15: 2}}, {*big.NewInt(12), *new(big.Int).Exp(big.NewInt(10), big.NewInt(40), nil)},
	{decimal.MustParse("12.50"), decimal.MustParse("0.0000000000000000001")},
	{pgtype.Bool{Bool: true, Valid: true}}, {pgtype.Int2{Int16: 2, Valid: true}}, {pgtype.Int4{Int32: 2, Valid: true}}, {pgtype.Int8{Int64: 2, Valid: true}},
	{pgtype.Uint32{Uint32: 2, Valid: true}}, {pgtype.Float4{Float32: 2, Valid: true}}, {pgtype.Float8{Float64: 2.5, Valid: true}},
	{pgtype.Numeric{Int: big.NewInt(1250), Exp: -2, Valid: true}, pgtype.Numeric{}}, {pgtype.Text{String: "12", Valid: true}, pgtype.Text{}},
	{pgtype.UUID{Bytes: [16]byte{1}, Valid: true}}, {pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}}, {pgtype.Time{Microseconds: dayMicros, Valid: true}},
	{pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}, {pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}},
	{pgtype.Interval{Months: 1, Days: 2, Microseconds: 3, Valid: true}}, {pgtype.Bits{Bytes: []byte{0xa0}, Len: 3, Valid: true}},
	{pgtype.Point{P: pgtype.Vec2{X: 0.1, Y: -1}, Valid: true}}, {pgtype.Box{Valid: true}}, {pgtype.Lseg{Valid: true}}, {pgtype.Line{A: 1, Valid: true}},
	{pgtype.Path{}}, {pgtype.Polygon{}}, {pgtype.Circle{R: 1, Valid: true}}, {pgtype.TID{BlockNumber: 1, OffsetNumber: 2, Valid: true}},
	{pgtype.TSVector{}}, {pgtype.Range[pgtype.Int4]{}}, {pgtype.Range[pgtype.Int8]{}}, {pgtype.Range[pgtype.Numeric]{}}, {pgtype.Range[pgtype.Date]{}},
	{pgtype.Range[pgtype.Timestamp]{}}, {pgtype.Range[pgtype.Timestamptz]{}},
	{pgtype.Multirange[pgtype.Range[pgtype.Int4]]{}}, {pgtype.Multirange[pgtype.Range[pgtype.Numeric]]{}},
	{sql.NullBool{Bool: true, Valid: true}}, {sql.NullInt64{Int64: 5, Valid: true}, sql.NullInt64{}}, {sql.NullFloat64{Float64: 0.5, Valid: true}},
	{sql.NullString{String: "12", Valid: true}, sql.NullString{}}, {sql.NullTime{Time: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Valid: true}},
	{namedString("12")}, {namedInt(12)}, {namedBytes{1}}, {namedUUID{1}}, {namedTime(time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC))}, {namedFloat(12.5)}, {namedBool(true)},
	{any(nil)},
}

// samples are values of the types, by name, as the server reads them. A type that is not
// here is known by its kind, or fails the test.
var samples = map[string][]string{
	"bool": {"t", "f"}, "int2": {"-32768", "32767", "0"}, "int4": {"5", "-2147483648", "2147483647"}, "int8": {"-9223372036854775808", "9223372036854775807", "5"},
	"float4": {"0.1", "NaN", "-Infinity", "-0", "3.4028235e+38", "1e-45"}, "float8": {"0.1", "NaN", "Infinity", "-0", "1.7976931348623157e+308", "5e-324", "0.3333333333333333"},
	"numeric": {"0.10", "NaN", "-12345678901234567890123.45678901234567890", "7", "18446744073709551616", "1e30"},
	"text":    {"", "a\tb\\\n\"", "ünï"}, "varchar": {"", "x "}, "bpchar": {"ab  "}, "name": {"a name"}, "char": {"a"}, "bytea": {`\x`, `\x00ff5c`},
	"uuid": {"12000000-0000-0000-0000-0000000000ef"}, "json": {`{"a":1}`, "null", `[12345678901234567890.1]`, `"x"`, "5", "true", `"2024-01-01T00:00:00Z"`, `"10.0.0.1"`, `"10.0.0.0/8"`, `"12000000-0000-0000-0000-0000000000ef"`, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"}, "jsonb": {`{"a": 1}`, "null", "5", "true", `"2024-01-01T00:00:00Z"`, `"10.0.0.1"`, `"10.0.0.0/8"`, `"12000000-0000-0000-0000-0000000000ef"`, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]", `{"b": [12345678901234567890.1]}`},
	"date":        {"2024-02-29", "infinity", "4714-11-24 BC", "5874897-12-31"},
	"time":        {"24:00:00", "00:00:00", "23:59:59.999999"},
	"timetz":      {"23:59:59.999999+02", "00:00:00-15:59"},
	"timestamp":   {"2024-02-29 23:59:59.999999", "-infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "1969-12-31 23:59:59.5"},
	"timestamptz": {"2024-02-29 23:59:59.999999+00", "infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00"},
	"interval":    {"01:30:00", "1 mon", "1 day", "-1 years -2 mons +3 days -04:05:06.000007"},
	"money":       {"$12.50", "-$92,233,720,368,547,758.08"}, "xml": {"<a/>"}, "inet": {"10.0.0.1", "10.0.0.1/8", "::1"}, "cidr": {"10.0.0.0/8", "::1/128"},
	"macaddr": {"01:02:03:04:05:06"}, "macaddr8": {"01:02:03:04:05:06:07:08"}, "bit": {"1"}, "varbit": {"", "10110011101"},
	"point": {"(0.1,-1)"}, "line": {"{1,2,3}"}, "lseg": {"[(0,0),(1,1)]"}, "box": {"(1,1),(0,0)"}, "path": {"((0,0),(1,1))", "[(0,0),(1,1)]"}, "polygon": {"((0,0),(1,1))"}, "circle": {"<(0,0),1>"},
	"tsvector": {"'a':1A,2 'b c'", ""}, "tsquery": {"'a' & 'b'"}, "pg_lsn": {"16/B374D848"}, "txid_snapshot": {"10:20:10,14"}, "pg_snapshot": {"10:20:10,14"},
	"oid": {"4294967295", "0"}, "xid": {"4294967295"}, "cid": {"4294967295"}, "xid8": {"18446744073709551615"}, "oid8": {"18446744073709551615"}, "tid": {"(1,2)"},
	"int2vector": {"1 2"}, "oidvector": {"1 2"}, "jsonpath": {`$."a"`}, "refcursor": {"c"}, "aclitem": {},
	"regproc": {"now"}, "regprocedure": {"now()"}, "regoper": {"pg_catalog.||/"}, "regoperator": {"+(integer,integer)"}, "regclass": {"pg_class"}, "regtype": {"integer"},
	"regconfig": {"english"}, "regdictionary": {"simple"}, "regrole": {"pg_monitor"}, "regnamespace": {"pg_catalog"}, "regcollation": {`"C"`}, "regdatabase": {"template1"},
	"int4range": {"[1,5)", "empty", "(,)"}, "int8range": {"[1,5)", "(,5)"}, "numrange": {"(0.10,NaN)", "[12345678901234567890.12345678901234567890,)"}, "daterange": {"[2024-02-29,infinity)", "empty"},
	"tsrange": {`["2024-02-29 23:59:59.999999",)`}, "tstzrange": {`["2024-02-29 23:59:59.999999+00",infinity]`},
	"int4multirange": {"{[1,3),[5,7)}", "{}"}, "int8multirange": {"{[1,3)}"}, "nummultirange": {"{[1.10,3)}"}, "datemultirange": {"{[2024-02-29,2024-03-01)}"}, "tsmultirange": {"{}"}, "tstzmultirange": {"{}"},
	"mood": {"sad", "o'k"}, "positive": {"5"}, "pair": {`(1,"x,y")`, "(,)"},
}

// pgType is a row of the matrix.
type pgType struct {
	name   string // of the catalog, the element's with [] for an array
	column Column
	values []string // what the server writes of the samples
}

func TestEveryTypeOfPostgresMeetsEveryGoTypeExactlyOrIsRefused(t *testing.T) {
	m := &matrix{T: t, conn: connect(t)}
	execute(t, m.conn, `create type mood as enum ('sad', 'o''k'); create domain positive as integer check (value > 0); create type pair as (a int, b text);
		set timezone to 'UTC'; set lc_monetary to 'en_US.UTF-8'; set client_min_messages to 'error'`)
	types := m.types()
	var page strings.Builder
	for _, p := range types {
		row := m.row(p)
		if !strings.HasSuffix(p.name, "[]") {
			fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", row[0], row[1], row[2], row[3])
		}
	}
	t.Logf("%d types, %d cells with a plan, %d values sent, %d read", len(types), m.cells, m.sent, m.read)
	if version := m.conn.PgConn().ParameterStatus("server_version"); !strings.HasPrefix(version, "13") {
		return // the page is about the oldest, which lacks some types
	}
	want := pageHead + page.String()
	if *update {
		if err := os.WriteFile(typesPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(typesPage); err != nil || string(have) != want {
		t.Errorf("docs/types.md is stale: run go test ./internal/pgcodec -run EveryType -update; %v", err)
	}
}

const pageHead = `# Types

Which Go types meet which types of Postgres. A test writes this page: it loads and reads values of each type by each
Go type on a live server, and holds all that gets through to the server's own text of it
(` + "`go test ./internal/pgcodec -run EveryType -update`" + `).

- What is not in a row is refused when the pipeline is validated.
- A value that does not fit (a fraction into an integer, a time of day into date, digits beyond a precision or a scale) is
  a reject that names column and value. It is never changed.
- A pointer to a type meets what the type meets, and nil is null. A named type meets what its underlying type meets.
  An array meets slices of what its element meets, a domain what its base meets.
- Text that only the server can read, such as a string for inet or money, makes the sink's COPY one in the text
  format. The server reads it as it reads a literal, and rounds as it does there: money to cents.
- A float is the number that its fewest digits write: 0.1 is 0.1 in real, double precision and numeric.
- null within JSON is nil where the Go type has nil, otherwise a reject.

| Postgres | read and written | only read | only written |
|---|---|---|---|
`

type matrix struct {
	*testing.T
	conn              *pgx.Conn
	cells, sent, read int
}

// types lists the types of the server, and those that the test made.
func (m *matrix) types() []pgType {
	m.Helper()
	rows, err := m.conn.Query(m.Context(), `
select y.oid::oid, case when e.oid is null then y.typname::text else e.typname || '[]' end, y.typtype = 'e' or coalesce(e.typtype = 'e', false),
       coalesce(e.oid, 0)::oid, format_type(y.oid, -1), b.oid::oid, coalesce(e.typname, y.typname)::text
  from pg_type y
  left join pg_type e on e.oid = y.typelem and y.typcategory = 'A' and e.typarray = y.oid
  left join pg_type b on b.oid = case when y.typtype = 'd' then y.typbasetype else y.oid end
 where y.typtype in ('b', 'e', 'd', 'c', 'r', 'm') and y.typnamespace in ('pg_catalog'::regnamespace, 'public'::regnamespace)
   and coalesce(e.typtype, y.typtype) <> 'p'
   and not exists (select from pg_class c where c.oid = coalesce(nullif(e.typrelid, 0), y.typrelid) and c.relkind <> 'c')
 order by y.typnamespace, e.oid is not null, y.oid`)
	if err != nil {
		m.Fatal(err)
	}
	var types []pgType
	elements := map[string]string{}
	var p pgType
	var element string
	var base uint32
	_, err = pgx.ForEachRow(rows, []any{&p.column.OID, &p.name, &p.column.Enum, &p.column.ElemOID, &p.column.TypeName, &base, &element}, func() error {
		p.column.Name, p.column.Typmod, p.column.OID = "v", -1, base
		types = append(types, p)
		elements[p.name] = element
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	for i := range types {
		p := &types[i]
		literals, ok := samples[elements[p.name]]
		if elements[p.name] == "aclitem" {
			literals = m.texts("select current_user || $1::text", "=r/"+m.conn.Config().User)
		}
		if !ok && !newWireType(p.column, m.conn.TypeMap()).takesNothing() {
			m.Errorf("there are no samples of type %s", p.name)
		}
		if p.column.ElemOID != 0 {
			p.values = m.texts("select concat(array(select unnest($1::text[]))::"+p.column.TypeName+")", literals)
			p.values = append(p.values, "{}", "{NULL}")
			continue
		}
		for _, l := range literals {
			p.values = append(p.values, m.texts("select concat($1::text::"+p.column.TypeName+")", l)...)
		}
	}
	return types
}

// texts runs a query of one value.
func (m *matrix) texts(query string, arg any) []string {
	m.Helper()
	var text string
	if err := m.conn.QueryRow(m.Context(), query, pgx.QueryExecModeExec, arg).Scan(&text); err != nil {
		m.Errorf("%s with %q: %v", query, arg, err)
		return nil
	}
	return []string{text}
}

// row tries a type with each Go type.
func (m *matrix) row(p pgType) [4]string {
	m.Helper()
	execute(m.T, m.conn, "drop table if exists matrix; create table matrix (v "+p.column.TypeName+"); discard plans")
	names := [4][]string{}
	for _, values := range goValues {
		t := reflect.TypeFor[any]()
		if values[0] != nil {
			t = reflect.TypeOf(values[0])
		}
		as := []reflect.Type{t, reflect.PointerTo(t)}
		if p.column.ElemOID != 0 {
			as = append(as, reflect.SliceOf(t), reflect.SliceOf(reflect.PointerTo(t)))
		}
		for i, t := range as {
			reads, writes := m.cell(p, t, values)
			if i == 0 && !strings.Contains(t.String(), "named") {
				at := map[[2]bool]int{{true, true}: 1, {true, false}: 2, {false, true}: 3}[[2]bool{reads, writes}]
				names[at] = append(names[at], strings.ReplaceAll(t.String(), "github.com/jackc/pgx/v5/", ""))
			}
		}
	}
	row := [4]string{p.column.TypeName}
	for i := 1; i < 4; i++ {
		row[i] = strings.NewReplacer("pgcodec.document", "structs", "interface {}", "any", "uint8", "byte").Replace(strings.Join(names[i], ", "))
	}
	return row
}

// cell tries both directions, and tells which there are.
func (m *matrix) cell(p pgType, t reflect.Type, values []any) (reads, writes bool) {
	m.Helper()
	c := newCompiler(m.conn.TypeMap())
	c.arena = &arena{size: arenaBlock}
	w := newWireType(p.column, c.m)
	plan, _ := c.encoder(t, w)
	writes = plan.encode != nil
	source := *w
	if _, known := c.m.TypeForOID(w.oid); c.readsAsText(t, w) || !HasBinary(p.column, c.m) || !known && w.kind != kindText && (w.elem == nil || w.elem.kind != kindText) {
		source.text = true
	}
	decode, reads := c.decoder(t, &source)
	exactWrites, refusedByServer := 0, error(nil)
	write := func(v reflect.Value, want string) {
		text, err := m.write(plan, c, w, v)
		var value *ValueError
		var server *pgconn.PgError
		switch {
		case errors.As(err, &value):
		case errors.As(err, &server):
			refusedByServer = err
			if !strings.HasPrefix(server.Code, "22") && !strings.HasPrefix(server.Code, "23") && server.Code[:2] != "42" && server.Code[:2] != "3F" {
				m.Errorf("%s <- %v %s: %v", p.name, t, showValue(v.Interface()), err)
			}
		case err != nil:
			m.Errorf("%s <- %v: %v", p.name, t, err)
		case want != "" && text != want && !sameAgain(v, text, want, p):
			m.Errorf("%s %q was read into %v, and written as %q", p.name, want, t, text)
		case want == "" && !m.means(v, text, p):
			m.Errorf("%s <- %v %s is %q", p.name, t, showValue(v.Interface()), text)
		default:
			exactWrites++
		}
	}
	if writes || reads {
		m.cells++
	}
	if reads {
		exact := 0
		for _, text := range p.values {
			v := reflect.New(t)
			src := m.wire(p, text, source.text)
			err := decode.decode(src, v.UnsafePointer())
			var value *ValueError
			switch {
			case errors.As(err, &value):
				continue
			case err != nil:
				m.Errorf("%v <- %s %q: %v", t, p.name, text, err)
				continue
			case !m.means(v.Elem(), text, p):
				m.Errorf("%v <- %s %q is %s", t, p.name, text, showValue(v.Elem().Interface()))
				continue
			}
			exact++
			m.read++
			if writes {
				write(v.Elem(), "is "+text)
			}
		}
		if exact == 0 && len(p.values) > 0 {
			m.Errorf("%v <- %s: no value can be read, and the validation says nothing", t, p.name)
		}
	}
	if writes {
		for _, given := range values {
			if v, ok := as(given, t); ok {
				write(v, "")
			}
		}
		if exactWrites == 0 && refusedByServer != nil && t != reflect.TypeFor[any]() {
			m.Errorf("%s <- %v: the server takes no value, and the validation says nothing: %v", p.name, t, refusedByServer)
		}
	}
	return reads, writes
}

// as makes a value of type t of a value, a pointer or slice of it.
func as(given any, t reflect.Type) (reflect.Value, bool) {
	v := reflect.New(t).Elem()
	switch {
	case given == nil:
		return v, true
	case reflect.TypeOf(given) == t:
		v.Set(reflect.ValueOf(given))
	case t.Kind() == reflect.Pointer:
		inner, ok := as(given, t.Elem())
		if !ok {
			return v, false
		}
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(inner)
	case t.Kind() == reflect.Slice:
		inner, ok := as(given, t.Elem())
		if !ok {
			return v, false
		}
		v.Set(reflect.Append(reflect.MakeSlice(t, 0, 1), inner))
	default:
		return v, false
	}
	return v, true
}

// wire is what the server sends of a value in a format.
func (m *matrix) wire(p pgType, text string, asText bool) []byte {
	m.Helper()
	format := int16(pgtype.BinaryFormatCode)
	if asText {
		format = pgtype.TextFormatCode
	}
	r := m.conn.PgConn().ExecParams(m.Context(), "select $1::text::"+p.column.TypeName, [][]byte{[]byte(text)}, nil, nil, []int16{format}).Read()
	if r.Err != nil || len(r.Rows) != 1 {
		m.Fatalf("%s %q: %v", p.name, text, r.Err)
	}
	return r.Rows[0][0]
}

// write loads a value by itself and returns the server's text of what arrived, "null" or "is "
// and the text.
func (m *matrix) write(plan encodePlan, c *compiler, w *wireType, v reflect.Value) (string, error) {
	boxed := reflect.New(v.Type())
	boxed.Elem().Set(v)
	e := &Encoder[struct{}]{plans: []encodePlan{plan}, names: []planNames{{column: "v"}}}
	formats := []Format{Text}
	if plan.text == nil {
		formats = []Format{Binary, Text}
	}
	var texts []string
	for _, format := range formats {
		e.format = format
		if format == Text {
			e.writers = nil
			e.writeText(c, []*wireType{w})
		}
		tuple, err := e.Append(nil, (*struct{})(boxed.UnsafePointer()))
		if err != nil {
			return "", err
		}
		text, err := m.load(format, tuple)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	if len(slices.Compact(texts)) != 1 {
		return "", fmt.Errorf("%s %s: binary and text differ: %q", w.name, showValue(v.Interface()), texts)
	}
	return texts[0], nil
}

func (m *matrix) load(format Format, tuple []byte) (string, error) {
	m.sent++
	stream := format.AppendTrailer(append(format.AppendHeader(nil), tuple...))
	if _, err := m.conn.PgConn().CopyFrom(m.Context(), bytes.NewReader(stream), "copy matrix from stdin (format "+format.String()+")"); err != nil {
		return "", err
	}
	r := m.conn.PgConn().ExecParams(context.Background(), "select v from matrix; ", nil, nil, nil, []int16{pgtype.TextFormatCode}).Read()
	if r.Err != nil || len(r.Rows) != 1 {
		return "", fmt.Errorf("%d rows: %w", len(r.Rows), r.Err)
	}
	text := "null"
	if r.Rows[0][0] != nil {
		text = "is " + string(r.Rows[0][0])
	}
	_, err := m.conn.Exec(m.Context(), "truncate matrix")
	return text, err
}

// means reports whether a Go value is what the server writes, as far as that can be told
// without the codec; values of other types are held to their way back.
func (m *matrix) means(v reflect.Value, text string, p pgType) bool {
	text, notNull := strings.CutPrefix(text, "is ")
	_ = notNull
	if value, valid, ok := nullable(v.Type()); ok {
		if !v.FieldByIndex(valid.Index).Bool() {
			return text == "null"
		}
		return m.means(v.FieldByIndex(value.Index), text, p)
	}
	if v.Kind() == reflect.Pointer {
		return v.IsNil() && text == "null" || !v.IsNil() && m.means(v.Elem(), text, p)
	}
	if v.Kind() == reflect.Interface && v.IsNil() {
		return text == "null"
	}
	if strings.HasSuffix(p.name, "[]") {
		return true // each element by the way back
	}
	isBytes := v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8
	if strings.HasPrefix(p.name, "json") && !holdsText(v.Type()) && !isBytes && !isDecimal(v.Type()) && v.Type() != reflect.TypeFor[any]() {
		return sameJSON(v, text, text)
	}
	number := strings.NewReplacer("$", "", ",", "").Replace(text)
	switch g := v.Interface().(type) {
	case time.Duration, time.Time, net.IP, json.RawMessage, net.HardwareAddr:
		return true
	case decimal.Decimal:
		number = strings.Trim(number, `"`)
		return sameNumber([]byte(g.String()), []byte(number))
	case big.Int:
		return sameNumber([]byte(g.String()), []byte(number))
	case [16]byte:
		return strings.ReplaceAll(text, "-", "") == hex.EncodeToString(g[:])
	}
	switch v.Kind() {
	case reflect.Bool:
		return text == map[bool]string{true: "t", false: "f"}[v.Bool()] || strings.HasPrefix(p.name, "json") && text == fmt.Sprint(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		number = strings.TrimPrefix(number, "-0")
		if number == "" {
			number = "0"
		}
		f, err := strconv.ParseFloat(number, map[bool]int{true: 32, false: 64}[p.name == "float4"])
		isFloat := err == nil && strings.HasPrefix(p.name, "float") && new(big.Float).SetFloat64(f).Text('f', 0) == fmt.Sprint(v.Interface())
		return isFloat || sameNumber(fmt.Append(nil, v.Interface()), []byte(number)) || p.name == "char"
	case reflect.Float32, reflect.Float64:
		var f float64
		if _, err := fmt.Sscan(number, &f); err != nil {
			return false
		}
		bits := v.Type().Bits()
		if strings.HasPrefix(p.name, "int") {
			return v.Float() == 0 && number == "0" || new(big.Float).SetFloat64(v.Float()).Text('f', 0) == number
		}
		return math.IsNaN(f) && math.IsNaN(v.Float()) || keepsDigits([]byte(number), v.Float(), bits) || p.name == "float4" && v.Float() == float64(float32(f)) || p.name == "float8" && v.Float() == f || math.IsInf(f, 0) && f == v.Float()
	case reflect.String:
		if v.String() == text || strings.HasPrefix(p.name, "reg") {
			return true // the numbers of objects aside, whose names the server looks up
		}
		want := m.texts("select concat($1::text::"+p.column.TypeName+")", v.String())
		return len(want) == 1 && want[0] == text
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return text == string(v.Bytes()) || text == `\x`+hex.EncodeToString(v.Bytes()) || strings.HasPrefix(p.name, "json")
		}
	}
	return true
}

// sameAgain reports whether what came back from Go is what went there, but for how it is
// written: the zeros of a number, its minus if it is 0, the spaces of a document.
func sameAgain(v reflect.Value, text, want string, p pgType) bool {
	text, want = strings.TrimPrefix(text, "is "), strings.TrimPrefix(want, "is ")
	switch {
	case strings.HasPrefix(p.name, "json"):
		return strings.HasSuffix(p.name, "[]") || sameJSON(v, text, want)
	case p.name == "float4" || p.name == "float8" || p.name == "numeric":
		bits := 64
		if strings.Contains(strings.ToLower(v.Type().String()), "float32") || strings.Contains(v.Type().String(), "Float4") {
			bits = 32
		}
		a, errA := strconv.ParseFloat(text, bits)
		b, errB := strconv.ParseFloat(want, bits)
		return sameNumber([]byte(text), []byte(want)) || bits == 32 && errA == nil && errB == nil && float32(a) == float32(b)
	}
	// The elements' own rows have looked at these more closely.
	return slices.Contains([]string{"float4[]", "float8[]", "numeric[]"}, p.name)
}

// sameJSON compares documents by value, and what a Go value holds of one.
func sameJSON(v reflect.Value, text, want string) bool {
	if text == "null" || strings.TrimPrefix(want, "is ") == "null" {
		return true // nil is null, in JSON and without
	}
	boxed := reflect.New(v.Type())
	boxed.Elem().Set(v)
	have, err := json.Marshal(boxed.Interface())
	if err != nil {
		return false
	}
	core := v.Type()
	for core.Kind() == reflect.Pointer {
		core = core.Elem()
	}
	if core == reflect.TypeFor[document]() {
		return true // members that the struct lacks
	}
	var a, b any
	for _, d := range []struct {
		text string
		into *any
	}{{string(have), &a}, {strings.TrimPrefix(text, "is "), &b}} {
		decoder := json.NewDecoder(strings.NewReader(d.text))
		decoder.UseNumber()
		if err := decoder.Decode(d.into); err != nil {
			return false
		}
	}
	x, okX := a.(json.Number)
	y, okY := b.(json.Number)
	return okX && okY && sameNumber([]byte(x), []byte(y)) || reflect.DeepEqual(a, b)
}
