package sources

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

const (
	// interruptGrace bounds the wait for a server that was asked to cancel.
	interruptGrace = 5 * time.Second
	// interruptEvery is when it is asked again: a request that arrives between two
	// statements cancels nothing.
	interruptEvery = 250 * time.Millisecond
)

// readSettings are made for the transaction only. They take off the limits of time that a
// role may have for other work: reading lasts as long as the run, and waits for the stages
// behind. Strings are UTF-8, whatever the role's own encoding is. They are set by SET, which
// takes no snapshot.
const readSettings = `;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL client_encoding = 'UTF8'`

// opening is the SQL that begins the transaction that a source reads in, in the snapshot of
// that ID if there is one.
func (r *pgSource) opening(conn *pgxpool.Conn, snapshot string) (string, error) {
	sql := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	if snapshot != "" { // before the first query
		literal, err := snapshotLiteral(snapshot)
		if err != nil {
			return "", err
		}
		sql += "; SET TRANSACTION SNAPSHOT " + literal
	}
	sql += readSettings
	if serverVersion(conn.Conn().PgConn()) >= 17 {
		sql += "; SET LOCAL transaction_timeout = 0"
	}
	if !setsLockTimeout(conn.Conn().Config()) {
		sql += fmt.Sprintf("; SET LOCAL lock_timeout = %d", lockPatience.Milliseconds())
	}
	return sql, nil
}

// serverVersion is the server's major version, 0 if it does not say.
func serverVersion(pg *pgconn.PgConn) int {
	major, _, _ := strings.Cut(pg.ParameterStatus("server_version"), ".")
	digits := strings.IndexFunc(major, func(c rune) bool { return c < '0' || c > '9' })
	if digits >= 0 { // 18beta1
		major = major[:digits]
	}
	n, _ := strconv.Atoi(major)
	return n
}

// acquire takes a connection of the pool, in a bounded time.
func (r *pgSource) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, pgunit.AcquireTimeout)
	defer cancel()
	conn, err := r.pool.Acquire(bounded)
	if err == nil {
		return conn, nil
	}
	if s := r.pool.Stat(); bounded.Err() != nil && ctx.Err() == nil && s.AcquiredConns() >= s.MaxConns() {
		return nil, pipeline.Transient(r.at(fmt.Errorf("pool of database %q: all %d connections were in use for %v",
			r.pool.Config().ConnConfig.Database, s.MaxConns(), pgunit.AcquireTimeout)))
	}
	return nil, r.at(pgcatalog.ConnectProblem(ctx, r.pool, err))
}

// opened is a transaction that a source reads in, with what is read in it.
type opened struct {
	conn *pgxpool.Conn
	d    *pgDescription
}

// open takes a connection and begins a transaction on it, in which the part and the range
// are described, checked (unless check is nil) and settled. If the snapshot is not one of
// another transaction, it begins anew until the snapshot is as new as the files that are
// to be read.
func (r *pgSource) open(ctx context.Context, snapshot string, span pipeline.Range, part pgPart, check func(context.Context, *pgx.Conn, *pgDescription) error) (opened, error) {
	conn, err := r.acquire(ctx)
	if err != nil {
		return opened{}, err
	}
	return r.begin(ctx, conn, snapshot, span, part, check)
}

// begin is open on a connection that is there, which it gives back if it fails.
func (r *pgSource) begin(ctx context.Context, conn *pgxpool.Conn, snapshot string, span pipeline.Range, part pgPart, check func(context.Context, *pgx.Conn, *pgDescription) error) (_ opened, err error) {
	o := opened{conn: conn}
	for try := 1; ; try++ {
		err = r.during(ctx, conn, func(ctx context.Context, _ func()) (err error) {
			sql, err := r.opening(conn, snapshot)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, sql); err != nil {
				return err
			}
			if o.d, err = r.describe(ctx, conn.Conn(), span, part); err != nil || o.d.empty {
				return err
			}
			if check != nil {
				if err := check(ctx, conn.Conn(), o.d); err != nil {
					return err
				}
			}
			return r.settle(ctx, conn.Conn(), o.d)
		})
		var stale *staleError
		again := errors.As(err, &stale) && snapshot == "" && try < maxSnapshots
		if errors.Is(err, errNoPlan) {
			r.unplanned, again = true, true
		}
		if err == nil {
			return o, nil
		}
		if !again {
			r.end(conn)
			return opened{}, err
		}
		if err := r.rollback(conn); err != nil {
			r.end(conn)
			return opened{}, pipeline.Transient(r.at(err))
		}
	}
}

