package blob

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
)

const exportedRows = 500

// amount is how much of a proof is done.
func amount(sample, whole int) int {
	if os.Getenv("MILLRACE_PROOF") == "full" {
		return whole
	}
	return sample
}

// arena is a place for a file, and how a process that writes it there is killed.
type arena struct {
	job    job
	strike func(c *child, random *rand.Rand) // at some instant of its commit
	calm   func()                            // no more
	names  func() []string
	text   func() string
}

func diskArena(t *testing.T) arena {
	path := filepath.ToSlash(filepath.Join(t.TempDir(), "items.csv"))
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	return arena{
		job: job{path: path},
		strike: func(c *child, random *rand.Rand) {
			wait := time.Duration(random.Int64N(int64(6 * time.Millisecond)))
			go func() {
				if _, ok := <-c.lines; ok {
					time.Sleep(wait)
					c.kill()
				}
			}()
		},
		calm: func() {},
		names: func() (all []string) {
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				all = append(all, e.Name())
			}
			return all
		},
		text: func() string {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		},
	}
}

func bucketArena(t *testing.T) arena {
	server := newS3(t)
	s := openS3(t, server.URL, "bucket")
	put(t, s, "items.csv", []byte("before"))
	return arena{
		job: job{path: "items.csv", endpoint: server.URL},
		// From the upload on it sends: the upload, a look at it, the copy, the deletion, a listing.
		strike: func(c *child, random *rand.Rand) {
			last, when, wait := 1+random.IntN(5), random.IntN(3), time.Duration(random.Int64N(int64(5*time.Millisecond)))
			n := 0
			server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if n > 0 || r.Method == http.MethodPut {
					n++ // one by one: the child waits for each answer
				}
				if n != last {
					next.ServeHTTP(w, r)
					return
				}
				switch when {
				case 0: // before it is done
				case 1: // when it is done, and nobody has heard of it
					next.ServeHTTP(httptest.NewRecorder(), r)
				case 2: // some time after the answer
					next.ServeHTTP(w, r)
					time.AfterFunc(wait, c.kill)
					return
				}
				c.kill()
				<-c.exited
				panic(http.ErrAbortHandler)
			})
		},
		calm:  func() { server.stand(nil) },
		names: func() []string { return names(t, s) },
		text:  func() string { return text(t, s, "items.csv") },
	}
}

// A process is killed around the commit of its database and the publication of its file, and so may the next attempt be.
// In the end rows, ledger and file are those of one attempt, and nothing else is there.
func TestAProcessKilledBetweenCommitAndPublication(t *testing.T) {
	for name, place := range map[string]func(*testing.T) arena{"disk": diskArena, "bucket": bucketArena} {
		t.Run(name, func(t *testing.T) { kill(t, place(t), amount(10, 100)) })
	}
}

func kill(t *testing.T, a arena, wanted int) {
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), "create table items (run text, attempt int, n int)"); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	runs, kills, between, copied := 0, 0, 0, 0
	for ; between < wanted; runs++ {
		if runs > 20*wanted {
			t.Fatalf("after %d runs only %d processes were killed between commit and publication", runs, between)
		}
		j := a.job
		j.kind, j.database, j.run, j.rows = "export", pool.Config().ConnString(), fmt.Sprint("run ", runs), exportedRows
		before := a.text()
		for j.attempt = 1; ; j.attempt++ {
			j.phase, j.pause = pipeline.PhaseFiles, 0
			c := newChild(t, j)
			if j.attempt <= 3 && (j.attempt == 1 || random.IntN(2) == 0) {
				j.phase = pipeline.PhaseFiles - pipeline.Phase(random.IntN(4)/3*2) // or before the database's commit
				j.pause = time.Duration(random.Int64N(int64(3 * time.Millisecond)))
				c = newChild(t, j)
				a.strike(c, random)
			}
			c.start(t)
			killed := c.killed()
			a.calm()
			if !killed && c.err != nil {
				t.Fatalf("seed %d: run %d, attempt %d: %v: %s", seed, runs, j.attempt, c.err, c.stderr.String())
			}
			by, err := committed(t.Context(), pool, j.run)
			if err != nil {
				t.Fatalf("seed %d: run %d, attempt %d: %v", seed, runs, j.attempt, err)
			}
			now := a.text()
			if now != before && (by == 0 || now != exportedText(j.run, by)) {
				t.Fatalf("seed %d: run %d, attempt %d: the ledger has attempt %d, and the file is %.100q", seed, runs, j.attempt, by, now)
			}
			if !killed {
				if by == 0 || now == before {
					t.Fatalf("seed %d: run %d: the ledger has attempt %d, and the file is %.100q", seed, runs, by, now)
				}
				break
			}
			kills++
			if by > 0 && len(a.names()) > 1 {
				between++
				if now != before {
					copied++
				}
			}
		}
		if got := a.names(); !slices.Equal(got, []string{"items.csv"}) {
			t.Fatalf("seed %d: run %d, %d attempts: there are %q", seed, runs, j.attempt, got)
		}
	}
	t.Logf("%d processes killed in %d runs; %d of them after the database's commit and before all was published, of these %d after the copy; seed %d",
		kills, runs, between, copied, seed)
}

// committed returns which attempt of a run the ledger has, 0 for none, if the rows are those of that attempt.
func committed(ctx context.Context, pool *pgxpool.Pool, run string) (by int, err error) {
	if err := pool.QueryRow(ctx, "select count(*) from pg_tables where schemaname = 'millrace' and tablename = 'commits'").Scan(&by); err != nil || by == 0 {
		return 0, err
	}
	var commits, rows, distinct, of int
	err = pool.QueryRow(ctx, `
select (select count(*) from millrace.commits where run_id = $1), (select coalesce(max(attempt), 0) from millrace.commits where run_id = $1),
       count(*), count(distinct n), coalesce(max(attempt), 0)
from items where run = $1`, run).Scan(&commits, &by, &rows, &distinct, &of)
	switch {
	case err != nil:
		return 0, err
	case commits == 0 && rows == 0, commits == 1 && rows == exportedRows && distinct == exportedRows && of == by:
		return by, nil
	}
	return 0, fmt.Errorf("%d commits, of attempt %d, and %d rows, %d of them distinct, of attempt %d", commits, by, rows, distinct, of)
}

func exportedText(run string, attempt int) string {
	var b strings.Builder
	b.WriteString("run,attempt,n\n")
	for n := range exportedRows {
		fmt.Fprintf(&b, "%s,%d,%d\n", run, attempt, n)
	}
	return b.String()
}
