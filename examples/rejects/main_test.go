package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func TestTheDemoLoadsTheRestAfterItWasMended(t *testing.T) {
	pool, dir := devdb.Test(t), t.TempDir()
	if err := demo(t.Context(), pool, dir); err != nil {
		t.Fatal(err)
	}
	rows, _ := pool.Query(t.Context(), "select article from prices order by article") // Collect returns the error
	articles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bread", "coffee", "milk", "sugar", "tea"}; !slices.Equal(articles, want) {
		t.Fatalf("loaded %v, want %v", articles, want)
	}
}

func TestEveryRefusalIsKeptWithItsPlace(t *testing.T) {
	pool, dir := devdb.Test(t), t.TempDir()
	if _, err := pool.Exec(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	refused := filepath.Join(dir, "refused.csv")
	report, err := load(t.Context(), pool, "prices.csv", refused)
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := pool.Query(t.Context(), "select * from refused_prices order by stage, line")
	rejects, err := pgx.CollectRows(rows, pgx.RowToStructByName[pipeline.Reject])
	if err != nil {
		t.Fatal(err)
	}
	if len(rejects) != 3 || report.Rejects != 3 {
		t.Fatalf("%d in the table, %d in the report: %v", len(rejects), report.Rejects, rejects)
	}
	byStage := map[string]pipeline.Reject{}
	for _, r := range rejects {
		byStage[r.Stage] = r
	}
	if r := byStage["read"]; r.Line != 3 || r.Column != "price_cents" || r.Value != "expensive" || string(r.Raw) != "coffee,expensive,EUR\n" {
		t.Errorf("by read: %+v", r)
	}
	if r := byStage["check"]; r.Source != "prices.csv" || r.Line != 6 || r.Column != "price_cents" || r.Value != "-1" || r.Reason != "is negative" {
		t.Errorf("by check: %+v", r)
	}
	if r := byStage["load"]; r.Source != "prices.csv" || r.Line != 5 || r.Column != "currency" || !strings.Contains(string(r.Record), `"Article": "sugar"`) {
		t.Errorf("by load: %+v", r)
	}
	lines, err := os.ReadFile(refused)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"article,price_cents,currency", "bread,-1,EUR", "coffee,expensive,EUR", "sugar,99,EURO"}; !slices.Equal(slices.Sorted(strings.SplitSeq(strings.TrimSpace(string(lines)), "\n")), want) {
		t.Errorf("given back: %q, want %q", lines, want)
	}
}

func TestPastTheBudgetNothingIsKept(t *testing.T) {
	pool, dir := devdb.Test(t), t.TempDir()
	if _, err := pool.Exec(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bad.csv")
	bad := append([]byte("article,price_cents,currency\ntea,250,EUR\n"), bytes.Repeat([]byte("x,many,EUR\n"), 101)...)
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := filepath.Join(dir, "refused.csv")
	if _, err := load(t.Context(), pool, path, refused); err == nil {
		t.Fatal("no error")
	}
	var n int
	if err := pool.QueryRow(t.Context(), "select count(*) from prices").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, error %v", n, err)
	}
	if _, err := os.Stat(refused); !os.IsNotExist(err) {
		t.Errorf("the file of refused lines is there: %v", err)
	}
}
