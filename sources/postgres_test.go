package sources_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

type pgSale struct {
	SaleID   int64 `db:"sale_id"`
	Product  string
	Quantity int64
}

const salesTable = `CREATE TABLE online_sales (sale_id bigint, product text, quantity bigint, customer text)`

func TestPostgresReadsTheColumnsThatTheStructHas(t *testing.T) {
	pool := database(t, salesTable, `INSERT INTO online_sales VALUES (1, 'Tea', 2, 'Ann'), (2, '', -3, NULL)`)
	got := mustRead(t, sources.Postgres[pgSale]{Pool: pool, Table: "online_sales"})
	want := []pgSale{{1, "Tea", 2}, {2, "", -3}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	pointers := mustRead(t, sources.Postgres[*pgSale]{Pool: pool, Table: "online_sales"})
	if len(pointers) != 2 || *pointers[0] != want[0] || *pointers[1] != want[1] {
		t.Errorf("as pointers: got %v", pointers)
	}
}

func TestPostgresReadsAnEmptyTable(t *testing.T) {
	pool := database(t, salesTable)
	if got := mustRead(t, sources.Postgres[pgSale]{Pool: pool, Table: "online_sales"}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestPostgresReadsMoreThanABatch(t *testing.T) {
	pool := database(t, salesTable, `INSERT INTO online_sales SELECT i, 'p' || i % 7, i * 2 FROM generate_series(1, 10000) AS i`)
	got, report, err := read(t.Context(), sources.Postgres[pgSale]{Pool: pool, Table: "online_sales"}, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 10000 {
		t.Fatalf("got %d rows", len(got))
	}
	for i, s := range got {
		if want := (pgSale{int64(i + 1), fmt.Sprintf("p%d", (i+1)%7), int64(i+1) * 2}); s != want {
			t.Fatalf("row %d: got %v, want %v", i, s, want)
		}
	}
	stage := report.Stage("read")
	if stage.Bytes != 10000*(8+2+8) {
		t.Errorf("the report says %d bytes", stage.Bytes)
	}
	if stage.Description != "Postgres table online_sales" {
		t.Errorf("described as %q", stage.Description)
	}
}

func TestPostgresNames(t *testing.T) {
	type row struct {
		Order  int64  `db:"order"`
		Select string `db:"Select"`
		Odd    int64  `db:"odd \"name\"; really"`
	}
	columns := ` ("order" bigint, "Select" text, "odd ""name""; really" bigint)`
	pool := database(t,
		`CREATE SCHEMA "Two Words"`, `CREATE SCHEMA plain`,
		`CREATE TABLE "table"`+columns, `CREATE TABLE "CamelCase"`+columns, `CREATE TABLE plain."user"`+columns,
		`CREATE TABLE "Two Words"."select"`+columns, `CREATE TABLE "with.dot"`+columns,
		`CREATE TABLE "quo""te"`+columns, `CREATE TABLE "; DROP TABLE ""table"""`+columns)
	for i, test := range []struct{ table, sql string }{
		{"table", `"table"`},
		{"public.table", `"table"`},
		{"CamelCase", `"CamelCase"`},
		{"plain.user", `plain."user"`},
		{"Two Words.select", `"Two Words"."select"`},
		{`"with.dot"`, `"with.dot"`},
		{`public."with.dot"`, `"with.dot"`},
		{`quo"te`, `"quo""te"`},
		{`; DROP TABLE "table"`, `"; DROP TABLE ""table"""`},
	} {
		do(t, pool, fmt.Sprintf(`TRUNCATE %s`, test.sql), fmt.Sprintf(`INSERT INTO %s VALUES (%d, 'x', 1)`, test.sql, i))
		got, _, err := read(t.Context(), sources.Postgres[row]{Pool: pool, Table: test.table}, pipeline.Options{})
		if err != nil {
			t.Errorf("%s: %v", test.table, err)
		} else if want := []row{{int64(i), "x", 1}}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", test.table, got, want)
		}
	}
}

func TestPostgresReadsWhatIsNoTable(t *testing.T) {
	pool := database(t, salesTable, `INSERT INTO online_sales VALUES (1, 'Tea', 2)`,
		`CREATE VIEW v AS SELECT * FROM online_sales`,
		`CREATE MATERIALIZED VIEW m AS SELECT * FROM online_sales`,
		`CREATE TABLE parted (LIKE online_sales) PARTITION BY RANGE (sale_id)`,
		`CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)`,
		`CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20)`,
		`INSERT INTO parted SELECT * FROM online_sales`)
	for _, name := range []string{"v", "m", "parted"} {
		got := mustRead(t, sources.Postgres[pgSale]{Pool: pool, Table: name})
		if want := []pgSale{{1, "Tea", 2}}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestPostgresQuery(t *testing.T) {
	pool := database(t, salesTable, `INSERT INTO online_sales VALUES (1, 'Tea', 2), (2, 'Rice', 3), (3, 'Salt', 4)`)
	for _, test := range []struct {
		name  string
		query string
		args  []any
		want  []pgSale
	}{
		{"with parameters of several types", `SELECT * FROM online_sales WHERE quantity > $1 AND product <> $2`, []any{2, "Salt"}, []pgSale{{2, "Rice", 3}}},
		{"with an array", `SELECT * FROM online_sales WHERE product = ANY ($1) ORDER BY 1`, []any{[]string{"Tea", "Salt"}}, []pgSale{{1, "Tea", 2}, {3, "Salt", 4}}},
		{"with a value that looks like SQL", `SELECT * FROM online_sales WHERE product = $1`, []any{`'; DROP TABLE online_sales; --`}, nil},
		{"that ends with a semicolon and a comment", "SELECT * FROM online_sales WHERE sale_id = 1; -- one", nil, []pgSale{{1, "Tea", 2}}},
		{"with names of its own, in another order", `SELECT 7::bigint AS quantity, 'x' AS "PRODUCT", 1 AS sale_id, 2 AS other`, nil, []pgSale{{1, "x", 7}}},
		{"VALUES", `VALUES (1)`, nil, nil},
		{"WITH", `WITH w AS (SELECT * FROM online_sales) SELECT * FROM w WHERE sale_id = 3`, nil, []pgSale{{3, "Salt", 4}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, report, err := read(t.Context(), sources.Postgres[pgSale]{Pool: pool, Query: test.query, Args: test.args}, pipeline.Options{})
			if test.name == "VALUES" {
				wants(t, err, `query: field SaleID: there is no column "sale_id"; the columns are "column1"`)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if d := report.Stage("read").Description; d != "Postgres query" {
				t.Errorf("described as %q", d)
			}
		})
	}
	if n := one[int](t, pool, `SELECT count(*) FROM online_sales`); n != 3 {
		t.Errorf("%d rows are left", n)
	}
}

func TestPostgresRejects(t *testing.T) {
	pool := database(t, salesTable, `INSERT INTO online_sales VALUES (1, 'Tea', 2), (2, 'Rice', NULL), (3, 'Salt', 4), (4, 'Oil', NULL)`)
	source := sources.Postgres[pgSale]{Pool: pool, Table: "online_sales"}

	_, _, err := read(t.Context(), source, pipeline.Options{})
	want := `test: read: table "online_sales": column "quantity": null, and field Quantity (int64) cannot hold null: use *int64 or pgtype.Int8`
	if err == nil || err.Error() != want {
		t.Errorf("without a budget: got\n  %v\nwant\n  %s", err, want)
	}
	if !pipeline.IsPermanent(err) {
		t.Error("a null would be null in another attempt too")
	}

	p := pipeline.New("test", pipeline.Options{MaxRejects: 2})
	var good gather[pgSale]
	var bad gather[pipeline.Reject]
	pipeline.To(pipeline.From(p, "read", source), "gather", &good)
	pipeline.To(pipeline.Rejects(p), "letters", &bad)
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []pgSale{{1, "Tea", 2}, {3, "Salt", 4}}; !reflect.DeepEqual(good.records, want) {
		t.Errorf("got %v, want %v", good.records, want)
	}
	if len(bad.records) != 2 {
		t.Fatalf("rejected: %v", bad.records)
	}
	r := bad.records[1]
	if r.Stage != "read" || r.Source != `table "online_sales"` || r.Line != 0 || r.Column != "quantity" || r.Value != "" || !strings.HasPrefix(r.Reason, "null, and field Quantity") {
		t.Errorf("rejected: %#v", r)
	}
}

func TestPostgresRejectsWhatIsOutOfRange(t *testing.T) {
	type small struct {
		Quantity int16
		Note     string `db:"-"`
	}
	pool := database(t, `CREATE TABLE t (quantity bigint)`, `INSERT INTO t VALUES (1), (40000), (-5)`)
	got, report, err := read(t.Context(), sources.Postgres[small]{Pool: pool, Query: `SELECT * FROM t`}, pipeline.Options{MaxRejects: -1})
	if err != nil {
		t.Fatal(err)
	}
	if want := []small{{Quantity: 1}, {Quantity: -5}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := report.Stage("read").Rejects; n != 1 {
		t.Errorf("%d rejects", n)
	}
	_, _, err = read(t.Context(), sources.Postgres[small]{Pool: pool, Query: `SELECT * FROM t`}, pipeline.Options{})
	wants(t, err, `query: column "quantity": "40000" `, "range")
}

func TestPostgresSeesOneState(t *testing.T) {
	// The transaction begins before the first row is passed on; whatever is written
	// afterwards is not seen.
	pool := database(t, salesTable, `INSERT INTO online_sales SELECT i, 'p', 1 FROM generate_series(1, 50000) AS i`)
	p := pipeline.New("test", pipeline.Options{})
	stream := pipeline.From(p, "read", sources.Postgres[pgSale]{Pool: pool, Table: "online_sales"})
	var sum int64
	changed := false
	pipeline.To(stream, "sum", pipeline.SinkFunc[pgSale](func(ctx context.Context, in *pipeline.Reader[pgSale]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			if !changed {
				changed = true
				do(t, pool, `UPDATE online_sales SET quantity = 1000`, `INSERT INTO online_sales SELECT i, 'p', 1000 FROM generate_series(1, 50000) AS i`)
			}
			for i := range batch {
				sum += batch[i].Quantity
			}
		}
		return nil
	}))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sum != 50000 {
		t.Errorf("the sum is %d, want 50000", sum)
	}
}
