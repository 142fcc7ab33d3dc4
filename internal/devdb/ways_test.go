//go:build unix

package devdb

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/privatedb"
)

// use makes this process take the way for servers that it starts.
func (w way) use(t *testing.T) {
	t.Helper()
	t.Setenv("DATABASE_URL", "")
	for _, e := range w.env {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
}

func TestEveryWayOfThisMachine(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			w.use(t)
			dir := passableDir(t)
			t.Setenv("TMPDIR", dir)
			var log bytes.Buffer
			s, err := Start(t.Context(), Options{Purpose: w.purpose, Log: &log})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			t.Log(s.How())
			config, err := pgx.ParseConfig(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(s.How(), w.says) {
				t.Errorf("it says %q, without %q", s.How(), w.says)
			}
			if line := log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, s.How()) ||
				strings.Contains(line, config.Password) {
				t.Errorf("log: %q", line)
			}
			for setting, want := range map[string]string{
				"fsync": "off", "synchronous_commit": "off", "max_connections": "200", "TimeZone": "UTC",
				"server_encoding": "UTF8", "is_superuser": "on", "password_encryption": "scram-sha-256",
			} {
				if got := query[string](t, s.URL(), "SELECT current_setting($1)", setting); got != want {
					t.Errorf("%s = %s, want %s", setting, got, want)
				}
			}
			if got := query[string](t, s.URL(), "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = current_user"); got != "SCRAM-SHA-256$" {
				t.Errorf("the password is stored as %s", got)
			}
			config.Password = "wrong"
			if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
				_ = conn.Close(t.Context())
				t.Error("a wrong password is accepted")
			}
			if err := s.Kill(t.Context()); err == nil || !strings.Contains(err.Error(), "not one that was started as durable") {
				t.Errorf("kill: %v", err)
			}

			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("second close: %v", err)
			}
			// At once, not eventually: Close waits.
			if err := errors.Join(noServer(s.URL()), noContainer(t, s.Keeper()), emptyFolder(dir)); err != nil {
				t.Error(err)
			}
			if _, err := s.NewDatabase(t.Context()); err == nil || !strings.Contains(err.Error(), "is closed") {
				t.Errorf("a database of a closed server: %v", err)
			}
		})
	}
}

func TestADurableServerIsKilledAndComesBack(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			w.use(t)
			t.Setenv("DATABASE_URL", "postgres://not.to.be.used/")
			s, err := Start(t.Context(), Options{Purpose: w.purpose, Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			if got := query[string](t, s.URL(), "SELECT current_setting('fsync') || current_setting('synchronous_commit')"); got != "onon" {
				t.Fatalf("fsync and synchronous_commit: %s", got)
			}
			execute(t, s.URL(), "CREATE TABLE t (n int)")
			for i, end := range []func(context.Context) error{s.Kill, s.StopImmediate} {
				execute(t, s.URL(), "INSERT INTO t VALUES (1)")
				open, err := pgx.Connect(t.Context(), s.URL())
				if err != nil {
					t.Fatal(err)
				}
				tx, err := open.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Exec(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
					t.Fatal(err)
				}
				if err := end(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := noServer(s.URL()); err != nil {
					t.Fatal(err)
				}
				if err := open.Ping(t.Context()); err == nil {
					t.Fatal("a connection survived")
				}
				_ = open.Close(t.Context())
				if err := s.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := query[int](t, s.URL(), "SELECT count(*) FROM t"); n != i+1 {
					t.Fatalf("%d rows, want the %d that were committed", n, i+1)
				}
			}
		})
	}
}

func TestTestServerIsDurable(t *testing.T) {
	var s *Server
	t.Run("a test", func(t *testing.T) {
		ways(t)[0].use(t)
		s = TestServer(t)
		if got := query[string](t, s.URL(), "SELECT current_setting('fsync')"); got != "on" {
			t.Errorf("fsync = %s", got)
		}
	})
	if err := noServer(s.URL()); err != nil {
		t.Error(err)
	}
}

func TestAStartThatIsCancelledLeavesNothing(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			w.use(t)
			dir := passableDir(t)
			t.Setenv("TMPDIR", dir)
			why := errors.New("changed my mind")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
			s, err := Start(ctx, Options{Purpose: w.purpose})
			if err == nil {
				_ = s.Close()
				t.Fatal("it started in no time")
			}
			if !errors.Is(err, why) {
				t.Errorf("got %v, want the cause", err)
			}
			eventually(t, func() error { return emptyFolder(dir) })
		})
	}
}

func TestTheDataOfTestsIsInMemoryWhereThatIsPlentiful(t *testing.T) {
	t.Setenv("TMPDIR", "")
	base, ok := privatedb.MemoryFolder()
	for _, w := range ways(t) {
		if w.name != "binaries" {
			continue
		}
		w.use(t)
		s, err := Start(t.Context(), Options{Purpose: ForTests})
		if err != nil {
			t.Fatal(err)
		}
		dir := query[string](t, s.URL(), "SELECT current_setting('data_directory')")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if in := strings.HasPrefix(dir, base+"/"); ok != (ok && in) {
			t.Errorf("data in %s, want it below %s", dir, base)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", dir, err)
		}
	}

	t.Setenv("TMPDIR", t.TempDir())
	if _, ok := privatedb.MemoryFolder(); ok {
		t.Error("TMPDIR is not heeded")
	}
}
