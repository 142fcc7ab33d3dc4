package proof

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
)

// commitMessage is a COMMIT as the client sends it: a Query message
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).
var commitMessage = []byte("Q\x00\x00\x00\x0bcommit\x00")

// cutter is a proxy that cuts a connection when a COMMIT comes by: before it is
// passed on, or after it is and before its answer is.
type cutter struct {
	listener net.Listener
	upstream string
	armed    atomic.Bool // the next COMMIT is cut
	deliver  atomic.Bool // but reaches the server
	cuts     atomic.Int64
	wg       sync.WaitGroup
}

func newCutter(t *testing.T, database string) (c *cutter, through string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = &cutter{listener: l, upstream: u.Host}
	u.Host = l.Addr().String()
	c.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.serve(client) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); c.wg.Wait() })
	return c, u.String()
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	var muted atomic.Bool
	c.wg.Go(func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 && !muted.Load() {
				if _, err := client.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				_ = client.Close()
				return
			}
		}
	})
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		if bytes.Contains(buf[:n], commitMessage) && c.armed.CompareAndSwap(true, false) {
			c.cuts.Add(1)
			muted.Store(true)
			if c.deliver.Load() {
				_, _ = server.Write(buf[:n]) // the server commits, and nobody hears of it
			}
			return
		}
		if n > 0 {
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestACommitWhoseAnswerIsLost cuts every first COMMIT.
func TestACommitWhoseAnswerIsLost(t *testing.T) {
	for _, s := range some(0, 4) {
		for name, deliver := range map[string]bool{"after it was done": true, "before it arrived": false} {
			t.Run(s.name+", "+name, func(t *testing.T) {
				database := devdb.TestURL(t)
				a := newArena(t, s, database)
				c, through := newCutter(t, database)
				pool, err := pgxpool.New(t.Context(), through)
				if err != nil {
					t.Fatal(err)
				}
				defer pool.Close()
				c.deliver.Store(deliver)
				for run := 1; run <= amount(1, 5); run++ {
					if err := s.prepare(t.Context(), a.pool, run); err != nil {
						t.Fatal(err)
					}
					// Only the run's own transaction is meant, not the ledger's short ones.
					p := s.pipelineOf(pool, a.dir, runName(run), 1, quickRetry)
					pipeline.Do(p, "arm", armAtCommit(c))
					rep, err := p.Run(t.Context())
					if err != nil {
						t.Fatalf("run %d, after %d attempts: %v", run, rep.Attempt, err)
					}
					if deliver && rep.Attempt != 1 {
						t.Errorf("run %d: %d attempts, though the first had committed", run, rep.Attempt)
					}
					if c.cuts.Load() != int64(run) {
						t.Fatalf("run %d: %d commits were cut", run, c.cuts.Load())
					}
					if committed, err := a.check(t.Context(), run-1); err != nil || committed != run {
						t.Fatalf("run %d: %d runs committed, error %v", run, committed, err)
					}
					a.checkFile()
				}
				a.noLeftovers()
			})
		}
	}
}
