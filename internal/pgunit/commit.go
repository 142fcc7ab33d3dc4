package pgunit

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// Prepare implements [pipeline.Unit]: deferred constraints are checked, and the
// unit's own row goes into the ledger, if it keeps one.
func (u *Unit) Prepare(ctx context.Context) error {
	if u.done {
		return nil
	}
	turn, err := u.Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.Release()
	return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if u.ledger != nil {
			if err := u.ledger.record(ctx, conn, u.run, pipeline.Commit{Attempt: u.run.Attempt, Rows: u.rows.Load()}); err != nil {
				return err
			}
		}
		var xid *string
		var b pgx.Batch
		b.Queue("set constraints all immediate")
		b.Queue("select pg_current_xact_id_if_assigned()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
		if err := conn.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		if xid != nil {
			u.xid = *xid
		}
		u.prepared = true
		return nil
	})
}

// Commit implements [pipeline.Unit].
func (u *Unit) Commit(ctx context.Context) error {
	if u.done {
		return nil
	}
	if !u.prepared {
		return errors.New("pgunit: Commit before Prepare")
	}
	bounded, cancel := context.WithTimeout(ctx, limits.commit)
	tag, err := u.conn.Conn().Exec(bounded, "commit")
	cancel()
	if err == nil {
		if tag.String() != "COMMIT" { // the server answers so when the transaction had failed before
			return fmt.Errorf("%s: the server answered COMMIT with %s: the transaction had failed before", u.name, tag)
		}
		u.release(ctx)
		return nil
	}
	if !u.conn.Conn().IsClosed() { // a plain answer: it is rolled back
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			err = &pgcatalog.ServerError{Err: refused}
		}
		return err
	}
	return u.lostCommit(ctx, err)
}

// lostCommit finds out what became of a COMMIT whose answer was lost.
func (u *Unit) lostCommit(ctx context.Context, cause error) error {
	if u.xid == "" { // nothing was written: committed or not is the same
		u.release(ctx)
		return nil
	}
	committed, err := u.outcome(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w (%w; asked afterwards: %w)", u.name, pipeline.ErrOutcomeUnknown, pgcatalog.OneLine(cause), pgcatalog.OneLine(err))
	case committed:
		u.release(ctx)
		return nil
	}
	return pipeline.Transient(fmt.Errorf("%s: the connection was lost during COMMIT, and nothing was committed: %w", u.name, pgcatalog.OneLine(cause)))
}

// Rollback implements [pipeline.Unit]. It does nothing after a Commit that worked.
func (u *Unit) Rollback(ctx context.Context) error {
	if u.released {
		return nil
	}
	conn := u.conn.Conn()
	var err error
	if !conn.IsClosed() {
		bounded, cancel := context.WithTimeout(ctx, limits.grace)
		_, err = conn.Exec(bounded, "rollback")
		cancel()
	}
	if conn.IsClosed() {
		u.release(ctx)
		return u.endBackend(ctx)
	}
	u.release(ctx)
	return err
}

// endBackend ends the session of a connection that was lost. The server may not
// have noticed the loss, and would hold the transaction's locks against the next
// attempt until it does.
func (u *Unit) endBackend(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, limits.grace)
	defer cancel()
	conn, err := fresh(bounded, u.pool)
	if err != nil {
		return nil //nolint:nilerr // there is no server to be held up by
	}
	defer conn.Close(bounded)
	return u.backend.end(bounded, conn, false)
}

// release gives the connection back to the pool, which closes it if it is not in
// order.
func (u *Unit) release(ctx context.Context) {
	if u.released {
		return
	}
	if u.tainted.Load() {
		u.discard(ctx)
		return
	}
	u.released = true
	u.conn.Release()
	u.leave()
}

// discard closes the connection.
func (u *Unit) discard(ctx context.Context) {
	u.released = true
	bounded, cancel := context.WithTimeout(ctx, limits.grace)
	defer cancel()
	conn := u.conn.Hijack()
	_ = conn.Close(bounded) // it is of no further use either way
	u.leave()
}
