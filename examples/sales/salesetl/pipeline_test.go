package salesetl

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// line is a row of aggregated_sales, with money as Postgres writes it.
type line struct {
	Product  string
	Quantity int64
	Revenue  string
}

func query(t *testing.T, pool *pgxpool.Pool, sql string) []line {
	t.Helper()
	rows, _ := pool.Query(t.Context(), sql) // CollectRows returns the error
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func loaded(t *testing.T, pool *pgxpool.Pool) []line {
	t.Helper()
	return query(t, pool, `SELECT product, total_quantity, total_revenue::text FROM aggregated_sales ORDER BY product COLLATE "C"`)
}

// inGo computes the totals without the library, without decimals, and without a database: in whole cents.
func inGo(t *testing.T, inStore, online int) []line {
	t.Helper()
	type sum struct{ quantity, cents int64 }
	sums := map[string]sum{}
	add := func(product string, quantity int64, price string) {
		var whole, cents int64
		if _, err := fmt.Sscanf(price, "%d.%02d", &whole, &cents); err != nil {
			t.Fatal(price, err)
		}
		s := sums[product]
		sums[product] = sum{s.quantity + quantity, s.cents + quantity*(whole*100+cents)}
	}
	for s := range InStoreSales(inStore) {
		add(s.Product, s.Quantity, s.UnitPrice.String())
	}
	for s := range OnlineSales(online) {
		add(s.Product, s.Quantity, s.UnitPrice.String())
	}
	var lines []line
	for product, s := range sums {
		lines = append(lines, line{product, s.quantity, fmt.Sprintf("%d.%02d", s.cents/100, s.cents%100)})
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.Product, b.Product) })
	return lines
}

func TestTotalsAreThoseOfSQLAndOfGo(t *testing.T) {
	pool := newTables(t)
	if err := FillOnlineSales(t.Context(), pool, OnlineRows); err != nil {
		t.Fatal(err)
	}
	for run := range 2 { // the second replaces what the first loaded
		report, err := New(Config{Pool: pool}).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if in := report.Stage("load_in_store").RecordsIn; in != InStoreRows {
			t.Errorf("run %d: %d sales in stores, want %d", run, in, InStoreRows)
		}
		got := loaded(t, pool)
		if diff := gocmp.Diff(inGo(t, InStoreRows, OnlineRows), got); diff != "" {
			t.Fatalf("run %d: not what plain Go computes: %s", run, diff)
		}
		sql := query(t, pool, `
			SELECT product, sum(quantity)::bigint, sum(quantity * unit_price)::numeric(14,2)::text
			FROM (SELECT product, quantity, unit_price FROM in_store_sales UNION ALL SELECT product, quantity, unit_price FROM online_sales) AS sides
			GROUP BY product ORDER BY product COLLATE "C"`)
		if diff := gocmp.Diff(sql, got); diff != "" {
			t.Fatalf("run %d: not what SQL computes of the tables: %s", run, diff)
		}
	}
}

