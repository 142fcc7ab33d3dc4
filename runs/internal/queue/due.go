package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// Plan says which runs are due, when the date that was due first is known, and the next due date, nil for none.
type Plan func(first time.Time) (due []life.New, next *time.Time, err error)

// DueRuns makes the runs of a schedule that are due at the moment now. The row of the pipeline is locked meanwhile, so
// that one replica does it; another passes it over. By the cron line of the newest replica only: an older one leaves it
// alone.
func (q *Queue) DueRuns(ctx context.Context, name, line string, now time.Time, plan Plan) error {
	made := false
	err := tables.InTx(ctx, q.control, func(tx pgx.Tx) error {
		var first time.Time
		err := tx.QueryRow(ctx, q.db.Of(`
select next_due from {pipelines}
 where name = $1 and schedule = $2 and not paused and next_due <= $3
   for no key update skip locked`), name, line, now).Scan(&first)
		if tables.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		due, next, err := plan(first.UTC())
		if err != nil {
			return err
		}
		if err := q.Enqueue(ctx, tx, due); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, q.db.Of("update {pipelines} set next_due = $2 where name = $1"), name, next); err != nil {
			return err
		}
		made = len(due) > 0
		return q.Admit(ctx, tx, name)
	})
	if err == nil && made {
		q.Nudge(name)
	}
	return err
}

// NextWake returns how long there is nothing to do for RetryDue and DueRuns of these pipelines, at most limit. now is
// the moment by the clock of schedules.
func (q *Queue) NextWake(
	ctx context.Context, pipelines []string, now func() time.Time, limit time.Duration,
) time.Duration {
	var due *time.Time
	var seconds *float64
	err := q.control.QueryRow(ctx, q.db.Of(`
select (select min(next_due) from {pipelines} where name = any($1) and not paused),
       (select extract(epoch from min(next_attempt_at) - now())::float8
          from {runs} where state = 'retrying' and job_id is null)`), pipelines).
		Scan(&due, &seconds)
	if err != nil {
		return limit
	}
	wait := limit
	if due != nil {
		wait = min(wait, due.Sub(now()))
	}
	if seconds != nil {
		wait = min(wait, time.Duration(*seconds*float64(time.Second)))
	}
	return max(wait, 5*time.Millisecond)
}
