package main

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

const header = "sale_id,product,quantity,unit_price,sale_date,store\n"

// Each case ends with one clear line, a status that is not 0, and the tables as they were.
func TestBadFiles(t *testing.T) {
	pool, database := loadedDatabase(t)
	before := snapshot(t, pool)
	good := strings.Repeat("1,Tea,2,1.50,2025-01-02,here\n", 1000) // so that rows are under way when the bad one comes
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"empty", "", []string{"sales.csv: ", "empty"}},
		{"header only", header, []string{"sales.csv: there is a header and no record"}},
		{
			"a missing column", "sale_id,product,quantty,unit_price,sale_date,store\n" + good,
			[]string{"sales.csv: ", `"quantity"`, "quantty", `"sale_id", "product"`},
		},
		{"too few fields", header + good + "2,Tea,2\n", []string{"sales.csv: line 1002: ", "3 fields"}},
		{"too many fields", header + good + "2,Tea,2,1.50,2025-01-02,here,now\n", []string{"sales.csv: line 1002: ", "7 fields"}},
		{"letters in a number", header + good + "2,Tea,abc,1.50,2025-01-02,here\n", []string{`sales.csv: line 1002: column "quantity": "abc" is not an integer`}},
		{"no number at all", header + good + "2,Tea,,1.50,2025-01-02,here\n", []string{`sales.csv: line 1002: column "quantity" is empty`, "default="}},
		{"a number that is too large", header + good + "9223372036854775808,Tea,1,1.50,2025-01-02,here\n", []string{`sales.csv: line 1002: column "sale_id": "9223372036854775808"`}},
		{"a price that is none", header + good + "2,Tea,1,free,2025-01-02,here\n", []string{`sales.csv: line 1002: column "unit_price": "free"`}},
		{"a day that is none", header + good + "2,Tea,1,1.50,2025-02-30,here\n", []string{`sales.csv: line 1002: column "sale_date": "2025-02-30"`}},
		{"a quote without a partner", header + good + "2,\"Tea,1,1.50,2025-01-02,here\n" + good, []string{"sales.csv: line 1002: ", "quote"}},
		{"bytes that are not UTF-8", header + good + "2,Caf\xe9,1,1.50,2025-01-02,here\n", []string{`sales.csv: line 1002: column "product": `, "UTF-8"}},
		{"a NUL byte", header + good + "2,T\x00a,1,1.50,2025-01-02,here\n", []string{`sales.csv: line 1002: column "product": `, "NUL"}},
		{"a price too large for its column", header + good + "2,Tea,1,99999999999.99,2025-01-02,here\n", []string{"in_store_sales", "unit_price", "numeric(12,2)"}},
		{"a fraction of a cent", header + good + "2,Tea,1,1.505,2025-01-02,here\n", []string{`column "unit_price": "1.505" has `}},
		{"a broken constraint", header + good + "2,Tea,0,1.50,2025-01-02,here\n", []string{"in_store_sales", "in_store_sales_quantity_check"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mustFail(t, tt.want, "-database-url", database, "-csv", writeFile(t, tt.file))
			if after := snapshot(t, pool); after != before {
				t.Errorf("the tables are\n%s\nand were\n%s", after, before)
			}
		})
	}
	t.Run("not there", func(t *testing.T) {
		mustFail(t, []string{"none.csv: ", "no such file"}, "-database-url", database, "-csv", filepath.Join(t.TempDir(), "none.csv"))
	})
	t.Run("a folder", func(t *testing.T) {
		mustFail(t, []string{"directory"}, "-database-url", database, "-csv", t.TempDir())
	})
	if after := snapshot(t, pool); after != before {
		t.Errorf("the tables are\n%s\nand were\n%s", after, before)
	}
}

func TestBadTables(t *testing.T) {
	for _, tt := range []struct {
		name, change string
		want         []string
	}{
		{"a column of another type", "ALTER TABLE in_store_sales DROP CONSTRAINT in_store_sales_quantity_check, ALTER quantity TYPE text", []string{"load_in_store", "in_store_sales", `"quantity"`, "text", "int64"}},
		{"a column of another type to read", "ALTER TABLE online_sales DROP CONSTRAINT online_sales_quantity_check, ALTER quantity TYPE uuid USING md5(quantity::text)::uuid", []string{"extract_postgres", `"quantity"`, "uuid", "int64"}},
		{"no such column to load", "ALTER TABLE in_store_sales RENAME store TO stores", []string{"load_in_store", "in_store_sales", `"store"`, "stores"}},
		{"no such column to read", "ALTER TABLE online_sales RENAME product TO products", []string{"extract_postgres", `"product"`}},
		{"a column that nothing fills", "ALTER TABLE aggregated_sales ADD since date NOT NULL DEFAULT now(); ALTER TABLE aggregated_sales ALTER since DROP DEFAULT", []string{"load", "aggregated_sales", `"since"`}},
		{"an integer that does not fit its column", "TRUNCATE in_store_sales; ALTER TABLE in_store_sales ALTER sale_id TYPE numeric(3,0)", []string{"load_in_store", "in_store_sales", `"sale_id"`, "1000", "numeric(3,0)"}},
		{"null to read", "ALTER TABLE online_sales ALTER product DROP NOT NULL; UPDATE online_sales SET product = NULL WHERE sale_id = 77", []string{"extract_postgres", `column "product"`, "null"}},
		{"a total that does not fit", "ALTER TABLE aggregated_sales ALTER total_revenue TYPE numeric(6,2) USING 0", []string{"load", "aggregated_sales", "total_revenue", "numeric(6,2)"}},
		{"a check that the data breaks", "ALTER TABLE in_store_sales ADD CHECK (store <> 'Berlin') NOT VALID", []string{"load_in_store", "in_store_sales_store_check"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool, database := loadedDatabase(t)
			execute(t, pool, tt.change)
			before := snapshot(t, pool)
			mustFail(t, tt.want, "-database-url", database)
			if after := snapshot(t, pool); after != before {
				t.Errorf("the tables are\n%s\nand were\n%s", after, before)
			}
		})
	}
}

func TestTablesThatAreNotThere(t *testing.T) {
	pool, database := newDatabase(t)
	mustFail(t, []string{"no table in_store_sales, online_sales, aggregated_sales", "-init"}, "-database-url", database)
	var tables int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables were made, %v", tables, err)
	}

	mustSucceed(t, "-database-url", database, "-init")
	execute(t, pool, "DROP TABLE online_sales")
	mustFail(t, []string{"no table online_sales: ", "-init"}, "-database-url", database)
}

func TestWrongPassword(t *testing.T) {
	_, database := newDatabase(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("nobody_at_all", "s3cret") // a server that trusts everybody refuses the name
	got := sales(t.Context(), "-database-url", u.String(), "-progress", "off")
	checkFailure(t, got, []string{"database: ", "nobody_at_all"})
	if strings.Contains(got.stderr, "s3cret") {
		t.Errorf("the password is in %s", got.stderr)
	}
}
