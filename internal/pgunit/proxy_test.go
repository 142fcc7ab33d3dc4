package pgunit_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// proxy stands between a pool and the server. toxiproxy, which the proofs use, cuts by
// time; these tests must cut between COMMIT and its answer.
type proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	// onCommit says what to do with the next COMMIT; see the constants. It is set back
	// when it has been done.
	onCommit atomic.Int32
	commits  atomic.Int32 // that were seen
	closed   atomic.Bool  // new connections are refused
	deaf     atomic.Bool  // nothing is passed on, and nothing closed

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

const (
	pass       = iota
	loseAnswer // the server gets it, and the client is cut off before it hears
	loseCommit // the client is cut off, and the server gets nothing but that
	swallow    // neither gets anything: a network that is gone
)

// newProxy returns a proxy to the pool's server and a pool through it.
func newProxy(t testing.TB, pool *pgxpool.Pool) (*proxy, *pgxpool.Pool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: u.Host, listener: l, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	u.Host = l.Addr().String()
	config, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	through, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cut()
		shut(l)
		through.Close()
		p.cut()
		p.wg.Wait()
	})
	return p, through
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.closed.Load() {
			shut(client)
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			shut(client)
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		var lost atomic.Bool // the answer is to be lost
		p.wg.Go(func() { p.forward(client, server, &lost) })
		p.wg.Go(func() { p.back(server, client, &lost) })
	}
}

// forward carries what the client says.
func (p *proxy) forward(client, server net.Conn, lost *atomic.Bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			if !p.deaf.Load() {
				shut(server)
			}
			return
		}
		if p.deaf.Load() {
			continue
		}
		if bytes.Contains(b[:n], []byte("commit\x00")) {
			p.commits.Add(1)
			switch p.onCommit.Swap(pass) {
			case loseAnswer:
				lost.Store(true)
			case loseCommit:
				shut(client)
				shut(server)
				return
			case swallow:
				// The server's side stays open until the test ends.
				for err == nil {
					_, err = client.Read(b)
				}
				return
			}
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

// back carries what the server says.
func (p *proxy) back(server, client net.Conn, lost *atomic.Bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := server.Read(b)
		if err != nil || lost.Load() {
			shut(client)
			shut(server)
			return
		}
		if p.deaf.Load() {
			continue
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		shut(c)
	}
}

// shut closes; whether that works is of no interest.
func shut(c io.Closer) { _ = c.Close() }
