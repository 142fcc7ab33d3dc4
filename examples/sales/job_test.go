package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

func TestInitCreatesFillsAndRuns(t *testing.T) {
	pool, url := newDatabase(t)
	got := mustSucceed(t, "-database-url", url, "-init")
	for _, want := range []string{
		"sde_gul_etl succeeded in ",
		"\n extract_csv                   7,105 ", "\n load_in_store       7,105 ", "\n lines               7,105     7,105 ", "\n extract_postgres              6,420 ",
		"\n transform          13,525       936 ", "\n load                  936 ",
		"\n Whisk \"Señor\"                      626  37043.03 \n", "\n Gel Pen, A5                      1,110  19851.62 \n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
	first := snapshot(t, pool)
	if !strings.Contains(first, "in_store_sales: 7105 rows") || !strings.Contains(first, "online_sales: 6420 rows") || !strings.Contains(first, "aggregated_sales: 936 rows") {
		t.Error(first)
	}

	mustSucceed(t, "-database-url", url)
	if again := snapshot(t, pool); again != first {
		t.Errorf("the second run left\n%s\nand the first\n%s", again, first)
	}
}

func TestDatabaseOfTheEnvironment(t *testing.T) {
	pool, url := newDatabase(t)
	t.Setenv("DATABASE_URL", url)
	mustSucceed(t, "-init")
	if got := snapshot(t, pool); !strings.Contains(got, "aggregated_sales: 936 rows") {
		t.Error(got)
	}
}

func TestOnlyThePipelinesTablesAreTouched(t *testing.T) {
	pool, url := newDatabase(t)
	execute(t, pool, "CREATE TABLE mine (a int); INSERT INTO mine VALUES (1), (2)")
	mustSucceed(t, "-database-url", url, "-init")
	var tables []string
	var rows int
	if err := pool.QueryRow(t.Context(), `
		SELECT (SELECT array_agg(schemaname || '.' || tablename::text ORDER BY 1) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')),
		       (SELECT count(*) FROM mine)`).Scan(&tables, &rows); err != nil {
		t.Fatal(err)
	}
	slices.Sort(tables)
	want := []string{"public.aggregated_sales", "public.in_store_sales", "public.mine", "public.online_sales"}
	if !slices.Equal(tables, want) || rows != 2 {
		t.Errorf("tables %q, %d rows in mine", tables, rows)
	}
}

func TestRowsAreMadeUpOnBothSides(t *testing.T) {
	const rows = 20_000
	pool, url := newDatabase(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	mustSucceed(t, "-database-url", url, "-init", "-rows", fmt.Sprint(rows))
	var quantity int64
	for sale := range salesetl.InStoreSales(rows) {
		quantity += sale.Quantity
	}
	for sale := range salesetl.OnlineSales(rows) {
		quantity += sale.Quantity
	}
	var inStore, online, total int64
	if err := pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM in_store_sales), (SELECT count(*) FROM online_sales), (SELECT sum(total_quantity)::bigint FROM aggregated_sales)`,
	).Scan(&inStore, &online, &total); err != nil {
		t.Fatal(err)
	}
	if inStore != rows || online != rows || total != quantity {
		t.Errorf("%d and %d rows, %d pieces; want %d rows each and %d pieces", inStore, online, total, rows, quantity)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "*sales*")); err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %q, %v", left, err)
	}
}

func TestFileOfOnesOwn(t *testing.T) {
	pool, url := loadedDatabase(t)
	execute(t, pool, "TRUNCATE online_sales")
	// Another order of columns, one more, CRLF, a byte order mark.
	path := writeFile(t, "\ufeffstore,remark,sale_date,unit_price,quantity,product,sale_id\r\n"+
		"here,,2025-01-02,2.50,3,\"Tea, \"\"green\"\"\",1\r\nthere,late,2025-01-03,1,2,Café,2\r\n")
	got := mustSucceed(t, "-database-url", url, "-csv", path)
	for _, want := range []string{" Tea, \"green\"         3     7.50 \n", " Café                 2     2.00 \n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
}

func TestJSONIsTheReportAndNothingElse(t *testing.T) {
	_, url := newDatabase(t)
	got := mustSucceed(t, "-database-url", url, "-init", "-json")
	report := readReport(t, got.stdout)
	if report.Pipeline != "sde_gul_etl" || report.State != "succeeded" || report.Error != "" || len(report.RunID) < 16 ||
		!report.EndedAt.After(report.StartedAt) || time.Since(report.StartedAt) > time.Hour {
		t.Errorf("report %+v", report)
	}
	type figures struct {
		Name, Kind, State    string
		RecordsIn, RecordOut int64
	}
	var stages []figures
	for _, s := range report.Stages {
		stages = append(stages, figures{s.Name, s.Kind, s.State, s.RecordsIn, s.RecordsOut})
		if s.WorkingMS <= 0 || s.WorkingMS > 600_000 || s.Rejects != 0 || s.Error != "" {
			t.Errorf("stage %+v", s)
		}
	}
	if diff := cmp.Diff([]figures{
		{"extract_csv", "source", "succeeded", 0, 7105},
		{"load_in_store", "sink", "succeeded", 7105, 0},
		{"lines", "transform", "succeeded", 7105, 7105},
		{"extract_postgres", "source", "succeeded", 0, 6420},
		{"transform", "transform", "succeeded", 13525, 936},
		{"load", "sink", "succeeded", 936, 0},
	}, stages); diff != "" {
		t.Error(diff)
	}
}

func TestJSONOfARunThatFailed(t *testing.T) {
	_, url := loadedDatabase(t)
	path := writeFile(t, "sale_id,product,quantity,unit_price,sale_date,store\n1,Tea,abc,1.00,2025-01-02,here\n")
	got := sales(t.Context(), "-database-url", url, "-csv", path, "-json", "-progress", "off")
	report := readReport(t, got.stdout)
	const want = `line 2: column "quantity": "abc" is not an integer`
	if got.status != exitFailed || report.State != "failed" || !strings.Contains(report.Error, want) || !strings.Contains(got.stderr, want) {
		t.Errorf("status %d, standard error %s, report %+v", got.status, got.stderr, report)
	}
	if stage := report.Stages[0]; stage.State != "failed" || !strings.Contains(stage.Error, want) || stage.Rejects != 1 {
		t.Errorf("stage %+v", stage)
	}
}

// readReport reads the one JSON document that text is, whose keys must be the promised ones.
func readReport(t *testing.T, text string) reportJSON {
	t.Helper()
	var report reportJSON
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&report); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if _, err := in.Token(); err != io.EOF {
		t.Errorf("more than a report:\n%s", text)
	}
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	keys := func(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
	if diff := cmp.Diff([]string{"ended_at", "error", "pipeline", "run_id", "stages", "started_at", "state"}, keys(raw)); diff != "" {
		t.Error(diff)
	}
	stages, _ := raw["stages"].([]any)
	if len(stages) != 6 {
		t.Fatalf("%d stages", len(stages))
	}
	for _, stage := range stages {
		fields, _ := stage.(map[string]any)
		if diff := cmp.Diff([]string{
			"error", "kind", "name", "records_in", "records_out", "rejects", "state", "waiting_in_ms", "waiting_out_ms", "working_ms",
		}, keys(fields)); diff != "" {
			t.Error(diff)
		}
	}
	return report
}

func TestGraphNeedsNoDatabase(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
	got := sales(t.Context(), "-graph")
	if got.status != exitOK || got.stderr != "" || got.stdout != salesetl.New(salesetl.Config{}).Graph().Mermaid() || !strings.HasPrefix(got.stdout, "flowchart ") {
		t.Errorf("%+v", got)
	}
}

// What a user sees who has nothing: a server of the command's own, which is gone afterwards.
func TestPrivateDatabase(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	got := sales(t.Context(), "-progress", "off")
	if got.status != exitOK || !strings.HasPrefix(got.stderr, "database: ") || strings.Count(got.stderr, "\n") != 1 {
		t.Fatalf("status %d, standard error:\n%s", got.status, got.stderr)
	}
	if !strings.Contains(got.stdout, "sde_gul_etl succeeded") || !strings.Contains(got.stdout, "Whisk \"Señor\"") {
		t.Errorf("standard output:\n%s", got.stdout)
	}
}

func TestStandardOutputThatIsFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer full.Close()
	_, url := newDatabase(t)
	for _, format := range []string{"-json", "-json=false"} {
		var stderr strings.Builder
		status := run(t.Context(), []string{"-database-url", url, "-init", "-progress", "off", format}, full, &stderr)
		if status != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%s: status %d, %s", format, status, stderr.String())
		}
	}
}
