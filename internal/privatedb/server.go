package privatedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Purpose says what a server is for, which decides the order in which the ways
// to get one are tried.
type Purpose int

const (
	// ForExamples prefers installed binaries to Docker: they start faster.
	ForExamples Purpose = iota
	// ForTests prefers Docker to installed binaries: the version is then the
	// same everywhere.
	ForTests
)

// Options say which server is wanted. The zero value is one for an example.
type Options struct {
	// Purpose defaults to ForExamples.
	Purpose Purpose

	// DatabaseURL is a server to use instead of starting one. It defaults to
	// the environment variable DATABASE_URL.
	DatabaseURL string

	// Durable asks for a server that survives Kill and Restart with what was
	// committed: it writes to disk as a server in production does. Such a
	// server is always started, whatever DATABASE_URL says, since one that
	// somebody else runs is not ours to kill. Otherwise speed comes before
	// durability, and a crash of the machine may lose everything.
	Durable bool

	// Log, if not nil, gets one line that says which server was chosen.
	Log io.Writer
}

// A Server is a Postgres, version 13 or newer, that is there until Close. Its
// methods may be called from several goroutines.
type Server struct {
	keeper *keeperConn
	url    string
	how    string
	pid    int // of the keeper

	closing sync.Once
	closed  error
}

// Start is the Start of a door that adds no way.
func Start(ctx context.Context, o Options) (*Server, error) { return plain.Start(ctx, o) }

func (o Options) want() Want {
	w := Want{Purpose: o.Purpose, Durable: o.Durable, DatabaseURL: o.DatabaseURL}
	if w.DatabaseURL == "" {
		w.DatabaseURL = os.Getenv("DATABASE_URL")
	}
	if w.Durable {
		w.DatabaseURL = ""
	}
	return w
}

// errLeaving is the answer of a keeper that met its end while it was joined.
var errLeaving = errors.New("privatedb: the keeper is ending")

func start(ctx context.Context, o Options, connect func(context.Context) (*keeperConn, error)) (*Server, error) {
	w := o.want()
	began := time.Now()
	for lost := 0; ; {
		k, err := connect(ctx)
		if err != nil {
			return nil, fmt.Errorf("privatedb: %w", err)
		}
		answer, err := k.call(ctx, request{Op: opStart, Want: &w})
		if err == nil {
			how := fmt.Sprintf("%s, ready in %.1f s", answer.How, time.Since(began).Seconds())
			if o.Log != nil {
				fmt.Fprintf(o.Log, "database: %s\n", how)
			}
			return &Server{keeper: k, url: answer.URL, how: how, pid: answer.Keeper}, nil
		}
		k.close()
		if errors.Is(err, errKeeperLost) && lost < 3 {
			lost++ // not for ever: it might be a keeper that cannot live
		} else if !errors.Is(err, errLeaving) {
			return nil, err
		}
		// The keeper's last user left as we came. Its successor is ours to start.
		if err := Pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// URL is a connection string for the server: of a superuser with a random
// password where the server was started here, otherwise what DATABASE_URL says.
// It holds a password; do not print it.
func (s *Server) URL() string { return s.url }

// How says in one line, without secrets, which server this is.
func (s *Server) How() string { return s.how }

// Keeper is the process ID of the server's keeper.
func (s *Server) Keeper() int { return s.pid }

// A Database is one that NewDatabase made.
type Database struct {
	Name string
	URL  string // holds a password; do not print it
}

// NewDatabase creates an empty database with a random name. It is there until
// DropDatabase, Close or the end of the process.
func (s *Server) NewDatabase(ctx context.Context) (Database, error) {
	return s.newDatabase(ctx, "")
}

// NewDatabaseFrom creates a database that is a copy of the given one, to which
// nobody may be connected. A schema that takes long to build can so be built
// once for many tests.
func (s *Server) NewDatabaseFrom(ctx context.Context, template Database) (Database, error) {
	return s.newDatabase(ctx, template.Name)
}

func (s *Server) newDatabase(ctx context.Context, template string) (Database, error) {
	answer, err := s.keeper.call(ctx, request{Op: opCreate, Name: template})
	if err != nil {
		return Database{}, err
	}
	return Database{Name: answer.Name, URL: answer.URL}, nil
}

// DropDatabase removes a database that NewDatabase made, and with it the
// connections to it.
func (s *Server) DropDatabase(ctx context.Context, db Database) error {
	_, err := s.keeper.call(ctx, request{Op: opDrop, Name: db.Name})
	return err
}

// Kill ends the server as kill -9 of all its processes does, without a word to
// its clients. It works for a Durable server only, as StopImmediate and Restart
// do.
func (s *Server) Kill(ctx context.Context) error {
	_, err := s.keeper.call(ctx, request{Op: opKill})
	return err
}

// StopImmediate ends the server as "pg_ctl stop -m immediate" does: its clients
// are told, nothing is saved, and the next start recovers from the log.
func (s *Server) StopImmediate(ctx context.Context) error {
	_, err := s.keeper.call(ctx, request{Op: opStop})
	return err
}

// Restart starts the server again after Kill or StopImmediate, with the same
// data on the same address, and waits until it accepts connections.
func (s *Server) Restart(ctx context.Context) error {
	_, err := s.keeper.call(ctx, request{Op: opRestart})
	return err
}

// Close stops the server, unless others use it too, and returns when it and
// what it left are gone. Further calls do nothing.
func (s *Server) Close() error {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, s.closed = s.keeper.call(ctx, request{Op: opBye})
		s.keeper.close()
	})
	return s.closed
}

// Pause waits for d, or fails with the cause of the context's end.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
