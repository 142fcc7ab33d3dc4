package sources_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

func TestPostgresSettings(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://nobody:secret@localhost:1/none")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, test := range []struct {
		name   string
		source sources.Postgres[pgSale]
		want   []string
	}{
		{"nothing set", sources.Postgres[pgSale]{}, []string{"Pool is nil", "neither Table nor Query is set"}},
		{"no pool", sources.Postgres[pgSale]{Table: "t"}, []string{`table "t": Pool is nil`}},
		{"table and query", sources.Postgres[pgSale]{Pool: pool, Table: "t", Query: "SELECT 1"}, []string{"Table and Query are both set"}},
		{"args with a table", sources.Postgres[pgSale]{Pool: pool, Table: "t", Args: []any{1}}, []string{"Args are the parameters of Query"}},
		{"a negative lag", sources.Postgres[pgSale]{Pool: pool, Table: "t", Cursor: "c", Lag: -time.Second}, []string{"Lag is -1s"}},
		{"a lag without a cursor", sources.Postgres[pgSale]{Pool: pool, Table: "t", Lag: time.Second}, []string{"Lag is set and Cursor is not"}},
		{"the oldest transaction without a cursor", sources.Postgres[pgSale]{Pool: pool, Table: "t", OldestTransaction: true}, []string{"OldestTransaction is set and Cursor is not"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, err := range map[string]error{
				"Validate": test.source.Validate(t.Context()),
				"Extract":  test.source.Extract(t.Context(), nil),
			} {
				wants(t, err, test.want...)
				if !pipeline.IsPermanent(err) {
					t.Errorf("%s: the error is not permanent", what)
				}
			}
			if _, err := test.source.Split(t.Context(), 2); err == nil {
				t.Error("Split took it")
			}
			if _, err := test.source.Bound(t.Context(), nil); err == nil {
				t.Error("Bound took it")
			}
		})
	}
	t.Run("a record that is no struct", func(t *testing.T) {
		wants(t, sources.Postgres[int]{Pool: pool, Table: "t"}.Validate(t.Context()), `table "t": int: a record must be a struct`)
	})
}

