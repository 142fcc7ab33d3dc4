package pgcatalog

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

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
