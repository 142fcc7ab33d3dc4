package pgunit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
)

// guard returns a context for a statement on the unit's connection that outlives
// ctx: when ctx is done the server is asked, after patience, to cancel what it is
// doing, and after Grace the returned context ends, upon which pgx cuts the
// connection. release must be called when the statement has ended.
func (u *Unit) guard(ctx context.Context, patience time.Duration) (_ context.Context, release func()) {
	guarded, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	ended, watched := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(watched)
		deadline := time.NewTimer(limits.grace)
		defer deadline.Stop()
		first := time.NewTimer(patience)
		defer first.Stop()
		select {
		case <-ended:
			return
		case <-first.C:
		}
		asked := make(chan struct{})
		asking, giveUp := context.WithTimeout(context.WithoutCancel(ctx), limits.grace)
		defer giveUp()
		u.tainted.Store(true)
		go func() {
			defer close(asked)
			// Nothing depends on its success: the deadline is what counts.
			_ = u.conn.Conn().PgConn().CancelRequest(asking)
		}()
		select {
		case <-ended:
		case <-deadline.C:
			cut(context.Cause(ctx))
		}
		giveUp()
		<-asked // it uses the connection's configuration
	})
	return guarded, func() {
		close(ended)
		if !stop() {
			<-watched
		}
		cut(nil)
	}
}

// Do runs statements on the connection. f must use the context that it is given. An
// error of a statement aborts the transaction, and with it the run; see [Turn.Try].
// When the run was cancelled meanwhile, the error is what cancelled it.
func (t *Turn) Do(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	err := t.do(ctx, 0, f)
	if err != nil && t.broken() {
		t.unit.fail(err)
	}
	return err
}

func (t *Turn) do(ctx context.Context, patience time.Duration, f func(ctx context.Context, conn *pgx.Conn) error) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	guarded, release := t.unit.guard(ctx, patience)
	err := func() error {
		defer release() // also when f panics
		return f(guarded, t.Conn())
	}()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && t.Conn().PgConn().TxStatus() == 'I' {
		return pipeline.Permanent(fmt.Errorf("%s: the statement ended the run's transaction, which only the runner may do", t.unit.name))
	}
	return t.unit.explain(err)
}

// broken tells whether the transaction can do no more.
func (t *Turn) broken() bool {
	conn := t.Conn()
	return conn.IsClosed() || conn.PgConn().TxStatus() != 'T'
}

// Exec runs one statement and returns how many rows it touched.
func (t *Turn) Exec(ctx context.Context, sql string, args ...any) (rows int64, err error) {
	err = t.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, sql, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// Try runs statements under a savepoint. When the server refuses one of them, or f returns a [*KeptError], the
// transaction goes on as if none had been run, and the error is returned. Any other
// failure (the connection, a cancellation) is as in [Turn.Do].
func (t *Turn) Try(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return t.try(ctx, 0, f)
}

func (t *Turn) try(ctx context.Context, patience time.Duration, f func(ctx context.Context, conn *pgx.Conn) error) error {
	if _, err := t.Exec(ctx, "savepoint millrace"); err != nil {
		return err
	}
	err := t.do(ctx, patience, f)
	if err == nil {
		_, err = t.Exec(ctx, "release savepoint millrace")
		return err
	}
	if !isRefusal(err) || t.Conn().IsClosed() || ctx.Err() != nil {
		t.unit.fail(err)
		return err
	}
	if _, undo := t.Exec(ctx, "rollback to savepoint millrace; release savepoint millrace"); undo != nil {
		return undo
	}
	return err
}

// WithLockTimeout runs f with lock_timeout set, and sets it back.
func (t *Turn) WithLockTimeout(ctx context.Context, d time.Duration, f func() error) error {
	var before string
	err := t.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select before, set_config('lock_timeout', $1, true) from (select current_setting('lock_timeout') offset 0) as now (before)",
			fmt.Sprintf("%dms", max(d.Milliseconds(), 1))).Scan(&before, nil)
	})
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	_, err = t.Exec(ctx, "select set_config('lock_timeout', $1, true)", before)
	return err
}
