package privatedb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// keeperEnv, in the environment of a new process of this program, makes it a
// keeper. Its value is the name of the door, a colon, and the socket to listen on.
const keeperEnv = "MILLRACE_DEVDB_KEEPER"

// keeperReady is the line a keeper prints when it can be reached.
const keeperReady = "millrace-devdb is listening"

// keeperPatience is how long a keeper waits for its first user, and for its
// users to leave after it was asked to end.
const keeperPatience = 10 * time.Second

func (d *Door) keep(socket string) int {
	// Ctrl-C is for the users; what it does to them is what counts.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)

	l, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(keeperReady)
	_ = os.Stdout.Close()

	// The context lives as long as there are users.
	ctx, end := context.WithCancel(context.Background())
	k := newKeeper(d.host(), end)
	go k.accept(ctx, l)
	go func() {
		<-asked
		time.AfterFunc(keeperPatience, end)
	}()
	k.wait(ctx)

	// From here on nobody can join: they find no socket, or no listener.
	lock, err := lockShared(socket)
	_ = l.Close()
	_ = os.Remove(socket)
	if err == nil {
		lock.release()
	}
	k.finish()
	// The folder of a private keeper; that of a shared one may hold more.
	_ = os.Remove(filepath.Dir(socket))
	k.farewell()
	return 0
}

// keeper owns one server on behalf of its users.
type keeper struct {
	host host
	end  context.CancelFunc

	mu      sync.Mutex
	users   int
	closing bool
	waiting []*session // who said goodbye and is to hear when all is gone
	trouble error      // what went wrong at the end

	starting sync.Once
	want     Want          // of the first who asked
	started  chan struct{} // closed when server and err are set
	server   Backend
	err      error

	using sync.Mutex // held while server is used
}

func newKeeper(h host, end context.CancelFunc) *keeper {
	return &keeper{host: h, end: end, started: make(chan struct{})}
}

// session is one user: a connection, and the databases that go with it.
type session struct {
	conn      net.Conn
	databases map[string]bool
}

func (k *keeper) accept(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		closing := k.closing
		if !closing {
			k.users++
		}
		k.mu.Unlock()
		if closing {
			_ = json.NewEncoder(conn).Encode(answer{Gone: true})
			_ = conn.Close()
			continue
		}
		go k.serve(ctx, &session{conn: conn, databases: make(map[string]bool)})
	}
}

// serve answers one user's requests. They are read ahead of their turn, so that
// the end of a user who waits for an answer is noticed.
func (k *keeper) serve(all context.Context, u *session) {
	requests := make(chan request, 1)
	ctx, cancel := context.WithCancel(all)
	defer cancel()
	go func() {
		defer close(requests)
		defer cancel()
		dec := json.NewDecoder(u.conn)
		for {
			var req request
			if dec.Decode(&req) != nil {
				return
			}
			requests <- req
			if req.Op == opBye {
				// Not the end of the input yet: the user waits for the answer.
				return
			}
		}
	}()

	enc := json.NewEncoder(u.conn)
	polite := false
	for req := range requests {
		if req.Op == opBye {
			polite = true
			break
		}
		if req.Op == opStart {
			k.starting.Do(func() {
				k.want = *req.Want
				go k.start(all) // not this user's context: others may wait for the same server
			})
		}
		a, err := k.handle(ctx, u, req)
		if err != nil {
			a = fail(err)
		}
		if enc.Encode(a) != nil {
			break
		}
	}
	cancel()
	for range requests { // let the reader go
	}
	k.leave(u, polite)
}

