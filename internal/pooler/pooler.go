// Package pooler lets tests reach a database through PgBouncer (https://www.pgbouncer.org),
// as many installations do.
//
//	test -> pool -> PgBouncer on a free port of 127.0.0.1, pool_mode=transaction -> database of devdb
package pooler

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// program finds PgBouncer, which Debian keeps where only root looks.
func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no pgbouncer; install it (Debian: apt-get install pgbouncer)")
	}
	t.Skip("there is no pgbouncer; install it to run this test (Debian: apt-get install pgbouncer)")
	return ""
}

// InTransactionMode starts a PgBouncer before the pool's database, which gives each transaction
// whatever connection of the server's is free, and returns the URL of the database behind it. It is
// stopped at the test's end.
func InTransactionMode(t testing.TB, pool *pgxpool.Pool) (url string) {
	t.Helper()
	path := program(t)
	c := pool.Config().ConnConfig
	port := freePort(t)
	dir := t.TempDir()
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	config := fmt.Sprintf(`[databases]
db = host=%s port=%d dbname=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_round_robin = 1
default_pool_size = 12
ignore_startup_parameters = extra_float_digits,lock_timeout
`, quote(c.Host), c.Port, quote(c.Database), quote(c.User), quote(c.Password), port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if os.Geteuid() == 0 { // as which it refuses to run
		args = []string{"-u", "nobody", file}
	}
	var log safeBuffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	})
	url = fmt.Sprintf("postgres://somebody@127.0.0.1:%d/db?sslmode=disable", port)
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(context.Background(), url)
		if err == nil {
			if err := conn.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			return url
		}
		select {
		case <-deadline.C:
			t.Fatalf("pgbouncer cannot be reached: %v; its log: %s", err, log.String())
		case <-tick.C:
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Pool returns a pool of at most 8 connections to the URL, closed at the test's end.
func Pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// safeBuffer is written by the process and read by the test.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