func TestTheFileIsCopiedIntoTheTable(t *testing.T) {
	pool := newTables(t)
	if _, err := New(Config{Pool: pool}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, _ := pool.Query(t.Context(), "SELECT sale_id, product, quantity, unit_price, sale_date, store FROM in_store_sales ORDER BY sale_id")
	got, err := pgx.CollectRows(rows, pgx.RowToStructByName[Sale])
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Collect(InStoreSales(InStoreRows)); !slices.Equal(got, want) {
		t.Errorf("%d rows, not the %d sales that the file holds", len(got), len(want))
	}
}

func TestStagesAreThoseOfTheGraph(t *testing.T) {
	g := New(Config{}).Graph() // no database, no file
	var stages, edges []string
	for _, n := range g.Nodes {
		stages = append(stages, fmt.Sprintf("%s: %s, %s", n.Name, n.Kind, n.Description))
	}
	for _, e := range g.Edges {
		edges = append(edges, e.From+" to "+e.To)
	}
	if diff := gocmp.Diff([]string{
		"extract_csv: source, CSV in_store_sales.csv",
		"load_in_store: sink, Postgres in_store_sales, replace",
		"lines: transform, ",
		"extract_postgres: source, Postgres table online_sales",
		"transform: transform, ",
		"load: sink, Postgres aggregated_sales, replace",
	}, stages); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff([]string{
		"extract_csv to load_in_store", "extract_csv to lines", "lines to transform", "extract_postgres to transform", "transform to load",
	}, edges); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAPoolTheRunSaysSo(t *testing.T) {
	_, err := New(Config{}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Pool is nil") {
		t.Errorf("error %v", err)
	}
}

func TestOneConnectionIsTooFewAndIsNotAHang(t *testing.T) {
	config := newTables(t).Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := New(Config{Pool: pool}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "2") || !strings.Contains(err.Error(), "connection") && !strings.Contains(err.Error(), "pool") {
		t.Errorf("error %v", err)
	}
	config = config.Copy()
	config.MaxConns = 2
	two, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	if _, err := New(Config{Pool: two}).Run(t.Context()); err != nil {
		t.Errorf("with two connections: %v", err)
	}
}

func TestDemoDataIsWhatTheGeneratorMakes(t *testing.T) {
	pool := newTables(t)
	path := filepath.Join(t.TempDir(), "sales.csv")
	report, err := NewDemo(DemoConfig{Pool: pool, Online: 1500, CSV: path, InStore: InStoreRows}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if in := report.Stage(OnlineTable).RecordsIn; in != 1500 {
		t.Errorf("%d rows online", in)
	}
	rows, _ := pool.Query(t.Context(), "SELECT sale_id, product, quantity, unit_price, sale_date, customer FROM online_sales ORDER BY sale_id")
	got, err := pgx.CollectRows(rows, pgx.RowToStructByName[OnlineSale])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, slices.Collect(OnlineSales(1500))) {
		t.Errorf("%d rows, not the first 1500 sales", len(got))
	}

	// The sink writes the same bytes as encoding/csv, which wrote the bundled file.
	made, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := bundled.ReadFile(BundledCSV)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(made), "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestDemoThatCannotWriteItsFileFillsNoTable(t *testing.T) {
	pool := newTables(t)
	if err := FillOnlineSales(t.Context(), pool, 10); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "none", "sales.csv")
	if _, err := NewDemo(DemoConfig{Pool: pool, Online: 20, CSV: path, InStore: 20}).Run(t.Context()); err == nil {
		t.Error("no error")
	}
	if n := count(t, pool, OnlineTable); n != 10 {
		t.Errorf("%d rows online, want the 10 from before", n)
	}
}

func count(t *testing.T, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBestProductsAreThoseWithTheHighestRevenue(t *testing.T) {
	pool := newTables(t)
	if _, err := New(Config{Pool: pool}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(must(pool.Query(t.Context(), "SELECT * FROM aggregated_sales ORDER BY total_revenue DESC LIMIT 3")), pgx.RowToStructByName[Total])
	if err != nil {
		t.Fatal(err)
	}
	got, err := BestProducts(t.Context(), pool, 3)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := pool.Exec(t.Context(), "DROP TABLE aggregated_sales"); err != nil {
		t.Fatal(err)
	}
	if _, err := BestProducts(t.Context(), pool, 3); err == nil || !strings.HasPrefix(err.Error(), "best products: ") {
		t.Errorf("error %v", err)
	}
}

// must is for a pair of values that CollectRows takes the error of.
func must(rows pgx.Rows, _ error) pgx.Rows { return rows }

func TestOnlyTheNameOfThePipelineIsFixed(t *testing.T) {
	p := New(Config{Options: pipeline.Options{RunID: "2025-03-14"}})
	if g := p.Graph(); g.Pipeline != "sde_gul_etl" {
		t.Errorf("pipeline %q", g.Pipeline)
	}
}
