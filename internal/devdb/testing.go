package devdb

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// TB is what the helpers need of a testing.TB. It is an interface of our own so
// that a program that uses devdb does not link the testing package.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// testTimeout bounds the start of the server that tests share, the creation of
// a database, and its removal.
const testTimeout = 3 * time.Minute

// testPoolSize is the most connections a pool of Test opens.
const testPoolSize = 16

// forTests is the server that the tests of this process share.
var forTests struct {
	mu     sync.Mutex
	server *Server
	err    error
	told   bool
}

func testServer(ctx context.Context) (*Server, error) {
	forTests.mu.Lock()
	defer forTests.mu.Unlock()
	if forTests.server == nil && forTests.err == nil {
		// A failure is remembered: the next test would wait for it again.
		forTests.server, forTests.err = door.Share(ctx, Options{Purpose: ForTests})
	}
	return forTests.server, forTests.err
}

// Test returns a pool of connections, 16 at the most, to an empty database that
// is this test's own. At the test's end the pool is closed and the database
// dropped. If there is no Postgres, the test fails: it is not skipped.
func Test(t TB) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(TestURL(t))
	if err != nil {
		t.Fatalf("devdb: %v", err)
	}
	config.MaxConns = testPoolSize
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatalf("devdb: %v", err)
	}
	t.Cleanup(func() { closePool(t, pool, 10*time.Second) })
	return pool
}

// closePool closes the pool, which waits for the connections that are in use:
// not for ever, since a test that forgot one should fail rather than hang.
func closePool(t TB, pool *pgxpool.Pool, patience time.Duration) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
		t.Errorf("devdb: the test ended with %d connections in use", pool.Stat().AcquiredConns())
	}
}

// TestURL returns a connection string for an empty database that is this test's
// own and is dropped at its end, with all connections to it.
func TestURL(t TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	s, err := testServer(ctx)
	if err != nil {
		t.Fatalf("%v", err)
	}
	forTests.mu.Lock()
	told := forTests.told
	forTests.told = true
	forTests.mu.Unlock()
	if !told {
		t.Logf("database: %s", s.How())
	}
	db, err := s.NewDatabase(ctx)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if err := s.DropDatabase(ctx, db); err != nil {
			t.Errorf("%v", err)
		}
	})
	return db.URL
}

// TestServer returns a durable server that is this test's own, for tests that
// kill and restart it. It is gone at the test's end.
func TestServer(t TB) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	s, err := Start(ctx, Options{Purpose: ForTests, Durable: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("database: %s", s.How())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return s
}

// Main wraps a testing.M so that the server the tests shared is gone before the
// test process ends, not a moment after:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }
//	func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }
func Main(m interface{ Run() int }) interface{ Run() int } { return mainRun{m} }

type mainRun struct{ m interface{ Run() int } }

func (r mainRun) Run() int {
	code := r.m.Run()
	forTests.mu.Lock()
	defer forTests.mu.Unlock()
	if forTests.server != nil {
		if err := forTests.server.Close(); err != nil {
			fmt.Println("devdb:", err)
			code = max(code, 1)
		}
		forTests.server = nil
	}
	return code
}
