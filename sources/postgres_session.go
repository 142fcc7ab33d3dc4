package sources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
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
// behind. transaction_timeout is new in version 17. Strings are UTF-8, whatever the
// role's own encoding is.
const readSettings = `
SELECT pg_catalog.set_config(name, value, true)
FROM (VALUES ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),
             ('client_encoding', 'UTF8')) AS s (name, value)
WHERE pg_catalog.current_setting(name, true) IS NOT NULL`

// begin takes a connection and begins the transaction that a source reads in, in the
// snapshot of that ID if there is one.
func (r *pgSource) begin(ctx context.Context, snapshot string) (*pgxpool.Conn, error) {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, r.at(pgcatalog.ConnectProblem(ctx, r.pool, err))
	}
	err = r.during(ctx, conn, func(ctx context.Context, _ func()) error {
		if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return err
		}
		if snapshot != "" { // before the first query
			literal, err := snapshotLiteral(snapshot)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, "SET TRANSACTION SNAPSHOT "+literal); err != nil {
				return err
			}
		}
		_, err = conn.Exec(ctx, readSettings)
		return err
	})
	if err != nil {
		r.end(conn)
		return nil, err
	}
	return conn, nil
}

// end ends the transaction and gives the connection back. The pool closes one that
// is not fit to be used again.
func (r *pgSource) end(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), interruptGrace)
	defer cancel()
	if pg := conn.Conn().PgConn(); !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() != 'I' {
		// Nothing was written, and a failure closes the connection.
		_, _ = conn.Exec(ctx, "ROLLBACK")
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
