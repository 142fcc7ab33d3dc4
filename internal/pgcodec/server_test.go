package pgcodec

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
)

// connect gives the test a connection to a database of its own.
func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	return acquire(t, devdb.Test(t))
}

func acquire(t *testing.T, pool *pgxpool.Pool) *pgx.Conn {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return conn.Conn()
}

func execute(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// describe gives the columns of a query as the server describes them.
func describe(t *testing.T, conn *pgx.Conn, query string) []Column {
	t.Helper()
	d, err := conn.Prepare(t.Context(), "", query)
	if err != nil {
		t.Fatal(err)
	}
	cols := FromDescriptions(d.Fields)
	for i := range cols {
		if err := conn.QueryRow(t.Context(), "select typtype = 'e' from pg_type where oid = $1", cols[i].OID).Scan(&cols[i].Enum); err != nil {
			t.Fatal(err)
		}
	}
	return cols
}

// load copies records into a table.
func load[T any](t *testing.T, conn *pgx.Conn, table string, cols []Column, records []T) error {
	t.Helper()
	e, err := NewEncoder[T](cols, conn.TypeMap())
	if err != nil {
		t.Fatal(err)
	}
	b := e.Format().AppendHeader(nil)
	for i := range records {
		if b, err = e.Append(b, &records[i]); err != nil {
			t.Fatal(err)
		}
	}
	names := make([]string, len(e.Columns()))
	for i, c := range e.Columns() {
		names[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	statement := fmt.Sprintf("copy %s (%s) from stdin (format %v)", pgx.Identifier{table}.Sanitize(), strings.Join(names, ", "), e.Format())
	_, err = conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(e.Format().AppendTrailer(b)), statement)
	return err
}

// fetch reads a query's rows in both ways: by COPY and by the extended protocol.
func fetch[T any](t *testing.T, conn *pgx.Conn, query string, cols []Column) (byCopy, byQuery []T) {
	t.Helper()
	d, err := NewDecoder[T](cols, conn.TypeMap())
	if err != nil {
		t.Fatal(err)
	}
	var copied bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &copied, "copy ("+query+") to stdout (format binary)"); err != nil {
		t.Fatal(err)
	}
	for _, values := range copyRows(t, len(cols), copied.Bytes()) {
		byCopy = append(byCopy, *new(T))
		if err := d.Decode(values, &byCopy[len(byCopy)-1]); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(t.Context(), query, pgx.QueryResultFormats{pgtype.BinaryFormatCode})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		byQuery = append(byQuery, *new(T))
		if err := d.Decode(rows.RawValues(), &byQuery[len(byQuery)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return byCopy, byQuery
}

// stored is a value, the type of the column it goes into, and how the server
// writes what arrived.
type stored struct {
	column string
	want   string // "null" is null
	run    func(t *testing.T, conn *pgx.Conn, want string)
}

func store[V any](column string, v V, want string) stored {
	return stored{column, want, func(t *testing.T, conn *pgx.Conn, want string) {
		table := newTable(t, conn, column)
		cols := describe(t, conn, "select * from "+table)
		if err := load(t, conn, table, cols, []record[V]{{v}, {v}}); err != nil {
			t.Fatal(err)
		}
		var text *string
		if err := conn.QueryRow(t.Context(), "select v::text from "+table+" limit 1").Scan(&text); err != nil {
			t.Fatal(err)
		}
		switch {
		case text == nil && want != "null":
			t.Fatalf("%#v arrived as null", v)
		case text != nil && *text != want:
			t.Fatalf("%#v arrived as %s, want %s", v, *text, want)
		}
		byCopy, byQuery := fetch[record[V]](t, conn, "select * from "+table, cols)
		for _, got := range append(byCopy, byQuery...) {
			if !sameMeaning(got.V, v) {
				t.Errorf("%#v came back as %#v", v, got.V)
			}
		}
		if len(byCopy) != 2 || len(byQuery) != 2 {
			t.Errorf("%d rows by COPY, %d by query", len(byCopy), len(byQuery))
		}
	}}
}

// newTable makes a table of a column v. Each has a name of its own, since pgx
// remembers what it prepared for a name.
func newTable(t *testing.T, conn *pgx.Conn, column string) string {
	t.Helper()
	tables++
	name := fmt.Sprintf("stored_%d", tables)
	execute(t, conn, "create table "+name+" (v "+column+")")
	return name
}

var tables int

// sameMeaning is equal, for pointers and text forms too.
func sameMeaning(a, b any) bool {
	if equal(a, b) {
		return true
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Kind() == reflect.Pointer && !x.IsNil() && !y.IsNil() {
		return sameMeaning(x.Elem().Interface(), y.Elem().Interface())
	}
	return false
}

func TestTheServerReadsWhatWasWrittenAndSendsItBack(t *testing.T) {
	conn := connect(t)
	execute(t, conn, `create type mood as enum ('sad', 'ok', 'happy')`)
	execute(t, conn, `create domain positive as integer check (value > 0)`)
	ptr := func(s string) *string { return &s }
	digits60 := strings.Repeat("1234567890", 6)
	paris := time.FixedZone("CEST", 2*3600)
	at := time.Date(2024, 7, 14, 23, 30, 15, 123456789, paris)
	cut := func(y int, m time.Month, d, h, min int) time.Time {
		return time.Date(y, m, d, h, min, 15, 123456000, time.UTC)
	}

	tests := []stored{
		store("boolean", true, "true"),
		store("boolean", pgtype.Bool{}, "null"),
		store("smallint", int64(-32768), "-32768"),
		store("integer", uint16(65535), "65535"),
		store("bigint", int64(math.MinInt64), "-9223372036854775808"),
		store("bigint", pgtype.Int8{Int64: 7, Valid: true}, "7"),
		store("bigint", (*int64)(nil), "null"),
		store("bigint", sql.NullInt64{}, "null"),
		store("real", float32(1.5), "1.5"),
		store("double precision", 0.1, "0.1"),
		store("double precision", math.Inf(-1), "-Infinity"),
		store("double precision", math.NaN(), "NaN"),
		store("double precision", 42, "42"),
		store("positive", int32(5), "5"),

		store("numeric", int64(math.MinInt64), "-9223372036854775808"),
		store("numeric", uint64(math.MaxUint64), "18446744073709551615"),
		store("numeric", 0.1, "0.1"),
		store("numeric", 1e-300, "0."+strings.Repeat("0", 299)+"1"),
		store("numeric", 1e300, "1"+strings.Repeat("0", 300)),
		store("numeric", float32(0.1), "0.1"),
		store("numeric", math.NaN(), "NaN"),
		store("numeric(12,2)", decimal.MustParse("-1234567890.50"), "-1234567890.50"),
		store("numeric(12,2)", decimal.MustParse("0.00"), "0.00"),
		store("numeric", decimal.MustParse("0.0000000000000000001"), "0.0000000000000000001"),
		store("numeric", decimal.MustParse("9999999999999999999"), "9999999999999999999"),
		store("numeric", decimal.NullDecimal{}, "null"),
		store("numeric", "-"+digits60+"."+digits60, "-"+digits60+"."+digits60),
		store("numeric", pgNumeric(t, digits60+".25"), digits60+".25"),
		store("numeric", pgtype.Numeric{}, "null"),
		store("numeric", "10000.00010000", "10000.00010000"),
		store("numeric", "0.00000001", "0.00000001"),
		store("numeric[]", []decimal.Decimal{decimal.MustParse("1.10"), decimal.MustParse("-20000")}, "{1.10,-20000}"),

		store("text", "naïve 漢字 😀 \t\"quoted\"", "naïve 漢字 😀 \t\"quoted\""),
		store("text", "", ""),
		store("text", (*string)(nil), "null"),
		store("text", pgtype.Text{String: "", Valid: true}, ""),
		store("text", []byte("bytes"), "bytes"),
		store("text", []byte(nil), "null"),
		store("varchar(5)", "éééé", "éééé"),
		store("name", "a name", "a name"),
		store("mood", "happy", "happy"),
		store("mood", namedString("ok"), "ok"),
		store("mood", (*namedString)(nil), "null"),
		store("bytea", []byte{0, 1, 0xff}, `\x0001ff`),
		store("bytea", []byte{}, `\x`),
		store("uuid", [16]byte{0: 0x12, 15: 0xef}, "12000000-0000-0000-0000-0000000000ef"),
		store("uuid", "12000000-0000-0000-0000-0000000000ef", "12000000-0000-0000-0000-0000000000ef"),

		store("date", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "2024-02-29"),
		store("date", time.Date(-4713, 11, 24, 0, 0, 0, 0, time.UTC), "4714-11-24 BC"),
		store("date", time.Date(5874897, 12, 31, 0, 0, 0, 0, time.UTC), "5874897-12-31"),
		store("date", pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, "-infinity"),
		store("date", time.Time{}, "0001-01-01"),
		store("timestamp", cut(2024, 7, 14, 23, 30), "2024-07-14 23:30:15.123456"),
		store("timestamp", pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}, "infinity"),
		store("timestamp", time.Date(294276, 12, 31, 23, 59, 59, 999999000, time.UTC), "294276-12-31 23:59:59.999999"),
		store("timestamptz", cut(1969, 7, 20, 20, 17), "1969-07-20 20:17:15.123456+00"),
		store("timestamptz", pgtype.Timestamptz{}, "null"),
		store("time", time.Date(2000, 1, 1, 23, 59, 58, 7000, time.UTC), "23:59:58.000007"),
		store("time", pgtype.Time{Microseconds: dayMicros, Valid: true}, "24:00:00"),

		store("json", `{"a": [1,2]}`, `{"a": [1,2]}`),
		store("jsonb", json.RawMessage(`{"a": [1, 2]}`), `{"a": [1, 2]}`),
		store("jsonb", ptr("null"), "null"),
		store("jsonb", map[string]int{"k": 1}, `{"k": 1}`),
		store("jsonb", struct{ A *int }{}, `{"A": null}`),

		store("bigint[]", []int64{1, -2}, "{1,-2}"),
		store("bigint[]", []int64{}, "{}"),
		store("bigint[]", []int64(nil), "null"),
		store("text[]", []*string{ptr("a,b"), nil, ptr("")}, `{"a,b",NULL,""}`),
		store("integer[]", [][]int32{{1, 2}, {3, 4}}, "{{1,2},{3,4}}"),
		store("date[]", []time.Time{time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)}, "{2024-02-29}"),
		store("bytea[]", [][]byte{{1}, nil}, `{"\\x01",NULL}`),

		store("interval", 90*time.Minute, "01:30:00"),
		store("inet", netip.MustParseAddr("10.1.2.3"), "10.1.2.3/32"),
		store("int4range", pgtype.Range[pgtype.Int4]{
			Lower: pgtype.Int4{Int32: 1, Valid: true}, Upper: pgtype.Int4{Int32: 5, Valid: true},
			LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
		}, "[1,5)"),
	}
	execute(t, conn, "set timezone to 'UTC'")
	for _, test := range tests {
		t.Run(test.column+" "+test.want[:min(20, len(test.want))], func(t *testing.T) { test.run(t, conn, test.want) })
	}

	// What the server or the format would cut, round or drop is refused.
	for name, refused := range map[string]error{
		"a time of day into date":            stores(t, conn, "date", at),
		"a time of day as text into date":    stores(t, conn, "date", "2024-07-14 12:00:00"),
		"nanoseconds into timestamp":         stores(t, conn, "timestamp", at),
		"nanoseconds into timestamptz":       stores(t, conn, "timestamptz", at),
		"microseconds into timestamptz(0)":   stores(t, conn, "timestamptz(0)", cut(2024, 7, 14, 23, 30)),
		"microseconds into timestamp(3)[]":   stores(t, conn, "timestamp(3)[]", []time.Time{cut(2024, 7, 14, 23, 30)}),
		"microseconds into time(3)":          stores(t, conn, "time(3)", pgtype.Time{Microseconds: 1, Valid: true}),
		"an offset as text into timestamp":   stores(t, conn, "timestamp", "2024-07-14 12:00:00+02"),
		"no offset as text into timestamptz": stores(t, conn, "timestamptz", "2024-07-14 12:00:00"),
		"a date into time":                   stores(t, conn, "time", cut(2024, 7, 14, 23, 30)),
		"a decimal into numeric(12,2)":       stores(t, conn, "numeric(12,2)", decimal.MustParse("-1.005")),
		"text into numeric(12,2)":            stores(t, conn, "numeric(12,2)", "1.005"),
		"a float into numeric(12,2)":         stores(t, conn, "numeric(12,2)", 1.004999),
		"a float64 into real":                stores(t, conn, "real", 1.0/3),
		"17 digits as text into real":        stores(t, conn, "real", "0.12345678901234567"),
		"spaces beyond varchar(3)":           stores(t, conn, "varchar(3)", "abc  "),
		"nanoseconds into interval":          stores(t, conn, "interval", time.Nanosecond),
	} {
		var value *ValueError
		if !errors.As(refused, &value) || value.Column != "v" {
			t.Errorf("%s: got %v", name, refused)
		}
	}
	for _, test := range []struct{ column, want, got string }{
		{"numeric(12,2) from a longer decimal", "-1.00", stored1(t, conn, "numeric(12,2)", decimal.MustParse("-1.000"))},
		{"real from a float64 of few digits", "0.1", stored1(t, conn, "real", 0.1)},
		{"timestamptz(0)", "2024-07-14 23:30:15+00", stored1(t, conn, "timestamptz(0)", cut(2024, 7, 14, 23, 30).Truncate(time.Second))},
		{"char(5), padded", "ab   |", stored1(t, conn, "char(5)", "ab") + "|"},
		{"integer from text", "42", stored1(t, conn, "integer", "42")},
		{"date from text", "2024-02-29", stored1(t, conn, "date", "2024-02-29")},
		{"boolean from text", "t", stored1(t, conn, "boolean", "t")},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", test.column, test.got, test.want)
		}
	}
}

// stores loads a value, and returns why it cannot.
func stores[V any](t *testing.T, conn *pgx.Conn, column string, v V) error {
	t.Helper()
	e, err := NewEncoder[record[V]](describe(t, conn, "select * from "+newTable(t, conn, column)), conn.TypeMap())
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Append(nil, &record[V]{v})
	return err
}

// stored1 is what the server makes of a value.
func stored1[V any](t *testing.T, conn *pgx.Conn, column string, v V) (text string) {
	t.Helper()
	table := newTable(t, conn, column)
	if err := load(t, conn, table, describe(t, conn, "select * from "+table), []record[V]{{v}}); err != nil {
		t.Fatal(err)
	}
	// concat keeps the padding of char(n), which a cast to text drops
	if err := conn.QueryRow(t.Context(), "select concat(v) from "+table).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestArraysOfEnumsGoBothWaysWhetherTheMapKnowsThemOrNot(t *testing.T) {
	conn := connect(t)
	execute(t, conn, `create type "Mood" as enum ('sad', 'ok'); create table t (id int, moods "Mood"[])`)
	type row struct {
		ID    int32
		Moods []string
	}
	want := []row{{1, []string{"ok", "sad"}}, {2, []string{}}, {3, nil}}
	check := func(t *testing.T, cols []Column) {
		t.Helper()
		execute(t, conn, "truncate t")
		if err := load(t, conn, "t", cols, want); err != nil {
			t.Fatal(err)
		}
		byCopy, byQuery := fetch[row](t, conn, "select * from t order by id", cols)
		if !reflect.DeepEqual(byCopy, want) || !reflect.DeepEqual(byQuery, want) {
			t.Errorf("got %v and %v", byCopy, byQuery)
		}
	}

	t.Run("not known", func(t *testing.T) {
		var typeErr *TypeError
		if _, err := NewEncoder[row](describe(t, conn, "select * from t"), nil); !errors.As(err, &typeErr) || !strings.Contains(err.Error(), "is the type with OID") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("described by the catalog", func(t *testing.T) {
		cols := describe(t, conn, "select * from t")
		if err := conn.QueryRow(t.Context(), "select typelem from pg_type where oid = $1", cols[1].OID).Scan(&cols[1].ElemOID); err != nil {
			t.Fatal(err)
		}
		cols[1].Enum = true
		check(t, cols)
	})
	t.Run("registered", func(t *testing.T) {
		for _, name := range []string{`"Mood"`, `"Mood"[]`} {
			known, err := conn.LoadType(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			conn.TypeMap().RegisterType(known)
		}
		check(t, describe(t, conn, "select * from t"))
	})
}

func TestColumnsThatTheStructHasNotAreLeftToTheirDefaults(t *testing.T) {
	conn := connect(t)
	execute(t, conn, `create table t ("Order" text not null, id bigint generated always as identity, "select" int default 7, doubled int generated always as (2) stored)`)
	type row struct {
		Select *int   `db:"select"`
		Name   string `db:"Order"`
	}
	type nameOnly struct {
		Name string `db:"Order"`
	}
	cols := describe(t, conn, "select * from t")
	if err := load(t, conn, "t", cols, []nameOnly{{"a"}, {"b"}}); err != nil {
		t.Fatal(err)
	}
	seven := 7
	byCopy, _ := fetch[row](t, conn, "select * from t order by id", cols)
	if want := []row{{&seven, "a"}, {&seven, "b"}}; !reflect.DeepEqual(byCopy, want) {
		t.Errorf("got %v", byCopy)
	}
}

func TestTheServerTakesARandomNumericAsItIs(t *testing.T) {
	conn := connect(t)
	execute(t, conn, "create table t (i int, text numeric, pg numeric, small numeric, want text)")
	type row struct {
		I     int
		Text  string
		PG    pgtype.Numeric
		Small decimal.Decimal
		Want  string
	}
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([]row, 2000)
	for i := range rows {
		s := numericText(r)
		rows[i] = row{i, s, pgNumeric(t, s), someDecimal(r), s}
	}
	cols := describe(t, conn, "select * from t")
	if err := load(t, conn, "t", cols, rows); err != nil {
		t.Fatal(err)
	}
	var wrong int
	if err := conn.QueryRow(t.Context(), "select count(*) from t where text::text <> want or pg <> text").Scan(&wrong); err != nil || wrong > 0 {
		t.Errorf("%d of %d differ; %v", wrong, len(rows), err)
	}
	byCopy, byQuery := fetch[row](t, conn, "select * from t order by i", cols)
	for i := range rows {
		for _, got := range []row{byCopy[i], byQuery[i]} {
			if got.Text != rows[i].Text || !equal(got.PG, rows[i].PG) || got.Small != rows[i].Small {
				t.Fatalf("%+v came back as %+v", rows[i], got)
			}
		}
	}
}

func TestTextColumnsOfAResultGoByPgx(t *testing.T) {
	conn := connect(t)
	query := "select 42::int as i, '{user=r/postgres}'::text as acl, '2024-02-29'::date as d"
	cols := describe(t, conn, query)
	for i := range cols {
		cols[i].Text = true
	}
	type row struct {
		I   int64
		ACL *string
		D   time.Time
	}
	d, err := NewDecoder[row](cols, conn.TypeMap())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), query, pgx.QueryResultFormats{pgtype.TextFormatCode})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.Next()
	var got row
	if err := d.Decode(rows.RawValues(), &got); err != nil {
		t.Fatal(err)
	}
	if got.I != 42 || *got.ACL != "{user=r/postgres}" || !got.D.Equal(time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", got)
	}
}

func TestTheServerRefusesWhatOnlyItCanKnow(t *testing.T) {
	conn := connect(t)
	execute(t, conn, "create type mood as enum ('sad'); create table t (v mood)")
	err := load(t, conn, "t", describe(t, conn, "select * from t"), []record[string]{{"sad"}, {"elated"}})
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !strings.Contains(pgErr.Message, "elated") {
		t.Errorf("got %v", err)
	}
	if err := conn.Ping(context.Background()); err != nil {
		t.Errorf("the connection is lost: %v", err)
	}
}