func (k *keeper) handle(ctx context.Context, u *session, req request) (answer, error) {
	select {
	case <-k.started:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	if k.err != nil {
		return answer{}, k.err
	}
	k.using.Lock()
	defer k.using.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	switch req.Op {
	case opKill, opStop, opRestart:
		if !k.want.Durable {
			return answer{}, fmt.Errorf("privatedb: %s: this server is not one that was started as durable", req.Op)
		}
	}
	switch req.Op {
	case opStart:
		return answer{URL: k.server.AdminURL(), How: k.server.How(), Keeper: os.Getpid()}, nil
	case opCreate:
		return k.create(ctx, u, req.Name)
	case opDrop:
		return answer{}, k.drop(ctx, u, req.Name)
	case opKill:
		return answer{}, k.server.Kill(ctx)
	case opStop:
		return answer{}, k.server.StopImmediate(ctx)
	case opRestart:
		return answer{}, k.server.Restart(ctx)
	}
	return answer{}, fmt.Errorf("privatedb: unknown request %q", req.Op)
}

func (k *keeper) start(ctx context.Context) {
	k.server, k.err = k.host.choose(ctx, k.want)
	close(k.started)
}

func (k *keeper) create(ctx context.Context, u *session, template string) (answer, error) {
	name := "millrace_test_" + RandomHex(8)
	u.databases[name] = true // before it is there, so that nothing can come between
	if err := createDatabase(ctx, k.server.AdminURL(), name, template); err != nil {
		delete(u.databases, name)
		return answer{}, err
	}
	url, err := withDatabase(k.server.AdminURL(), name)
	return answer{Name: name, URL: url}, err
}

func (k *keeper) drop(ctx context.Context, u *session, name string) error {
	if !u.databases[name] {
		return fmt.Errorf("privatedb: drop database %q: it was not created here", name)
	}
	if err := dropDatabase(ctx, k.server.AdminURL(), name); err != nil {
		return err
	}
	delete(u.databases, name)
	return nil
}

// leave counts a user out, who said goodbye or whose connection ended.
func (k *keeper) leave(u *session, polite bool) {
	k.mu.Lock()
	last := k.users == 1
	k.mu.Unlock()
	err := k.dropAll(u, last)

	k.mu.Lock()
	k.users--
	last = k.users == 0
	if last {
		k.closing = true
		k.trouble = err
		if polite {
			k.waiting = append(k.waiting, u)
		}
	}
	k.mu.Unlock()

	if last {
		k.end()
		if polite {
			return // farewell has the last word
		}
	} else if polite {
		a := answer{}
		if err != nil {
			a = fail(err)
		}
		_ = json.NewEncoder(u.conn).Encode(a)
	}
	_ = u.conn.Close()
}

// dropAll drops what a user left, unless the whole server is about to go.
func (k *keeper) dropAll(u *session, last bool) error {
	if len(u.databases) == 0 {
		return nil
	}
	k.using.Lock()
	defer k.using.Unlock()
	if last && k.server.Ours() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var errs []error
	for name := range u.databases {
		errs = append(errs, dropDatabase(ctx, k.server.AdminURL(), name))
	}
	return errors.Join(errs...)
}

// wait returns when the last user has left, or none came, or it was asked to end.
func (k *keeper) wait(ctx context.Context) {
	timer := time.AfterFunc(keeperPatience, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.users == 0 {
			k.closing = true
			k.end()
		}
	})
	defer timer.Stop()
	<-ctx.Done()
	k.mu.Lock()
	k.closing = true
	k.mu.Unlock()
}

// finish stops the server.
func (k *keeper) finish() {
	k.starting.Do(func() { close(k.started) }) // nobody asked for one
	<-k.started
	if k.server == nil {
		return
	}
	k.using.Lock()
	defer k.using.Unlock()
	err := k.server.Close()
	k.mu.Lock()
	k.trouble = errors.Join(k.trouble, err)
	k.mu.Unlock()
}

// farewell tells those who wait for it that all is gone.
func (k *keeper) farewell() {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := answer{}
	if k.trouble != nil {
		a = fail(k.trouble)
	}
	for _, u := range k.waiting {
		_ = json.NewEncoder(u.conn).Encode(a)
		_ = u.conn.Close()
	}
}
