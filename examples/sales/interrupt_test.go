//go:build linux || darwin

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// until asks again and again, for half a minute at most.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test is over")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// midway starts the command on a file that never ends, waits until its rows are on their way into the table, and calls
// then with the server process that takes them.
func midway(t *testing.T, pool *pgxpool.Pool, database string, then func(cancel func(), backend int)) outcome {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sales.csv")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // opened for both, it waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		rows, err := header, error(nil)
		for err == nil { // until the pipe is closed
			_, err = io.WriteString(pipe, rows)
			rows = strings.Repeat("1,Tea,2,1.50,2025-01-02,here\n", 1000)
		}
		if !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	defer func() { pipe.Close(); writer.Wait() }()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan outcome, 1)
	go func() { ended <- sales(ctx, "-database-url", database, "-csv", path, "-progress", "off") }()

	var backend int
	until(t, "the COPY", func() bool {
		select {
		case got := <-ended:
			t.Fatalf("the command has ended: %+v", got)
		default:
		}
		err := pool.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() AND query ILIKE 'copy %in_store_sales%from stdin%'").Scan(&backend)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		return err == nil
	})
	then(cancel, backend)
	return <-ended
}

func TestServerThatGoesAwayInTheMiddle(t *testing.T) {
	pool, database := loadedDatabase(t)
	before := snapshot(t, pool)
	got := midway(t, pool, database, func(_ func(), backend int) {
		if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", backend); err != nil {
			t.Error(err)
		}
	})
	// What the server said last can be lost with the connection, when a row that is being sent finds it closed.
	reason := "terminating connection due to administrator command"
	if !strings.Contains(got.stderr, reason) {
		reason = "the connection was lost while rows were sent; the server's log says why"
	}
	checkFailure(t, got, []string{"sde_gul_etl: load_in_store: ", reason})
	if after := snapshot(t, pool); after != before {
		t.Errorf("the tables are\n%s\nand were\n%s", after, before)
	}
}

func TestCancelInTheMiddle(t *testing.T) {
	pool, database := loadedDatabase(t)
	before := snapshot(t, pool)
	got := midway(t, pool, database, func(cancel func(), _ int) { cancel() })
	checkFailure(t, got, []string{"sde_gul_etl: cancelled; everything was rolled back"})
	if after := snapshot(t, pool); after != before {
		t.Errorf("the tables are\n%s\nand were\n%s", after, before)
	}
	var others int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname = 'in_store_sales' AND pid <> pg_backend_pid()").Scan(&others); err != nil || others != 0 {
		t.Errorf("%d locks are left, %v", others, err)
	}
}

// peakMemory runs a command and returns the most bytes that it had in memory at once. The kernel's own account for the
// parent (Rusage.Maxrss) will not do: it begins with the memory of the parent, which is that of the race detector.
func peakMemory(command *exec.Cmd) (int64, error) {
	if err := command.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	status := fmt.Sprintf("/proc/%d/status", command.Process.Pid)
	for peak := int64(0); ; {
		select {
		case err := <-ended:
			if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "darwin" {
				peak = usage.Maxrss
			}
			return peak, err
		case <-time.After(5 * time.Millisecond):
			text, _ := os.ReadFile(status) // it may just have ended
			if _, after, found := strings.Cut(string(text), "VmHWM:"); found {
				var kib int64
				if _, err := fmt.Sscan(after, &kib); err == nil {
					peak = max(peak, kib*1024)
				}
			}
		}
	}
}

// The command as a process of its own, as a user runs it.
func TestProcess(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sales")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// The rows alone, were they kept, would be about 90 MB.
	t.Run("memory does not grow with the rows", func(t *testing.T) {
		pool, database := newDatabase(t)
		command := exec.CommandContext(t.Context(), program, "-init", "-rows", "300000", "-progress", "off")
		command.Env = append(os.Environ(), "DATABASE_URL="+database)
		var stderr strings.Builder
		command.Stderr = &stderr
		peak, err := peakMemory(command)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		if got := snapshot(t, pool); !strings.Contains(got, "in_store_sales: 300000 rows") {
			t.Error(got)
		}
		if t.Logf("peak %d MiB", peak>>20); peak < 4<<20 || peak > 64<<20 {
			t.Errorf("the process took %d MiB, 64 are allowed", peak>>20)
		}
	})

	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(fmt.Sprintf("%v leaves nothing", signal), func(t *testing.T) {
			temp, err := os.MkdirTemp("", "sales-test-") //nolint:usetesting // the server may run as another user, who must get there
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(temp)
			if err := os.Chmod(temp, 0o711); err != nil {
				t.Fatal(err)
			}
			command := exec.CommandContext(t.Context(), program, "-rows", "2000000")
			command.Env = append(os.Environ(), "DATABASE_URL=", "TMPDIR="+temp)
			stderr, err := command.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stderr)
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), "database: ") {
				t.Fatalf("the first line is %q", lines.Text())
			}
			until(t, "the file of made up sales", func() bool {
				made, err := filepath.Glob(filepath.Join(temp, "millrace-sales-*", "*"))
				return err == nil && len(made) > 0
			})
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			var last string
			for lines.Scan() {
				last = lines.Text()
			}
			if err := command.Wait(); err == nil || command.ProcessState.ExitCode() != exitFailed {
				t.Errorf("ended with %v", err)
			}
			if !strings.HasPrefix(last, "error: sales_demo_data: cancelled") {
				t.Errorf("the last line is %q", last)
			}
			left, err := filepath.Glob(filepath.Join(temp, "*"))
			if err != nil {
				t.Fatal(err)
			}
			if len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
