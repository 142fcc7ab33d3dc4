package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func TestTheCommandLine(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("sales.csv", []byte("id,price\n1,12.50\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	database := devdb.TestURL(t)
	tests := []struct {
		name     string
		args     []string
		database string
		code     int
		out, err string // what standard output and standard error must hold
	}{
		{"nothing", nil, "", 0, "millrace struct sales.csv > main.go", ""},
		{"help", []string{"struct", "--help"}, "", 0, "--encoding=NAME", ""},
		{"a file", []string{"struct", "sales.csv"}, "", 0, "ID    int64  `csv:\"id\" db:\"id\"`", ""},
		{"a number of rows", []string{"struct", "sales.csv", "--rows=1"}, "", 0, "package main", "millrace: Only the first 1 records were looked at"},
		{"an unknown flag", []string{"struct", "--frob"}, "", 2, "", "millrace: unknown flag --frob (millrace struct --help explains)"},
		{"a header that is neither", []string{"struct", "sales.csv", "--header=maybe"}, "", 2, "", "must be one of"},
		{"no file, no table", []string{"struct"}, "", 1, "", "millrace: a file, a table or a URL is needed"},
		{"a file that is not there", []string{"struct", "orders"}, "", 1, "", "millrace: orders: no such file or directory; for a table of that name set DATABASE_URL"},
		{"neither a file nor a table", []string{"struct", "orders"}, database, 1, "", `millrace: neither a file nor a table: orders: no such file or directory; table "orders" does not exist`},
		{"a table", []string{"struct", "pg_catalog.pg_class"}, database, 0, "`db:\"relname\"`", ""},
		{"a table by its flag", []string{"struct", "--table", "pg_catalog.pg_class"}, database, 0, "`db:\"relname\"`", ""},
		{"a table of a URL", []string{"struct", database, "--table", "pg_catalog.pg_class"}, "", 0, "os.Getenv(\"DATABASE_URL\")", ""},
		{"a URL without a table", []string{"struct", database}, "", 1, "", "millrace: which table? Name it by --table"},
		{"a table without a database", []string{"struct", "--table", "x"}, "", 1, "", "millrace: set DATABASE_URL to the table's database"},
		{"a URL that is none", []string{"struct", "postgres://u:hidden@:x/", "--table", "x"}, "", 1, "", "millrace: the database's URL cannot be understood\n"},
		{"rows of a table", []string{"struct", "--table", "x", "--rows", "3"}, database, 1, "", "millrace: --rows, --encoding and --header are for files"},
		{"a file and a table", []string{"struct", "sales.csv", "--table", "x"}, database, 1, "", "millrace: --table goes with a postgres URL"},
		{"negative rows", []string{"struct", "sales.csv", "--rows=-1"}, "", 1, "", "millrace: --rows is -1: it cannot be negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("DATABASE_URL", test.database)
			var out, err bytes.Buffer
			if code := run(t.Context(), test.args, &out, &err); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(out.String(), test.out) || test.out == "" && out.Len() > 0 {
				t.Errorf("output\n%s\nwant %s", &out, test.out)
			}
			if !strings.Contains(err.String(), test.err) || test.err == "" && err.Len() > 0 {
				t.Errorf("standard error\n%s\nwant %s", &err, test.err)
			}
			if strings.Contains(out.String()+err.String(), "hidden") || test.database == "" && strings.Contains(out.String(), database) {
				t.Error("a database's URL is shown")
			}
		})
	}
}
