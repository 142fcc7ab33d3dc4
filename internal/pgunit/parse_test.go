package pgunit

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestParseTable(t *testing.T) {
	for in, want := range map[string]pgx.Identifier{
		"sales":          {"sales"},
		"Public.Sales":   {"Public", "Sales"},
		`"a.b"`:          {"a.b"},
		`x."a""b"`:       {"x", `a"b`},
		`"x"."y"`:        {"x", "y"},
		"select":         {"select"},
		"with space.t-1": {"with space", "t-1"},
		"":               nil,
		".":              nil,
		"a.":             nil,
		".b":             nil,
		"a.b.c":          nil,
		`"a`:             nil,
		`"a"b`:           nil,
		`""`:             nil,
		"a\x00":          nil,
	} {
		got, err := ParseTable(in)
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	for _, s := range []string{"a", "a.b", `"a.b"."c""d"`, `"`, ".", `a."`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseTable(s)
		if err != nil {
			return
		}
		// What was understood means the same when it is written in quotes.
		again, err := ParseTable(id.Sanitize())
		if err != nil || !slices.Equal(id, again) {
			t.Errorf("%q is %q, and again %q, %v", s, id, again, err)
		}
	})
}

func TestWhereARefusalIs(t *testing.T) {
	for _, c := range []struct {
		err           pgconn.PgError
		line          int64
		column, value string
	}{
		{pgconn.PgError{Where: "COPY sales, line 12, column quantity"}, 12, "quantity", ""},
		{pgconn.PgError{Where: "COPY sales, line 12, column quantity: \"abc\""}, 12, "quantity", ""},
		{pgconn.PgError{Where: "COPY sales, line 12"}, 12, "", ""},
		{pgconn.PgError{Where: "COPY sales, Zeile 12, Spalte menge"}, 12, "menge", ""},
		{pgconn.PgError{Where: "COPY a, b, line 5, column c"}, 5, "c", ""},
		{pgconn.PgError{Where: "SQL statement \"select 1\"\nPL/pgSQL function f() line 3 at RAISE\nCOPY sales, line 4"}, 4, "", ""},
		{pgconn.PgError{Where: "PL/pgSQL function f() line 3 at RAISE"}, 0, "", ""},
		{pgconn.PgError{Detail: "Key (a, b)=(1, x) already exists.", Where: "COPY sales, line 2"}, 2, "a, b", "1, x"},
		{pgconn.PgError{Detail: "Failing row contains (1, null).", ColumnName: "b"}, 0, "b", ""},
		{pgconn.PgError{}, 0, "", ""},
	} {
		column, value := Place(&c.err)
		if line := CopyLine(&c.err); line != c.line || column != c.column || value != c.value {
			t.Errorf("%+v: got line %d, column %q, value %q", c.err, line, column, value)
		}
	}
}

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1`, true}, {`{"a": 1, "b": [2]}`, `{"b":[2],"a":1}`, true}, {`9007199254740993`, `9007199254740992`, false},
		{`"x"`, `"y"`, false}, {``, ``, true}, {``, `1`, false}, {`1`, ``, false}, {`null`, `null`, true}, {`nonsense`, `1`, false},
	} {
		raw := func(s string) json.RawMessage {
			if s == "" {
				return nil
			}
			return json.RawMessage(s)
		}
		if got := sameJSON(raw(c.a), raw(c.b)); got != c.want {
			t.Errorf("%s and %s: got %v", c.a, c.b, got)
		}
	}
}
