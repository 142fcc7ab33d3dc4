package recipes

import (
	"bytes"
	"context"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
)

var programs string // the folder of the built programs

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "recipes-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./...").CombinedOutput(); err != nil {
		_, _ = os.Stderr.Write(out)
		return 1
	}
	programs = dir
	return devdb.Main(m).Run()
}

// A recipe is run as its user would: in a folder with its files, with its database in the environment.
type recipe struct {
	*testing.T
	dir, url string
}

func start(t *testing.T, files map[string]string, tables string) (recipe, *pgxpool.Pool) {
	t.Helper()
	pool := devdb.Test(t)
	r := recipe{t, t.TempDir(), pool.Config().ConnString()}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	return r, pool
}

func (r recipe) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(programs, program), args...)
	c.Dir, c.Env = r.dir, append(os.Environ(), "DATABASE_URL="+r.url)
	return c
}

func (r recipe) run(program string, args ...string) string {
	r.Helper()
	out, err := r.command(r.Context(), program, args...).CombinedOutput()
	if err != nil {
		r.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

func (r recipe) fails(program string, args ...string) string {
	r.Helper()
	out, err := r.command(r.Context(), program, args...).CombinedOutput()
	if err == nil {
		r.Fatalf("%s succeeded\n%s", program, out)
	}
	return string(out)
}

func (r recipe) file(name, want string) {
	r.Helper()
	got, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		r.Errorf("%s: %s", name, diff)
	}
}

func (r recipe) rows(pool *pgxpool.Pool, query, want string) {
	r.Helper()
	var got string
	err := pool.QueryRow(r.Context(), "select coalesce(string_agg(t::text, ' '), '') from ("+query+") t").Scan(&got)
	if err != nil {
		r.Fatal(err)
	}
	if got != want {
		r.Errorf("%s: %s, want %s", query, got, want)
	}
}

// What a recipe takes is what its author had to write: lines with code, without the package clause and the imports.
func TestNoRecipeIsLong(t *testing.T) {
	const most = 60
	mains, err := filepath.Glob("*/*.go")
	if err != nil || len(mains) < 10 {
		t.Fatal(mains, err)
	}
	for _, path := range mains {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := codeLines(t, path, source); n > most {
			t.Errorf("%s has %d lines of code, more than %d", path, n, most)
		} else {
			t.Logf("%s: %d lines of code", path, n)
		}
		if bytes.Contains(source, []byte("millrace/internal/")) {
			t.Errorf("%s cannot be copied: it imports what is internal", path)
		}
	}
}

func codeLines(t *testing.T, path string, source []byte) int {
	t.Helper()
	set := token.NewFileSet()
	imports, err := parser.ParseFile(set, path, source, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	after := set.Position(imports.Name.End()).Line
	for _, d := range imports.Decls {
		after = max(after, set.Position(d.End()).Line)
	}
	var s scanner.Scanner
	file := set.AddFile(path, -1, len(source))
	s.Init(file, source, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, literal := s.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		first := file.Line(at)
		for line := first; line <= first+strings.Count(literal, "\n"); line++ {
			if line > after && !(kind == token.SEMICOLON && literal == "\n") {
				lines[line] = true
			}
		}
	}
}