func TestPostgresValidate(t *testing.T) {
	pool := database(t, salesTable, `CREATE TABLE online_sales_2 ()`, `CREATE TABLE other ()`,
		`CREATE SCHEMA archive`, `CREATE TABLE archive.old_sales ()`,
		`CREATE TABLE wrong (sale_id bigint, product text, quantity text)`,
		`CREATE TABLE misspelt (sale_id bigint, prodct text, "Quantity" bigint)`)
	for _, test := range []struct {
		name   string
		source sources.Postgres[pgSale]
		want   []string
	}{
		{"a table that is misspelt", sources.Postgres[pgSale]{Table: "online_sale"},
			[]string{`table "online_sale": there is no such table in the search path; near are "online_sales", "online_sales_2"`}},
		{"a table in another schema", sources.Postgres[pgSale]{Table: "old_sales"}, []string{"there is archive.old_sales"}},
		{"a table like nothing there", sources.Postgres[pgSale]{Table: "xyzzy_plugh_magic"}, []string{`table "xyzzy_plugh_magic": there is no such table in the search path`}},
		{"a misspelt table in a schema", sources.Postgres[pgSale]{Table: "archive.old_sale"}, []string{`there is no such table; the nearest is "old_sales"`}},
		{"a schema that is not there", sources.Postgres[pgSale]{Table: "archiv.old_sales"}, []string{`there is no table in a schema "archiv"`, "archive.old_sales"}},
		{"a name of three parts", sources.Postgres[pgSale]{Table: "a.b.c"}, []string{"want table or schema.table"}},
		{"a column that is misspelt", sources.Postgres[pgSale]{Table: "misspelt"},
			[]string{`table "misspelt": field Product: there is no column "product"; the columns are "sale_id", "prodct", "Quantity"; the nearest is "prodct"`}},
		{"a column of another type", sources.Postgres[pgSale]{Table: "wrong"}, []string{`table "wrong": field Quantity (int64): column "quantity" is text`}},
		{"a table without columns", sources.Postgres[pgSale]{Table: "other"}, []string{"returns no columns"}},
		{"a query's syntax", sources.Postgres[pgSale]{Query: "SELECT *\nFROM online_sales WERE 1"}, []string{"query: line 2, column 24:", "syntax error", "42601"}},
		{"a query's table", sources.Postgres[pgSale]{Query: "SELECT * FROM nowhere"}, []string{`relation "nowhere" does not exist`}},
		{"a query's column, with the server's hint", sources.Postgres[pgSale]{Query: "SELECT quantty FROM online_sales"}, []string{"quantty", "Perhaps you meant"}},
		{"a query's result", sources.Postgres[pgSale]{Query: "SELECT sale_id, product FROM online_sales"}, []string{`query: field Quantity: there is no column "quantity"`}},
		{"a statement that returns nothing", sources.Postgres[pgSale]{Query: "DELETE FROM online_sales"}, []string{"the query returns no columns"}},
		{"two statements", sources.Postgres[pgSale]{Query: "SELECT 1; SELECT 2"}, []string{"multiple commands"}},
		{"too few Args", sources.Postgres[pgSale]{Query: "SELECT * FROM online_sales WHERE sale_id = $1"}, []string{"the query has 1 parameters, and Args holds 0 values"}},
		{"an Arg of a wrong type", sources.Postgres[pgSale]{Query: "SELECT * FROM online_sales WHERE sale_id = $1", Args: []any{"abc"}}, []string{`query: invalid input syntax for type bigint: "abc" (SQLSTATE 22P02)`}},
		{"an Arg that has no form", sources.Postgres[pgSale]{Query: "SELECT * FROM online_sales WHERE sale_id = $1", Args: []any{make(chan int)}}, []string{"query: ", "args[0]", "chan int"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.source.Pool = pool
			err := test.source.Validate(t.Context())
			wants(t, err, test.want...)
			if !pipeline.IsPermanent(err) {
				t.Error("the error is not permanent")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
		})
	}
	t.Run("all problems together", func(t *testing.T) {
		type record struct{ Alpha, Beta int64 }
		wants(t, sources.Postgres[record]{Pool: pool, Table: "online_sales"}.Validate(t.Context()),
			`table "online_sales": field Alpha`, `table "online_sales": field Beta`)
	})
	t.Run("nothing is run", func(t *testing.T) {
		do(t, pool, `CREATE SEQUENCE touched`)
		source := sources.Postgres[pgSale]{Pool: pool, Query: `SELECT *, nextval('touched') FROM online_sales, generate_series(1, 3)`}
		if err := source.Validate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if one[bool](t, pool, `SELECT is_called FROM touched`) {
			t.Error("the query was run")
		}
	})
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

func TestPostgresQueryThatWrites(t *testing.T) {
	pool := database(t, salesTable)
	_, _, err := read(t.Context(), sources.Postgres[pgSale]{Pool: pool, Query: `INSERT INTO online_sales VALUES (1) RETURNING *`}, pipeline.Options{})
	wants(t, err, "query: ", "read-only transaction", "pipeline.Do")
	if !pipeline.IsPermanent(err) {
		t.Error("the error is not permanent")
	}
}

// as returns a pool for a role that may log in and nothing more.
func as(t *testing.T, pool *pgxpool.Pool, role string) *pgxpool.Pool {
	t.Helper()
	config := pool.Config().Copy()
	config.ConnConfig.RuntimeParams["role"] = role
	config.MaxConns = 4
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// role makes a role of a name of its own, since roles are the server's, not the database's.
func role(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	name := "role_" + one[string](t, pool, `SELECT replace(gen_random_uuid()::text, '-', '')`)
	do(t, pool, `CREATE ROLE `+name)
	t.Cleanup(func() {
		if _, err := pool.Exec(context.Background(), `DROP OWNED BY `+name+`; DROP ROLE `+name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func TestPostgresPermissions(t *testing.T) {
	pool := database(t, salesTable, `CREATE SCHEMA hidden`, `CREATE TABLE hidden.t AS TABLE online_sales`)
	name := role(t, pool)
	limited := as(t, pool, name)

	err := sources.Postgres[pgSale]{Pool: limited, Table: "online_sales"}.Validate(t.Context())
	wants(t, err, `table "online_sales": role "`+name+`" may not read it; allow it by GRANT SELECT ON "public"."online_sales" TO "`+name+`"`)
	if !pipeline.IsPermanent(err) {
		t.Error("the error is not permanent")
	}
	err = sources.Postgres[pgSale]{Pool: limited, Table: "hidden.t"}.Validate(t.Context())
	wants(t, err, `table "hidden.t": role "`+name+`" may not use schema "hidden"; allow it by GRANT USAGE ON SCHEMA "hidden" TO "`+name+`"`)
	do(t, pool, `GRANT USAGE ON SCHEMA hidden TO `+name)
	err = sources.Postgres[pgSale]{Pool: limited, Table: "hidden.t"}.Validate(t.Context())
	wants(t, err, `GRANT SELECT ON "hidden"."t" TO`)
	err = sources.Postgres[pgSale]{Pool: limited, Query: `SELECT * FROM online_sales WHERE sale_id > $1`, Args: []any{1}}.Validate(t.Context())
	wants(t, err, `query: permission denied for table online_sales (SQLSTATE 42501); allow it by GRANT SELECT ON "online_sales" TO "`+name+`"`)

	do(t, pool, `GRANT SELECT (sale_id, product) ON online_sales TO `+name)
	err = sources.Postgres[pgSale]{Pool: limited, Table: "online_sales"}.Validate(t.Context())
	wants(t, err, `may not read column "quantity"`)
	do(t, pool, `GRANT SELECT (quantity) ON online_sales TO `+name)
	// The column customer is not granted, and not read.
	if got := mustRead(t, sources.Postgres[pgSale]{Pool: limited, Table: "online_sales"}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestPostgresThatCannotBeReached(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	pool, err := pgxpool.New(t.Context(), "postgres://someone:s3cret@"+address+"/stock?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = sources.Postgres[pgSale]{Pool: pool, Table: "t"}.Validate(t.Context())
	wants(t, err, `table "t": database "stock"`, address, "someone", "connection refused")
	if pipeline.IsPermanent(err) {
		t.Error("another attempt could succeed")
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a secret, or more than a line: %v", err)
	}
}

func TestPostgresWrongPassword(t *testing.T) {
	address, refused := passwordServer(t)
	pool, err := pgxpool.New(t.Context(), "postgres://someone:s3cret@"+address+"/stock?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = sources.Postgres[pgSale]{Pool: pool, Table: "t"}.Validate(t.Context())
	<-refused
	wants(t, err, `table "t": database "stock"`, `password authentication failed for user "someone"`)
	if !pipeline.IsPermanent(err) {
		t.Error("another attempt would not succeed")
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a secret, or more than a line: %v", err)
	}
}

// passwordServer answers one connection as a server does that was given a wrong
// password: which way a test's server authenticates is not ours to choose.
func passwordServer(t *testing.T) (address string, refused <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 4096)
			_, _ = conn.Read(buffer)
			fields := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user \"someone\"\x00\x00"
			_, _ = conn.Write(append([]byte{'E', 0, 0, 0, byte(len(fields) + 4)}, fields...))
			_ = conn.Close()
			_ = listener.Close()
		}
	}()
	return listener.Addr().String(), done
}

func TestPostgresDatabaseThatIsNotThere(t *testing.T) {
	u, err := url.Parse(devdb.TestURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/no_such_database"
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = sources.Postgres[pgSale]{Pool: pool, Table: "t"}.Validate(t.Context())
	wants(t, err, `no_such_database`, "3D000")
}

func TestPostgresClaims(t *testing.T) {
	config, err := pgxpool.ParseConfig("postgres://u@localhost:1/stock?pool_max_conns=2")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	p := pipeline.New("test", pipeline.Options{})
	for _, name := range []string{"a", "b", "c"} {
		pipeline.To(pipeline.From(p, name, sources.Postgres[pgSale]{Pool: pool, Table: "t"}), "to_"+name, &gather[pgSale]{})
	}
	wants(t, p.Validate(t.Context()), `pool of database "stock" has room for 2, but this pipeline needs 3 at once`)
	if claims := (sources.Postgres[pgSale]{}).Claims(); claims != nil {
		t.Errorf("without a pool: %v", claims)
	}
}

// What the server would refuse at the first record is said before data moves.
func TestPostgresValidatesWhatTheRunWouldMeet(t *testing.T) {
	pool := database(t, salesTable)
	const columns = `sale_id, product, quantity`
	for _, test := range []struct {
		name, query string
		args        []any
		inRun       bool
		want        string
	}{
		{"a query that inserts", `INSERT INTO online_sales VALUES (1, 'p', 1) RETURNING ` + columns, nil, false, "the query writes, and a source reads in a read-only transaction; use a step"},
		{"a query that deletes in WITH", `WITH gone AS (DELETE FROM online_sales RETURNING *) SELECT ` + columns + ` FROM gone`, nil, false, "the query writes"},
		{"a query that locks rows", `SELECT ` + columns + ` FROM online_sales FOR UPDATE`, nil, false, "the query locks rows"},
		{"a value that the server cannot read", `SELECT ` + columns + ` FROM online_sales WHERE sale_id = $1::text::bigint`, []any{"x"}, false, `invalid input syntax for type bigint: "x"`},
		{"a writing query in the run", `INSERT INTO online_sales VALUES (1, 'p', 1) RETURNING ` + columns, nil, true, "the query writes"},
		{"what a cursor cannot read", `SHOW TimeZone`, nil, true, "with InRun it is read by a cursor, which only SELECT, VALUES and TABLE can be"},
		{"a text that looks like a plan", `SELECT ` + columns + ` FROM online_sales WHERE product <> '"Node Type": "ModifyTable"'`, nil, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := sources.Postgres[pgSale]{Pool: pool, Query: test.query, Args: test.args, InRun: test.inRun}.Validate(t.Context())
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, err, "query: ", test.want)
			if !pipeline.IsPermanent(err) {
				t.Error("the error is not permanent")
			}
		})
	}
}

func TestATextFieldOfATypeThatPgxKnowsIsValid(t *testing.T) {
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), "create table texts (bits bit varying not null, place point, span int4range, numbers int2vector)"); err != nil {
		t.Fatal(err)
	}
	type texts struct {
		Bits    string  `db:"bits"`
		Place   *string `db:"place"`
		Span    *string `db:"span"`
		Numbers *string `db:"numbers"`
	}
	if err := (sources.Postgres[texts]{Pool: pool, Table: "texts"}).Validate(t.Context()); err != nil {
		t.Error(err)
	}
}
