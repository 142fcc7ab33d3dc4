package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/examples/sales/salesetl"
	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// outcome is what a call of the command left.
type outcome struct {
	status         int
	stdout, stderr string
}

// sales runs the command within the test's process.
func sales(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	status := run(ctx, args, &stdout, &stderr)
	return outcome{status, stdout.String(), stderr.String()}
}

// mustSucceed runs the command and expects it to go well, without a word on standard error.
func mustSucceed(t *testing.T, args ...string) outcome {
	t.Helper()
	got := sales(t.Context(), append(args, "-progress", "off")...)
	if got.status != exitOK || got.stderr != "" {
		t.Fatalf("status %d, standard error:\n%s", got.status, got.stderr)
	}
	return got
}

// mustFail runs the command and expects a single line on standard error that holds all these words.
func mustFail(t *testing.T, words []string, args ...string) {
	t.Helper()
	got := sales(t.Context(), append(args, "-progress", "off")...)
	checkFailure(t, got, words)
}

func checkFailure(t *testing.T, got outcome, words []string) {
	t.Helper()
	if got.status != exitFailed {
		t.Errorf("status %d, want %d", got.status, exitFailed)
	}
	t.Log(strings.TrimSpace(got.stderr))
	if got.stdout != "" {
		t.Errorf("standard output:\n%s", got.stdout)
	}
	if !strings.HasPrefix(got.stderr, "error: ") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("not one line of error:\n%s", got.stderr)
	}
	for _, word := range words {
		if !strings.Contains(got.stderr, word) {
			t.Errorf("%q is not in the error:\n%s", word, got.stderr)
		}
	}
}

// newDatabase returns a database and its URL.
func newDatabase(t *testing.T) (*pgxpool.Pool, string) {
	t.Helper()
	url := devdb.TestURL(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, url
}

// loadedDatabase returns a database in which the job has run.
func loadedDatabase(t *testing.T) (*pgxpool.Pool, string) {
	t.Helper()
	pool, url := newDatabase(t)
	mustSucceed(t, "-database-url", url, "-init")
	return pool, url
}

// snapshot is what is in the pipeline's tables, in a few words.
func snapshot(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var all []string
	for _, table := range []string{salesetl.InStoreTable, salesetl.OnlineTable, salesetl.TotalsTable} {
		var rows int
		var sum string
		err := pool.QueryRow(t.Context(), fmt.Sprintf("SELECT count(*), coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM %s AS t", table)).Scan(&rows, &sum)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s: %d rows, %s", table, rows, sum))
	}
	return strings.Join(all, "\n")
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sales.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
