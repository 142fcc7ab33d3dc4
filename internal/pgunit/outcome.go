package pgunit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
)

// outcomePause is how long to wait between two questions.
const outcomePause = 200 * time.Millisecond

// outcome asks the server whether the unit's transaction has committed.
func (u *Unit) outcome(ctx context.Context) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limits.outcome)
	defer cancel()
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(ctx)
		}
	}()
	last := errors.New("the server did not say")
	for {
		if conn == nil || conn.IsClosed() {
			if conn, err = fresh(ctx, u.pool); err != nil {
				conn, last = nil, pgcatalog.ConnectProblem(context.WithoutCancel(ctx), u.pool, err)
			}
		}
		if conn != nil {
			known, committed, err := u.ask(ctx, conn)
			if err == nil && known {
				return committed, nil
			}
			if err != nil && ctx.Err() == nil {
				last = err
			}
		}
		select {
		case <-ctx.Done():
			return false, last
		case <-time.After(outcomePause):
		}
	}
}

// ask looks once.
func (u *Unit) ask(ctx context.Context, conn *pgx.Conn) (known, committed bool, err error) {
	// Where the COMMIT never arrived the session would wait for it for ever. One
	// that is at work on the COMMIT is left alone.
	if err := u.backend.end(ctx, conn, true); err != nil {
		return false, false, err
	}
	var standby bool
	var status *string
	err = conn.QueryRow(ctx, "select pg_is_in_recovery(), case when not pg_is_in_recovery() then pg_xact_status($1::text::xid8) end", u.xid).Scan(&standby, &status)
	switch {
	case err != nil:
		return false, false, err
	case standby:
		return false, false, errors.New("the server that answers is a standby")
	case status == nil:
		return false, false, fmt.Errorf("the server has forgotten transaction %s", u.xid)
	case *status == "committed":
		return u.confirmed(ctx, conn)
	case *status == "aborted":
		return true, false, nil
	}
	return false, false, fmt.Errorf("transaction %s is %s", u.xid, *status)
}

// confirmed holds the answer against the ledger, where the run has one: after a
// failover to a replica that lacks the newest transactions, the number may by now be
// another's.
func (u *Unit) confirmed(ctx context.Context, conn *pgx.Conn) (known, committed bool, err error) {
	ledger := u.home
	if ledger == nil {
		ledger = u.ledger
	}
	if ledger == nil {
		return true, true, nil
	}
	found, err := ledger.found(ctx, conn, u.run)
	return err == nil, found != nil, err
}
