package sources_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// endless is a query that streams for ever, as far as a test is concerned. (In FROM,
// generate_series would be written to disk as a whole first.)
const endless = `SELECT i AS sale_id, 'p' AS product, i AS quantity FROM (SELECT generate_series(1::bigint, 1000000000000) AS i) AS s`

// busy counts the other server processes of the database that do something.
func busy(t testing.TB, pool *pgxpool.Pool) int {
	return one[int](t, pool, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`)
}

func TestPostgresCancelInTheMiddle(t *testing.T) {
	for _, test := range []struct{ name, query string }{
		{"while rows come", endless},
		{"while the server thinks", `SELECT sale_id, product, quantity FROM (SELECT 1::bigint AS sale_id, 'p' AS product, 1::bigint AS quantity, pg_sleep(3600)) AS s`},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool := database(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			p := pipeline.New("test", pipeline.Options{})
			source := sources.Postgres[pgSale]{Pool: pool, Query: test.query}
			pipeline.To(pipeline.From(p, "read", source), "drop", pipeline.SinkFunc[pgSale](func(ctx context.Context, in *pipeline.Reader[pgSale]) error {
				for _, err := range in.Batches() {
					if err != nil {
						return err
					}
				}
				return nil
			}))
			e := p.Start(ctx)
			var pid int
			eventually(t, "the query runs", func() bool {
				pid = one[int](t, pool, `SELECT coalesce(max(pid), 0) FROM pg_stat_activity
					WHERE datname = current_database() AND state = 'active' AND query LIKE '%sale_id%' AND pid <> pg_backend_pid()`)
				return pid != 0
			})
			started := time.Now()
			cancel(errStop)
			_, err := e.Wait()
			if took := time.Since(started); took > 4*time.Second {
				t.Errorf("cancelling took %v", took)
			}
			if !errors.Is(err, context.Canceled) || !errors.Is(err, errStop) {
				t.Errorf("got %v", err)
			}
			if n := busy(t, pool); n != 0 {
				t.Errorf("%d server processes are at work", n)
			}
			if !one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)`, pid) {
				t.Error("the connection was closed, not given back")
			}
			if stat := pool.Stat(); stat.AcquiredConns() != 0 {
				t.Errorf("%d connections are not given back", stat.AcquiredConns())
			}
		})
	}
}

func TestPostgresIsCancelledWhenAnotherStageFails(t *testing.T) {
	pool := database(t)
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "read", sources.Postgres[pgSale]{Pool: pool, Query: endless}), "fail", pipeline.SinkFunc[pgSale](func(ctx context.Context, in *pipeline.Reader[pgSale]) error {
		for _, err := range in.Batches() {
			return errors.Join(err, errStop)
		}
		return nil
	}))
	report, err := p.Run(t.Context())
	if !errors.Is(err, errStop) {
		t.Fatalf("got %v", err)
	}
	if s := report.Stage("read").State; s != pipeline.StateCancelled {
		t.Errorf("read is %s", s)
	}
	if n := busy(t, pool); n != 0 {
		t.Errorf("%d server processes are at work", n)
	}
	if stat := pool.Stat(); stat.AcquiredConns() != 0 || stat.NewConnsCount() != int64(stat.TotalConns()) {
		t.Errorf("connections: %d in use, %d of %d left", stat.AcquiredConns(), stat.TotalConns(), stat.NewConnsCount())
	}
}

