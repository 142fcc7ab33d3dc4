package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func books(t *testing.T, pool *pgxpool.Pool) []Book {
	t.Helper()
	rows, _ := pool.Query(t.Context(), "SELECT isbn, title, pages FROM books ORDER BY isbn") // Collect returns the error
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[Book])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var bundled = []Book{
	{"9780131103627", "The C Programming Language", 272},
	{"9780134190440", "The Go Programming Language", 380},
	{"9780201633610", "Design Patterns: Elements of Reusable Object-Oriented Software", 395},
	{"9780262510875", "Structure and Interpretation of Computer Programs, 2nd ed.", 657},
	{"9782070408504", "Le Petit Prince – édition « Folio »", 112},
}

// The command is run as a user runs it: as a process.
func TestCommandLoadsTheFile(t *testing.T) {
	url := devdb.TestURL(t)
	program := filepath.Join(t.TempDir(), "quickstart")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := exec.CommandContext(t.Context(), program, "books.csv")
	command.Env = append(os.Environ(), "DATABASE_URL="+url)
	out, err := command.CombinedOutput()
	if err != nil || string(out) != "5 books loaded\n" {
		t.Fatalf("%v\n%s", err, out)
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if diff := cmp.Diff(bundled, books(t, pool)); diff != "" {
		t.Error(diff)
	}
}

func TestLoadingAgainUpdatesAndAMistakeChangesNothing(t *testing.T) {
	pool := devdb.Test(t)
	ctx := context.Background()
	if _, err := load(ctx, pool, "books.csv"); err != nil {
		t.Fatal(err)
	}

	second := filepath.Join(t.TempDir(), "second.csv")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(second, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pages,isbn,title\n274,9780131103627,The C Programming Language\n1,0,New\n")
	if _, err := load(ctx, pool, second); err != nil {
		t.Fatal(err)
	}
	want := append([]Book{{"0", "New", 1}}, bundled...)
	want[1].Pages = 274
	if diff := cmp.Diff(want, books(t, pool)); diff != "" {
		t.Error(diff)
	}

	write("isbn,title,pages\n1,One,1\n2,Two,many\n")
	_, err := load(ctx, pool, second)
	if err == nil || !strings.Contains(err.Error(), `line 3: column "pages": "many" is not an integer`) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(want, books(t, pool)); diff != "" {
		t.Errorf("a file with a mistake changed the table: %s", diff)
	}
}