func (r *pgSource) rollback(conn *pgxpool.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), interruptGrace)
	defer cancel()
	_, err := conn.Exec(ctx, "ROLLBACK")
	return err
}

// end ends the transaction and gives the connection back. The pool closes one that
// is not fit to be used again.
func (r *pgSource) end(conn *pgxpool.Conn) {
	if pg := conn.Conn().PgConn(); !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() != 'I' {
		_ = r.rollback(conn) // nothing was written, and a failure closes the connection
	}
	conn.Release()
}

// during calls f with a context that outlives ctx a little. pgx closes a connection
// whose context ends; here the server is asked to cancel instead, when ctx ends or
// f calls stop, and only a server that does not react is hung up on. Errors of f
// get the place and a cause that can be read.
func (r *pgSource) during(ctx context.Context, conn *pgxpool.Conn, f func(ctx context.Context, stop func()) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	guarded, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	over, stop := context.WithCancel(ctx)
	defer stop()
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ended:
		case <-over.Done():
			interrupt(conn.Conn().PgConn(), ended, hangUp)
		}
	}()
	err := f(guarded, stop)
	close(ended)
	<-watched
	if isCode(err, lockNotAvailable) && ctx.Err() == nil {
		return r.at(r.lockProblem(conn, err))
	}
	return r.explain(ctx, err)
}

// interrupt asks the server to cancel what the connection does, until it has ended.
// It is safe beside whoever uses the connection.
func interrupt(pg *pgconn.PgConn, ended <-chan struct{}, hangUp func()) {
	hard := time.AfterFunc(interruptGrace, hangUp)
	defer hard.Stop()
	for {
		// The request is finished also when the statement ends meanwhile: one that was under
		// way would hit the next statement. Whether it succeeds makes no difference.
		ctx, cancel := context.WithTimeout(context.Background(), interruptGrace)
		_ = pg.CancelRequest(ctx)
		cancel()
		again := time.NewTimer(interruptEvery)
		select {
		case <-ended:
			again.Stop()
			return
		case <-again.C:
		}
	}
}

// explain gives an error the form that users see.
func (r *pgSource) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var run *runError
	if errors.As(err, &run) {
		if ctx.Err() != nil && errors.Is(run.err, context.Canceled) {
			return context.Cause(ctx)
		}
		return run.err
	}
	var refused *pgconn.PgError
	isRefused := errors.As(err, &refused)
	if ctx.Err() != nil && (!isRefused || refused.Code == queryCanceled) {
		return context.Cause(ctx)
	}
	var placed *placedError
	if errors.As(err, &placed) {
		return err
	}
	if isRefused {
		return r.at(r.refusal(refused))
	}
	return r.at(err)
}

// placedError puts the place before an error, once.
type placedError struct {
	place string
	err   error
}

func (e *placedError) Error() string { return e.place + ": " + e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// at says where an error is from. Of joined errors each gets the place.
func (r *pgSource) at(err error) error {
	var placed *placedError
	if err == nil || errors.As(err, &placed) {
		return err
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var each []error
		for _, e := range joined.Unwrap() {
			each = append(each, r.at(e))
		}
		return errors.Join(each...)
	}
	return &placedError{r.place(), err}
}

// snapshotLiteral quotes the ID of a snapshot, for which SET takes no parameter.
// The server makes them of hexadecimal digits and hyphens.
func snapshotLiteral(id string) (string, error) {
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'F', c >= 'a' && c <= 'f', c == '-':
		default:
			return "", fmt.Errorf("the server named a snapshot %q, which is not of the form 00000003-0000001B-1", id)
		}
	}
	return "'" + id + "'", nil
}
