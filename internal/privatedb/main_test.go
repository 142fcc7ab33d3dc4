//go:build unix

package privatedb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRootDoesNotRunTheServer(t *testing.T) {
	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	if root := os.Geteuid() == 0; root != (who != nil) {
		t.Fatalf("root: %v, account: %v", root, who)
	}
	dir, err := temporaryFolder(who, false)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10)
	want := strconv.Itoa(os.Geteuid())
	if who != nil {
		want = strconv.FormatUint(uint64(who.uid), 10)
	}
	if owner != want || owner == "0" || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder belongs to %s with mode %v, want %s and 0700", owner, info.Mode(), want)
	}
}

func emptyFolder(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left behind: %s", left)
	}
	return err
}

// passableDir is a temporary folder into which every user may go, which
// t.TempDir is not. It is in memory if it can be: these tests make many servers.
func passableDir(t *testing.T) string {
	t.Helper()
	base, ok := MemoryFolder()
	if !ok {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "devdb-test-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func query[T any](t *testing.T, url, sql string, args ...any) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return value
}
