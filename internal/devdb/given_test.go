//go:build unix

package devdb

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/privatedb"
)

// givenURL is the URL of a server that plays the user's own, for a role that
// may create databases and is no superuser.
func givenURL(t *testing.T) (admin, owner string) {
	t.Helper()
	if os.Getenv("DATABASE_URL") == "" {
		admin = TestURL(t)
	} else {
		admin = privateURL(t) // roles are made below, which may not be allowed there
	}
	role := "devdb_owner_" + privatedb.RandomHex(6)
	execute(t, admin, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD 'sesame'", pgx.Identifier{role}.Sanitize()))
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), admin)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "DROP ROLE "+pgx.Identifier{role}.Sanitize()); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "sesame")
	return admin, u.String()
}

func privateURL(t *testing.T) string {
	t.Helper()
	w := ways(t)[0]
	w.use(t)
	s, err := Start(t.Context(), Options{Purpose: w.purpose})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := s.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return db.URL
}

func databasesOf(t *testing.T, admin, owner string) int {
	t.Helper()
	u, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	return query[int](t, admin, "SELECT count(*) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE r.rolname = $1", u.User.Username())
}

func TestTheServerOfDatabaseURLIsUsedAndLeftAsItWas(t *testing.T) {
	admin, owner := givenURL(t)
	t.Setenv("DATABASE_URL", owner)
	s, err := Start(t.Context(), Options{Purpose: ForTests})
	if err != nil {
		t.Fatal(err)
	}
	if s.URL() != owner || !strings.Contains(s.How(), "DATABASE_URL") || strings.Contains(s.How(), "sesame") {
		t.Errorf("it says %q", s.How())
	}
	db, err := s.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := query[string](t, db.URL, "SELECT current_database()"); got != db.Name {
		t.Errorf("connected to %s, want %s", got, db.Name)
	}
	if n := databasesOf(t, admin, owner); n != 1 {
		t.Errorf("%d databases, want 1", n)
	}
	if err := s.Kill(t.Context()); err == nil {
		t.Error("somebody else's server was killed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := databasesOf(t, admin, owner); n != 0 {
		t.Errorf("%d databases are left", n)
	}
}

func TestAKilledProcessLeavesNoDatabaseOnTheServerOfDatabaseURL(t *testing.T) {
	admin, owner := givenURL(t)
	c := startChild(t, childOrder{Options: Options{Purpose: ForTests, DatabaseURL: owner}})
	if n := databasesOf(t, admin, owner); n != 1 {
		t.Fatalf("%d databases, want 1", n)
	}
	c.signal(syscall.SIGKILL)
	eventually(t, func() error {
		if n := databasesOf(t, admin, owner); n != 0 {
			return fmt.Errorf("%d databases are left", n)
		}
		return emptyFolder(c.dir)
	})
}

func TestADatabaseURLThatDoesNotServeIsAnErrorAndNotPassedOver(t *testing.T) {
	admin, owner := givenURL(t)
	port, err := privatedb.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, url, want string }{
		{"a wrong password", strings.Replace(owner, "sesame", "hush-hush", 1), "password authentication failed"},
		{"nobody listens", fmt.Sprintf("postgres://u:hush-hush@127.0.0.1:%d/d", port), "refused"},
		{"no such database", strings.Replace(owner, "/millrace_test", "/no_such", 1), "does not exist"},
		{"not a URL", "postgres://u:hush-hush@127.0.0.1:port/d", "cannot parse"},
		{"not a keyword string", "host password=hush-hush", "cannot parse"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Start(t.Context(), Options{DatabaseURL: tt.url})
			if err == nil {
				_ = s.Close()
				t.Fatal("no error")
			}
			if got := err.Error(); !strings.HasPrefix(got, "privatedb: DATABASE_URL: ") || !strings.Contains(got, tt.want) ||
				strings.Contains(got, "hush-hush") || strings.Contains(got, "sesame") {
				t.Errorf("got %s", got)
			}
		})
	}

	t.Run("a role that may not create databases", func(t *testing.T) {
		u, _ := url.Parse(owner)
		execute(t, admin, fmt.Sprintf("ALTER ROLE %s NOCREATEDB", pgx.Identifier{u.User.Username()}.Sanitize()))
		s, err := Start(t.Context(), Options{DatabaseURL: owner})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.NewDatabase(t.Context())
		if err == nil || !strings.Contains(err.Error(), "may not create databases") {
			t.Errorf("got %v", err)
		}
	})
}
