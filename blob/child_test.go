package blob

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"gocloud.dev/blob/s3blob"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// job is what a child process does, as its environment says.
type job struct {
	kind     string // export, write or read
	endpoint string // of the S3 whose bucket is used; "" for the disk
	path     string
	database string
	run      string
	rows     int
	attempt  int
	phase    pipeline.Phase // of the commit, before which it says "now" ...
	pause    time.Duration  // ... and waits so long
}

const childJob = "MILLRACE_BLOB_CHILD"

func (j job) environment() string {
	return fmt.Sprintf("%s=%s,%s,%s,%s,%s,%d,%d,%d,%d", childJob, j.kind, j.endpoint, j.path, j.database, j.run, j.rows, j.attempt, j.phase, j.pause)
}

// jobOf reads what environment wrote.
func jobOf(text string) (j job, err error) {
	part := strings.Split(text, ",")
	if len(part) != 9 {
		return j, fmt.Errorf("%q is no job", text)
	}
	var n [4]int
	for i := range n {
		if n[i], err = strconv.Atoi(part[5+i]); err != nil {
			return j, err
		}
	}
	return job{part[0], part[1], part[2], part[3], part[4], n[0], n[1], pipeline.Phase(n[2]), time.Duration(n[3])}, nil
}

func (j job) do(ctx context.Context) error {
	var store files.Writable = files.Disk{}
	if j.endpoint != "" {
		b, err := s3blob.OpenBucket(ctx, s3Client(j.endpoint), "bucket", nil)
		if err != nil {
			return err
		}
		defer b.Close()
		store = Store{b}
	}
	switch j.kind {
	case "export":
		return j.export(ctx, store)
	case "write":
		return j.write(ctx, store)
	case "read":
		return j.read(ctx, store)
	}
	return fmt.Errorf("no job %q", j.kind)
}

// exported is a row that tells which attempt made it.
type exported struct {
	Run     string `csv:"run" db:"run"`
	Attempt int    `csv:"attempt" db:"attempt"`
	N       int    `csv:"n" db:"n"`
}

// export writes the same rows into a table and a file.
func (j job) export(ctx context.Context, store files.Writable) error {
	pool, err := pgxpool.New(ctx, j.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	p := pipeline.New("export", pipeline.Options{RunID: j.run, Attempt: j.attempt, State: sinks.PostgresState{Pool: pool}})
	rows := pipeline.From(p, "make", pipeline.SourceFunc[exported](func(_ context.Context, out *pipeline.Writer[exported]) error {
		for n := range j.rows {
			if err := out.Write(exported{j.run, j.attempt, n}); err != nil {
				return err
			}
		}
		return nil
	}))
	pipeline.To(rows, "load", sinks.Postgres[exported]{Pool: pool, Table: "items"})
	pipeline.To(rows, "write", hooked[exported]{CSV: sinks.CSV[exported]{Path: j.path, Store: store}, hook: &hook{phase: j.phase, commit: func() error {
		fmt.Println("now")
		time.Sleep(j.pause) // within it, or soon after, the parent kills
		return nil
	}}})
	_, err = p.Run(ctx)
	return err
}

// child is a process that does a job.
type child struct {
	cmd    *exec.Cmd
	stderr strings.Builder
	lines  chan string   // what it says
	begun  chan struct{} // closed when it runs
	exited chan struct{}
	err    error
}

func newChild(t testing.TB, j job) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.CommandContext(t.Context(), self), lines: make(chan string, 8), begun: make(chan struct{}), exited: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), j.environment())
	c.cmd.Stderr = &c.stderr
	return c
}

func (c *child) start(t testing.TB) {
	t.Helper()
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(c.begun)
	go func() {
		defer close(c.exited)
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
		c.err = c.cmd.Wait()
	}()
}

func (c *child) kill() {
	<-c.begun
	_ = c.cmd.Process.Kill() // it may just have ended
}

// killed tells how it ended.
func (c *child) killed() bool {
	<-c.exited
	return c.cmd.ProcessState != nil && !c.cmd.ProcessState.Exited()
}
