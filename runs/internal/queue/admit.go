package queue

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// Admit gives the free places of a pipeline to the runs that have waited longest. It holds the lock of
// the pipeline's row until the end of the transaction, and does nothing if somebody else has
// it: then the admitter, which the caller nudges after its commit, does it.
//
// So nobody ever waits for a pipeline's lock inside a transaction that holds something
// else: neither triggers nor the ends of runs queue up behind one another.
func (q *Queue) Admit(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := q.givePlaces(ctx, tx, name, !q.admits.Load()) // without an admitter, better late than never
	return err
}

// givePlaces returns how many it gave.
func (q *Queue) givePlaces(ctx context.Context, tx pgx.Tx, name string, mayWait bool) (int, error) {
	rows, _ := tx.Query(ctx, q.db.Of("select {give_places}($1, $2)"), name, mayWait)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	return len(ids), q.insertJobs(ctx, tx, name, ids)
}

// Nudge lets the admitter look at a pipeline: after a run of it ended, or came to wait. It is called
// after the commit. If the replica dies just before, the keeper of any other looks.
func (q *Queue) Nudge(name string) {
	q.mu.Lock()
	q.nudged[name] = struct{}{}
	q.mu.Unlock()
	select {
	case q.admitNow <- struct{}{}:
	default:
	}
}

// Admits is the admitter: one for a replica, so that many runs that end at once are followed by one
// transaction that begins as many.
func (q *Queue) Admits(ctx context.Context) {
	q.admits.Store(true)
	defer q.admits.Store(false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.admitNow:
		}
		q.mu.Lock()
		names := q.nudged
		q.nudged = map[string]struct{}{}
		q.mu.Unlock()
		for name := range names {
			if err := q.admitAlone(ctx, name); err != nil && ctx.Err() == nil {
				q.db.Logger.Warn("waiting runs could not be let begin, the keeper tries again", "pipeline", name, "error", err)
			}
		}
	}
}

// admitAlone admits in a transaction of its own, if any run waits.
func (q *Queue) admitAlone(ctx context.Context, name string) error {
	for {
		var waits bool
		err := q.control.QueryRow(ctx, q.db.Of(
			"select exists (select from {runs} where pipeline = $1 and state = 'queued' and not active)"), name).Scan(&waits)
		if err != nil || !waits {
			return err
		}
		given := 0
		err = tables.InTx(ctx, q.control, func(tx pgx.Tx) (err error) {
			given, err = q.givePlaces(ctx, tx, name, true)
			return err
		})
		if err != nil || given == 0 {
			return err
		}
	}
}

// AdmitAll is the keeper's look at all pipelines where runs wait: for a place that was freed by
// somebody who died before it could nudge.
func (q *Queue) AdmitAll(ctx context.Context) error {
	rows, _ := q.control.Query(ctx, q.db.Of("select distinct pipeline from {runs} where state = 'queued' and not active"))
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := q.admitAlone(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
