package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// DropJob ends the River job of a worker that died, which River would keep as running for
// ever: its own rescue, which goes by time alone, is off. River has no call for this.
func (q *Queue) DropJob(ctx context.Context, tx pgx.Tx, job *int64) error {
	if job == nil {
		return nil
	}
	_, err := tx.Exec(ctx, q.db.Of(`
update {river_job} set state = 'discarded', finalized_at = now() where id = $1 and state = 'running'`), *job)
	return err
}

// Redispatch gives a new job to runs that may begin but whose job is gone: fetched by
// a worker that died before it began, or ended by somebody's hand.
func (q *Queue) Redispatch(ctx context.Context, lease time.Duration) error {
	for {
		again := false
		err := tables.InTx(ctx, q.control, func(tx pgx.Tx) error {
			var r life.Row
			err := tx.QueryRow(ctx, q.db.Of(`
select r.id, r.Pipeline, r.job_id from {runs} r
 where r.active and r.job_id is not null and r.state in ('queued', 'retrying', 'lost')
   and r.ready_at < now() - $1::bigint * interval '1 microsecond'
   and not exists (
       select from {river_job} j
        where j.id = r.job_id
          and (j.state in ('available', 'pending', 'scheduled', 'retryable')
               or j.state = 'running' and j.attempted_at > now() - $1::bigint * interval '1 microsecond'))
 limit 1
   for no key update of r skip locked`), lease.Microseconds()).Scan(&r.ID, &r.Pipeline, &r.Job)
			if tables.IsNoRows(err) {
				return nil
			}
			if err != nil {
				return err
			}
			again = true
			if err := q.DropJob(ctx, tx, r.Job); err != nil {
				return err
			}
			return q.Dispatch(ctx, tx, r.ID, r.Pipeline)
		})
		if err != nil || !again {
			return err
		}
	}
}

// RetryDue lets runs begin whose wait for the next attempt is over. Not left to River's scheduled
// jobs, which its leader looks for every five seconds only.
func (q *Queue) RetryDue(ctx context.Context) error {
	for {
		again := false
		err := tables.InTx(ctx, q.control, func(tx pgx.Tx) error {
			var id, name string
			err := tx.QueryRow(ctx, q.db.Of(`
select id, pipeline from {runs}
 where state = 'retrying' and job_id is null and next_attempt_at <= now()
 order by next_attempt_at limit 1
   for no key update skip locked`)).Scan(&id, &name)
			if tables.IsNoRows(err) {
				return nil
			}
			if err != nil {
				return err
			}
			again = true
			return q.Dispatch(ctx, tx, id, name)
		})
		if err != nil || !again {
			return err
		}
	}
}

// CancelJob takes back the job of a run that has not begun.
func (q *Queue) CancelJob(ctx context.Context, tx pgx.Tx, job *int64) error {
	if job == nil {
		return nil
	}
	_, err := q.inserter.JobCancelTx(ctx, tx, *job)
	if tables.IsJobNotFound(err) {
		return nil
	}
	return err
}
