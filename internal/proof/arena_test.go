package proof

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// arena is a database, a folder and a subject.
type arena struct {
	t       *testing.T
	subject subject
	url     string
	pool    *pgxpool.Pool // the judge's own, never broken
	dir     string
	random  *rand.Rand
}

// newArena makes the tables. The seed of what happens is logged, so that a failure
// can be tried again, as far as time repeats itself.
func newArena(t *testing.T, s subject, url string) *arena {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	a := &arena{t: t, subject: s, url: url, pool: pool, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0))}
	if err := writeSales(filepath.Join(a.dir, "sales.csv")); err != nil {
		t.Fatal(err)
	}
	return a
}

// process is a child that runs one attempt.
type process struct {
	cmd    *exec.Cmd
	stderr strings.Builder
	exited chan struct{}
	err    error
}

// start starts an attempt and waits until it begins.
func (a *arena) start(run, attempt int) *process {
	a.t.Helper()
	self, err := os.Executable()
	if err != nil {
		a.t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childSubject+"="+a.subject.name, childURL+"="+a.url, childDir+"="+a.dir,
		childRun+"="+runName(run), fmt.Sprintf("%s=%d", childAttempt, attempt))
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		defer close(p.exited)
		p.err = p.cmd.Wait()
	}()
	if err != nil || line != "ready\n" {
		<-p.exited
		a.t.Fatalf("a child did not begin: %v, %q, %s", err, line, p.stderr.String())
	}
	return p
}

// killAfter kills the process at that moment, unless it has ended before, and tells
// whether it was killed.
func (p *process) killAfter(d time.Duration) (killed bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = p.cmd.Process.Kill() // it may just have ended
		<-p.exited
	}
	var status *exec.ExitError
	return errors.As(p.err, &status) && !status.Exited()
}

// moment is a random time in a run that takes about d.
func (a *arena) moment(d time.Duration) time.Duration {
	return time.Duration(a.random.Int64N(int64(d) * 11 / 10))
}

// check looks at everything at once and returns how many runs are committed: it must
// be done or one less than next, and everything must agree with that number.
func (a *arena) check(ctx context.Context, done int) (committed int, err error) {
	got, err := a.subject.look(ctx, a.pool)
	if err != nil {
		return 0, err
	}
	for n := done; n <= done+1; n++ {
		if got == a.subject.want(n) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("after %d committed runs the tables hold %+v, which is neither %+v nor %+v", done, got, a.subject.want(done), a.subject.want(done+1))
}

// checkFile holds the CSV file against the totals.
func (a *arena) checkFile() {
	a.t.Helper()
	if a.subject.build == nil || a.subject.name == "incremental" {
		return // it writes none
	}
	data, err := os.ReadFile(filepath.Join(a.dir, "totals.csv"))
	if err != nil {
		a.t.Fatal(err)
	}
	var sum, n, rows int64
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if i == 0 {
			continue
		}
		if _, err := fmt.Sscanf(line[strings.LastIndexByte(line, ',')+1:], "%d", &n); err != nil {
			a.t.Fatalf("totals.csv: %q: %v", line, err)
		}
		sum += n
		rows++
	}
	if sum != expectedTotal() || rows != products {
		a.t.Fatalf("totals.csv has %d rows with a sum of %d, want %d with %d", rows, sum, products, expectedTotal())
	}
}

// noLeftovers finds the temporary files of attempts that died.
func (a *arena) noLeftovers() {
	a.t.Helper()
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "sales.csv" && e.Name() != "totals.csv" {
			a.t.Errorf("left behind: %s", e.Name())
		}
	}
}
