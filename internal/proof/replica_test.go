package proof

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/sinks"
)

// A child process of this subject is a replica of durable runs.
const replicaSubject = "replica"

// The environment of a replica, beside that of all children.
const (
	childOther = "MILLRACE_PROOF_OTHER_URL" // the database of the runs "apart"
	childName  = "MILLRACE_PROOF_NAME"
)

// chaosLease is short, so that many are lost in a short time.
const chaosLease = 1500 * time.Millisecond

// serveReplica works runs until SIGTERM.
func serveReplica() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pools := make([]*pgxpool.Pool, 2)
	for i, url := range []string{os.Getenv(childURL), os.Getenv(childOther)} {
		config, err := pgxpool.ParseConfig(url)
		if err != nil {
			return err
		}
		config.MaxConns = 8
		if pools[i], err = pgxpool.NewWithConfig(ctx, config); err != nil {
			return err
		}
		defer pools[i].Close()
	}
	s, err := runs.New(ctx, runs.Config{
		Pool: pools[0], Registry: chaosRegistry(pools[0], pools[1], os.Getenv(childDir)), Name: os.Getenv(childName),
		Lease: chaosLease, Workers: 4, Grace: -1,
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

// chaosRows is how many rows a run writes, into a table and into a file of its own.
const chaosRows = 200

type chaosRow struct {
	Run     string `csv:"run" db:"run"`
	Attempt int    `csv:"attempt" db:"attempt"`
	N       int    `csv:"n" db:"n"`
}

const chaosSchema = `create table items (run text not null, attempt integer not null, n integer not null)`

func chaosFile(dir, run string) string { return filepath.Join(dir, run+".csv") }

// chaosRegistry has two pipelines: "together" writes into the database of the history, "apart" into another one.
func chaosRegistry(home, other *pgxpool.Pool, dir string) *runs.Registry {
	r := &runs.Registry{}
	for name, pool := range map[string]*pgxpool.Pool{"together": home, "apart": other} {
		r.Add(runs.Definition{
			Name: name, MaxActive: 64, Retry: pipeline.Retry{MaxAttempts: 2, Backoff: 20 * time.Millisecond},
			Params: []runs.Param{{Name: "fails", Type: runs.Bool}},
			Build: func(_ context.Context, run runs.Run) (*pipeline.Pipeline, error) {
				p := pipeline.New(name, pipeline.Options{BatchSize: 16})
				rows := pipeline.From(p, "make", pipeline.SourceFunc[chaosRow](func(ctx context.Context, out *pipeline.Writer[chaosRow]) error {
					for n := range chaosRows {
						if n%20 == 0 {
							pause(ctx, rand.N(30*time.Millisecond))
						}
						if err := out.Write(chaosRow{run.ID, run.Attempt, n}); err != nil {
							return err
						}
					}
					if run.Params.Bool("fails") {
						return errPlanned
					}
					return nil
				}))
				pipeline.To(rows, "load", sinks.Postgres[chaosRow]{Pool: pool, Table: "items"})
				pipeline.To(rows, "write", lateFile{sinks.CSV[chaosRow]{Path: chaosFile(dir, run.ID)}})
				return p, nil
			},
		})
	}
	return r
}

// lateFile is a file that gets its name some time after the databases have committed, so that many are killed in
// between.
type lateFile struct{ sinks.CSV[chaosRow] }

func (f lateFile) Load(ctx context.Context, in *pipeline.Reader[chaosRow]) error {
	for _, phase := range []pipeline.Phase{pipeline.PhaseData, pipeline.PhaseLedger, pipeline.PhaseFiles} {
		if _, err := pipeline.Join(ctx, delay{phase}, func(context.Context) (delay, error) { return delay{phase}, nil }); err != nil {
			return err
		}
	}
	return f.CSV.Load(ctx, in)
}

// delay is a unit of work that does nothing for a while.
type delay struct{ phase pipeline.Phase }

func (delay) Name() string                   { return "delay" }
func (d delay) Phase() pipeline.Phase        { return d.phase }
func (delay) Prepare(context.Context) error  { return nil }
func (delay) Rollback(context.Context) error { return nil }
func (delay) Commit(ctx context.Context) error {
	pause(ctx, rand.N(50*time.Millisecond))
	return nil
}

// replica is a child process that works runs.
type replica struct {
	cmd    *exec.Cmd
	stderr *strings.Builder
	exited chan struct{}
}

func startReplica(t *testing.T, home, other, dir, name string) *replica {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{cmd: exec.Command(self), stderr: &strings.Builder{}, exited: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), childSubject+"="+replicaSubject, childURL+"="+home, childOther+"="+other, childDir+"="+dir, childName+"="+name)
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
		_, _ = io.Copy(io.Discard, out) // it says nothing more
		_ = r.cmd.Wait()                // how it ends is what the test decides
	}()
	t.Cleanup(func() { r.kill(t) })
	if line != "ready\n" {
		r.kill(t)
		t.Fatalf("replica %s did not start: %v\n%s", name, err, r.stderr)
	}
	return r
}

// kill ends the process, if it is still there, as kill -9 does.
func (r *replica) kill(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill: %v", err)
	}
	<-r.exited
}

func (r *replica) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Errorf("signal %v: %v", s, err)
	}
}
