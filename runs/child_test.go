package runs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// The environment of a child process: a replica that a test may kill.
const (
	childURL   = "MILLRACE_RUNS_CHILD_URL"
	childName  = "MILLRACE_RUNS_CHILD_NAME"
	childLease = "MILLRACE_RUNS_CHILD_LEASE"
	childGate  = "MILLRACE_RUNS_CHILD_GATE" // the file for which first attempts wait
)

// child is a replica that works until it is told to stop.
func child() int {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config, err := pgxpool.ParseConfig(os.Getenv(childURL))
	if err != nil {
		return err
	}
	config.MaxConns = 12
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	lease, err := time.ParseDuration(os.Getenv(childLease))
	if err != nil {
		return err
	}
	r := &Registry{}
	r.Add(halves(pool, os.Getenv(childGate)), small(pool))
	r.Add(childExports(pool)...)
	s, err := New(ctx, Config{
		Pool: pool, Registry: r, Name: os.Getenv(childName), Lease: lease, Workers: 8, Grace: 100 * time.Millisecond,
		Logger: hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn}),
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	bounded, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return s.Stop(bounded)
}

// halfRows is half of the rows that a run of halves writes.
const halfRows = 5000

// halves writes rows; in its first attempt it waits after half of them until a file is there.
func halves(pool *pgxpool.Pool, gate string) Definition {
	const name = "halves"
	return Definition{
		Name: name,
		Build: func(_ context.Context, run Run) (*pipeline.Pipeline, error) {
			p := pipeline.New(name, pipeline.Options{})
			items := pipeline.From(p, "make", pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
				for i := range 2 * halfRows {
					if i == halfRows && run.Attempt == 1 {
						if err := out.Flush(); err != nil {
							return err
						}
						if err := awaitFile(ctx, gate); err != nil {
							return err
						}
					}
					if err := out.Write(item{Run: run.ID, N: int64(i)}); err != nil {
						return err
					}
				}
				return nil
			}))
			pipeline.To(items, "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
			return p, nil
		},
	}
}

func awaitFile(ctx context.Context, path string) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// small writes three rows.
func small(pool *pgxpool.Pool) Definition {
	d := writes("small", pool, 3, nil)
	d.MaxActive = 64
	return d
}

// replica is a child process.
type replica struct {
	t      testing.TB
	cmd    *exec.Cmd
	stderr *strings.Builder
	exited chan struct{}
	err    error
}

// startReplica starts a replica as a process of its own, and waits until it works.
func startReplica(t testing.TB, url, name string, lease time.Duration, gate string) *replica {
	t.Helper()
	r := &replica{t: t, cmd: exec.Command(os.Args[0]), stderr: &strings.Builder{}, exited: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), childURL+"="+url, childName+"="+name, childLease+"="+lease.String(), childGate+"="+gate)
	r.cmd.Stderr = r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		defer close(r.exited)
		_, _ = io.Copy(io.Discard, out)
		r.err = r.cmd.Wait()
	}()
	t.Cleanup(r.kill)
	if line != "ready\n" {
		r.kill()
		t.Fatalf("replica %s did not start: %v\n%s", name, err, r.stderr)
	}
	return r
}

func (r *replica) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Errorf("signal %v: %v", s, err)
	}
}

// kill ends the process, if it is still there, as kill -9 does.
func (r *replica) kill() {
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Errorf("kill: %v", err)
	}
	<-r.exited
}
