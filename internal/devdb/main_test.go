//go:build unix

package devdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/dockertest/v3/docker"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/privatedb"
)

// childEnv makes the test binary a user of devdb that a test can kill.
const childEnv = "MILLRACE_DEVDB_TEST_CHILD"

func TestMain(m *testing.M) {
	if order := os.Getenv(childEnv); order != "" {
		childMain(order)
	}
	goleak.VerifyTestMain(Main(m))
}

// childOrder is what a child does: get a server, report, wait for a line on its
// standard input, and end in a certain way.
type childOrder struct {
	Options Options
	Shared  bool   // the server that tests share
	End     string // "return", "exit" or "panic"
}

type childReport struct {
	URL      string
	How      string
	Keeper   int
	Database Database
}

// failingTB ends the process where a test would fail.
type failingTB struct{ cleanups []func() }

func (*failingTB) Helper()             {}
func (t *failingTB) Cleanup(f func())  { t.cleanups = append(t.cleanups, f) }
func (*failingTB) Logf(string, ...any) {}
func (*failingTB) Errorf(f string, a ...any) {
	fmt.Fprintf(os.Stderr, f+"\n", a...)
	os.Exit(7)
}
func (t *failingTB) Fatalf(f string, a ...any) { t.Errorf(f, a...) }

func childMain(text string) {
	var order childOrder
	t := &failingTB{}
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		t.Fatalf("%v", err)
	}
	ctx := context.Background()
	var s *Server
	var err error
	if order.Shared {
		s, err = testServer(ctx)
	} else {
		s, err = Start(ctx, order.Options)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	db, err := s.NewDatabase(ctx)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(childReport{s.URL(), s.How(), s.Keeper(), db}); err != nil {
		t.Fatalf("%v", err)
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatalf("%v", err)
	}
	switch order.End {
	case "panic":
		panic("a test panics")
	case "exit":
		os.Exit(3)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("%v", err)
	}
	os.Exit(0)
}

// child is a running one. It has a temporary folder of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  interface{ Write([]byte) (int, error) }
	dir    string
	report childReport
}

func startChild(t *testing.T, order childOrder, env ...string) *child {
	t.Helper()
	return startChildIn(t, passableDir(t), order, env...)
}

func startChildIn(t *testing.T, dir string, order childOrder, env ...string) *child {
	t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self), dir: dir}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text), "TMPDIR="+dir, "DATABASE_URL=")
	c.cmd.Env = append(c.cmd.Env, env...)
	stderr := &strings.Builder{}
	c.cmd.Stderr = stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	if err := json.NewDecoder(stdout).Decode(&c.report); err != nil {
		_ = c.cmd.Wait()
		t.Fatalf("child: %v: %s", err, stderr)
	}
	return c
}

// goOn lets the child end in its way, and waits for that.
func (c *child) goOn() {
	c.t.Helper()
	if _, err := c.stdin.Write([]byte("\n")); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

// signal ends the child from outside, and waits for that.
func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Wait(); err == nil {
		c.t.Fatalf("the child survived %v", s)
	}
}

// nothingLeft waits until the child's keeper, server and files are gone.
func (c *child) nothingLeft() {
	c.t.Helper()
	eventually(c.t, func() error {
		if alive(c.report.Keeper) {
			return fmt.Errorf("keeper %d is alive", c.report.Keeper)
		}
		return errors.Join(noServer(c.report.URL), noContainer(c.t, c.report.Keeper), emptyFolder(c.dir))
	})
}

// eventually polls until the check passes, for some seconds.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

// alive reports whether a process is there and not a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

func noServer(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		_ = conn.Close(ctx)
		return errors.New("the server accepts connections")
	}
	return nil
}

func noContainer(t *testing.T, keeper int) error {
	t.Helper()
	pool, err := thisDaemon().dockerPool(t.Context())
	if err != nil {
		return nil // no daemon, no container
	}
	list, err := pool.Client.ListContainers(docker.ListContainersOptions{
		All:     true,
		Filters: map[string][]string{"label": {containerLabel + "=" + strconv.Itoa(keeper)}},
	})
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("container %s is there, %s", list[0].Names, list[0].Status)
	}
	return nil
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
	base, ok := privatedb.MemoryFolder()
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

// noDocker makes a child or this test find no Docker daemon.
const noDocker = "DOCKER_HOST=unix:///nonexistent/docker.sock"

// way is one that can be tried on its own on this machine.
type way struct {
	name    string
	purpose privatedb.Purpose
	env     []string
	says    string // part of Server.How
}

// ways lists those of this machine; there must be one.
func ways(t *testing.T) []way {
	t.Helper()
	var found []way
	if privatedb.Installed(t.Context()) {
		found = append(found, way{"binaries", ForExamples, []string{noDocker}, "private Postgres"})
	}
	h := thisDaemon()
	if pool, err := h.dockerPool(t.Context()); err == nil {
		if repository, tag := splitImage(h.image()); h.ensureImage(t.Context(), pool, repository, tag) == nil {
			found = append(found, way{"docker", ForTests, nil, "Docker"})
		}
	}
	if len(found) == 0 {
		t.Fatal("this machine has neither Docker nor server binaries")
	}
	return found
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

func execute(t *testing.T, url, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}
