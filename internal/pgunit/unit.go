package pgunit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// Unit is what one run does on one pool: a transaction (read committed) on one
// connection. It is a [pipeline.Unit]; stages get it by [Join].
type Unit struct {
	pool  *pgxpool.Pool
	name  string
	phase pipeline.Phase
	run   pipeline.Run

	// ledger is where the unit keeps a row of its own: the run has a State, but
	// not on this pool.
	ledger *Ledger
	home   *Ledger // the State's, once it has written its row here
	done   bool    // the row is there: an earlier attempt has committed this unit

	conn    *pgxpool.Conn
	backend backend
	turns   turns
	tainted atomic.Bool  // a cancel request was sent to the connection's backend
	rows    atomic.Int64 // sent by COPY

	targets []*Target // belongs to the opening, then to the holder of the turn
	leave   func()    // lets the next run of this process come

	mu      sync.Mutex
	stages  int // temporary tables that were named
	cursors int // that were named

	prepared bool
	xid      string // "" if the transaction has written nothing
	released bool
}

// Ledgered is implemented by a [pipeline.State] that keeps its ledger in Postgres.
// The unit of that pool holds the ledger and commits last; units of other pools
// keep a row of their own in a schema of the same name.
type Ledgered interface {
	Ledger() (pool *pgxpool.Pool, schema string)
}

// Join returns the run's unit on the pool, which begins its transaction on first use.
func Join(ctx context.Context, pool *pgxpool.Pool) (*Unit, error) {
	if pool == nil {
		return nil, pipeline.Permanent(errors.New("the pool is nil"))
	}
	return pipeline.Join(ctx, pool, func(ctx context.Context) (*Unit, error) { return begin(ctx, pool) })
}

func begin(ctx context.Context, pool *pgxpool.Pool) (*Unit, error) {
	run, _ := pipeline.RunFrom(ctx)
	u := &Unit{
		pool: pool, run: run, leave: func() {},
		name: fmt.Sprintf("database %q", pool.Config().ConnConfig.Database),
	}
	if state := pipeline.StateFrom(ctx); state != nil {
		own := Ledger{Pool: pool}
		if l, ok := state.(Ledgered); ok {
			var home *pgxpool.Pool
			if home, own.Schema = l.Ledger(); home == pool {
				u.phase = pipeline.PhaseLedger
			}
		}
		if u.phase != pipeline.PhaseLedger {
			u.ledger = &own
		}
	}
	conn, err := acquire(ctx, pool)
	if err != nil {
		return nil, err
	}
	u.conn = conn
	if err := u.start(ctx); err != nil {
		u.discard(context.WithoutCancel(ctx))
		return nil, err
	}
	return u, nil
}

// acquire takes a connection of the pool, in a bounded time.
func acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, limits.acquire)
	defer cancel()
	conn, err := pool.Acquire(bounded)
	if err == nil {
		return conn, nil
	}
	if bounded.Err() != nil && ctx.Err() == nil {
		s := pool.Stat()
		if s.AcquiredConns() >= s.MaxConns() {
			return nil, pipeline.Transient(fmt.Errorf("pool of database %q: all %d connections were in use for %v",
				pool.Config().ConnConfig.Database, s.MaxConns(), limits.acquire))
		}
	}
	return nil, pgcatalog.ConnectProblem(ctx, pool, err)
}

// settings are made for the transaction only. See the package's comment; the
// keepalives let the server find out within a minute that the client is gone. A setting that a
// version does not know is asked for by name: to join pg_settings takes milliseconds.
const settings = `
select set_config('statement_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', '0', true),
       set_config('client_encoding', 'UTF8', true),
       set_config('tcp_keepalives_idle', '30', true),
       set_config('tcp_keepalives_interval', '10', true),
       set_config('tcp_keepalives_count', '3', true),
       case when current_setting('transaction_timeout', true) is not null
            then set_config('transaction_timeout', '0', true) end,
       case when current_setting('client_connection_check_interval', true) is not null and version() like '%linux%'
            then set_config('client_connection_check_interval', '5s', true) end`

func (u *Unit) start(ctx context.Context) error {
	conn := u.conn.Conn()
	if u.ledger != nil {
		done, err := u.ledger.committed(ctx, conn, u.run)
		if err != nil {
			return u.problem(ctx, err)
		}
		if done {
			u.done, u.released = true, true
			u.conn.Release()
			return nil
		}
	}
	var b pgx.Batch
	b.Queue("begin isolation level read committed read write")
	b.Queue(settings)
	if pipeline.StateFrom(ctx) != nil {
		supersede(&b, u.run, pipeline.FenceFrom(ctx))
	}
	u.backend.find(&b)
	return u.problem(ctx, conn.SendBatch(ctx, &b).Close())
}

// Reader begins a transaction that is nobody's but the caller's and only reads, for those who come to a unit that an
// earlier attempt has committed. The caller ends it by Rollback.
func Reader(ctx context.Context, pool *pgxpool.Pool) (*Unit, error) {
	conn, err := acquire(ctx, pool)
	if err != nil {
		return nil, err
	}
	u := &Unit{pool: pool, name: fmt.Sprintf("database %q", pool.Config().ConnConfig.Database), leave: func() {}, conn: conn}
	var b pgx.Batch
	b.Queue("begin isolation level repeatable read read only")
	b.Queue(settings)
	if err := u.problem(ctx, conn.Conn().SendBatch(ctx, &b).Close()); err != nil {
		u.discard(context.WithoutCancel(ctx))
		return nil, err
	}
	return u, nil
}

func (u *Unit) problem(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.explain(err)
}

// Done tells that an earlier attempt of this run has committed this unit, so that
// there is nothing left to do in it: sinks drain their input, steps do nothing.
func (u *Unit) Done() bool { return u.done }

// Name implements [pipeline.Unit].
func (u *Unit) Name() string { return u.name }

// Phase implements [pipeline.Unit].
func (u *Unit) Phase() pipeline.Phase { return u.phase }

// TempName returns a name for a temporary table that the unit has not given yet.
func (u *Unit) TempName() pgx.Identifier {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stages++
	return pgx.Identifier{"pg_temp", fmt.Sprintf("millrace_staging_%d", u.stages)}
}