func TestPostgresRejectInTheMiddleEndsTheQuery(t *testing.T) {
	pool := database(t)
	query := `SELECT i AS sale_id, 'p' AS product, CASE WHEN i <> 5000 THEN i END AS quantity FROM (SELECT generate_series(1::bigint, 1000000000000) AS i) AS s`
	_, report, err := read(t.Context(), sources.Postgres[pgSale]{Pool: pool, Query: query}, pipeline.Options{})
	var rejected *pipeline.RejectError
	if !errors.As(err, &rejected) {
		t.Fatalf("got %v", err)
	}
	if s := report.Stage("read").State; s != pipeline.StateFailed {
		t.Errorf("read is %s", s)
	}
	if n := busy(t, pool); n != 0 {
		t.Errorf("%d server processes are at work", n)
	}
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

func TestPostgresTimeoutOfAStage(t *testing.T) {
	pool := database(t)
	_, _, err := read(t.Context(), sources.Postgres[pgSale]{Pool: pool, Query: `SELECT 1::bigint AS sale_id, 'p' AS product, 1::bigint AS quantity FROM pg_sleep(3600)`},
		pipeline.Options{}, pipeline.Timeout(50*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	wants(t, err, "longer than its limit of 50ms")
	if n := busy(t, pool); n != 0 {
		t.Errorf("%d server processes are at work", n)
	}
}

func TestPostgresServerThatGoesAwayInTheMiddle(t *testing.T) {
	for _, test := range []struct {
		name, want string
		source     sources.Postgres[pgSale]
	}{
		{"reading a table", `table "online_sales": `, sources.Postgres[pgSale]{Table: "online_sales"}},
		{"reading a query", "query: ", sources.Postgres[pgSale]{Query: endless}},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool := database(t, salesTable, `INSERT INTO online_sales SELECT i, repeat('p', 100), 1 FROM generate_series(1, 100000) AS i`)
			test.source.Pool = pool
			p := pipeline.New("test", pipeline.Options{})
			killed := false
			pipeline.To(pipeline.From(p, "read", test.source), "kill", pipeline.SinkFunc[pgSale](func(ctx context.Context, in *pipeline.Reader[pgSale]) error {
				for _, err := range in.Batches() {
					if err != nil {
						return err
					}
					if !killed {
						killed = true
						do(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL`)
					}
				}
				return nil
			}))
			_, err := p.Run(t.Context())
			wants(t, err, "test: read: "+test.want)
			if pipeline.IsPermanent(err) {
				t.Errorf("another attempt could succeed: %v", err)
			}
			eventually(t, "the connections are given back", func() bool { return pool.Stat().AcquiredConns() == 0 })
		})
	}
}

func TestPostgresNetworkThatIsCutInTheMiddle(t *testing.T) {
	pool := database(t)
	through := newRelay(t, pool)
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "read", sources.Postgres[pgSale]{Pool: through.pool, Query: endless}), "cut", pipeline.SinkFunc[pgSale](func(ctx context.Context, in *pipeline.Reader[pgSale]) error {
		for _, err := range in.Batches() {
			if err != nil {
				return err
			}
			through.cut()
		}
		return nil
	}))
	report, err := p.Run(t.Context())
	if report.Stage("cut").RecordsIn == 0 {
		t.Fatalf("nothing was read: %v", err)
	}
	wants(t, err, "test: read: query: ")
	if pipeline.IsPermanent(err) {
		t.Errorf("another attempt could succeed: %v", err)
	}
	eventually(t, "the connections are given back", func() bool { return through.pool.Stat().AcquiredConns() == 0 })
}

func TestPostgresServerThatDoesNotAnswerACancel(t *testing.T) {
	pool := database(t)
	through := newRelay(t, pool)
	ctx, cancel := context.WithCancelCause(t.Context())
	p := pipeline.New("test", pipeline.Options{})
	first := make(chan struct{})
	var once sync.Once
	pipeline.To(pipeline.From(p, "read", sources.Postgres[pgSale]{Pool: through.pool, Query: endless}), "drop", pipeline.SinkFunc[pgSale](func(ctx context.Context, in *pipeline.Reader[pgSale]) error {
		for _, err := range in.Batches() {
			if err != nil {
				return err
			}
			once.Do(func() { close(first) })
		}
		return nil
	}))
	e := p.Start(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := e.Wait()
		ended <- err
	}()
	select {
	case <-first:
	case err := <-ended:
		t.Fatal(err)
	}
	through.freeze()
	started := time.Now()
	cancel(errStop)
	err := <-ended
	if took := time.Since(started); took > 14*time.Second {
		t.Errorf("cancelling took %v", took)
	}
	if !errors.Is(err, errStop) {
		t.Errorf("got %v", err)
	}
	through.cut()
	eventually(t, "the connections are given back", func() bool { return through.pool.Stat().AcquiredConns() == 0 })
}

// relay stands between a pool and the server, and can be cut or go silent.
type relay struct {
	pool     *pgxpool.Pool
	mu       sync.Mutex
	conns    []net.Conn
	frozen   chan struct{} // closed by freeze
	over     chan struct{} // closed by cut
	overOnce sync.Once
}

func newRelay(t *testing.T, to *pgxpool.Pool) *relay {
	t.Helper()
	r := &relay{frozen: make(chan struct{}), over: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := to.Config().Copy()
	network, address := "tcp", net.JoinHostPort(config.ConnConfig.Host, itoa(config.ConnConfig.Port))
	if config.ConnConfig.Host[0] == '/' {
		network, address = "unix", config.ConnConfig.Host+"/.s.PGSQL."+itoa(config.ConnConfig.Port)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				_ = client.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, client, server)
			r.mu.Unlock()
			wg.Add(2)
			go func() { defer wg.Done(); r.copy(client, server) }()
			go func() { defer wg.Done(); r.copy(server, client) }()
		}
	}()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	config.ConnConfig.Host = host
	config.ConnConfig.Port = atoi(port)
	// sslmode=prefer is a fallback without TLS; the relay has one address only.
	if n := len(config.ConnConfig.Fallbacks); n > 0 {
		config.ConnConfig.TLSConfig = config.ConnConfig.Fallbacks[n-1].TLSConfig
	}
	config.ConnConfig.Fallbacks = nil
	config.MaxConns = 4
	if r.pool, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.cut()
		_ = listener.Close()
		r.pool.Close()
		wg.Wait()
	})
	return r
}

func (r *relay) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-r.frozen:
			<-r.over
			return
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (r *relay) freeze() { close(r.frozen) }

func (r *relay) cut() {
	r.overOnce.Do(func() { close(r.over) })
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
}
