//go:build unix

package devdb

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestTwoTestsGetTwoDatabases(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			pool := Test(t)
			var db string
			if err := pool.QueryRow(t.Context(), "SELECT current_database()").Scan(&db); err != nil {
				t.Fatal(err)
			}
			if other, again := seen[db]; again {
				t.Fatalf("%s and %s share database %s", name, other, db)
			}
			seen[db] = name
			// It is empty: the other one's table is not there.
			if _, err := pool.Exec(t.Context(), "CREATE TABLE t (n int)"); err != nil {
				t.Fatal(err)
			}
		})
	}
	if len(seen) != 2 {
		t.Fatalf("databases: %v, want 2", seen)
	}
}

func TestParallelTestsGetDatabases(t *testing.T) {
	for range 8 {
		t.Run("one of many", func(t *testing.T) {
			t.Parallel()
			if err := Test(t).Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheDatabaseIsGoneAfterTheTest(t *testing.T) {
	var url string
	var open *pgx.Conn
	t.Run("a test that leaves a connection open", func(t *testing.T) {
		url = TestURL(t)
		var err error
		if open, err = pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	})
	if err := open.Ping(t.Context()); err == nil {
		t.Error("the connection still works")
	}
	_, err := pgx.Connect(t.Context(), url)
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "3D000" {
		t.Errorf("connect: %v, want that the database does not exist", err)
	}
}

func TestADatabaseFromATemplate(t *testing.T) {
	TestURL(t) // starts the server
	s, err := testServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	template, err := s.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	execute(t, template.URL, "CREATE TABLE t AS SELECT 42 AS n")
	db, err := s.NewDatabaseFrom(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, db.URL, "SELECT n FROM t"); n != 42 {
		t.Errorf("n = %d, want 42", n)
	}
	for _, db := range []Database{template, db} {
		if err := s.DropDatabase(t.Context(), db); err != nil {
			t.Error(err)
		}
	}
	if err := s.DropDatabase(t.Context(), db); err == nil || !strings.Contains(err.Error(), "was not created here") {
		t.Errorf("second drop: %v", err)
	}
	if err := s.DropDatabase(t.Context(), Database{Name: "postgres"}); err == nil {
		t.Error("a database of somebody else was dropped")
	}
}

// recordingTB notes failures instead of failing.
type recordingTB struct {
	failingTB
	errors []string
}

func (r *recordingTB) Errorf(format string, _ ...any) { r.errors = append(r.errors, format) }

func TestAForgottenConnectionFailsTheTestInsteadOfHanging(t *testing.T) {
	pool := Test(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &recordingTB{}
	closePool(r, pool, 50*time.Millisecond)
	conn.Release()
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], "connections in use") {
		t.Errorf("errors: %q", r.errors)
	}
}
