package life

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/runs/internal/tables"
)

// Runs are the runs of a schema.
type Runs struct{ DB *tables.DB }

// New is a run that is to be put into the queue.
type New struct {
	ID, Pipeline string
	Date         time.Time
	Params       map[string]string
	Cause, By    string
	Backfill     *string
}

// Insert is the statement that inserts a run that waits, with its arguments. It inserts nothing if a due date has its
// run already.
func (r Runs) Insert(n New) (sql string, args []any, err error) {
	params, err := json.Marshal(n.Params)
	if err != nil {
		return "", nil, err
	}
	return r.DB.Of(`
insert into {runs} (id, pipeline, state, logical_date, params, cause, by, backfill)
values ($1, $2, 'queued', $3, $4::text::jsonb, $5, $6, $7) on conflict do nothing`),
		[]any{n.ID, n.Pipeline, n.Date, string(params), n.Cause, n.By, n.Backfill}, nil
}

// Hold says whose a running run is.
type Hold struct {
	Attempt int
	Worker  string
}

// Verdict is how a run is to end unless it is committed.
type Verdict struct {
	As  State // Failed or Cancelled
	Why string
}

// Claimed is what a worker learns of the run that it has got.
type Claimed struct {
	Attempt   int
	Date      time.Time
	Params    []byte
	Elsewhere bool     // an earlier attempt may have committed in another database
	Ask       *Verdict // if set, this attempt only asks
}

// Claim takes the run for a worker, if the job is still the one that may begin it.
func (r Runs) Claim(
	ctx context.Context, pool *pgxpool.Pool, id string, job int64, worker string, lease time.Duration,
) (c Claimed, ok bool, err error) {
	var endsAs *string
	var why string
	err = pool.QueryRow(ctx, r.DB.Of(`
with run as (
    update {runs}
       set state = 'running', reason = '', version = version + 1, attempt = attempt + 1, worker = $3,
           lease_until = now() + $4::bigint * interval '1 microsecond',
           started_at = coalesce(started_at, now()), next_attempt_at = null
     where id = $1 and job_id = $2 and active and state in ('queued', 'retrying', 'lost')
    returning id, attempt, logical_date, params, elsewhere, ends_as, ends_why),
begun as (
    insert into {run_attempts} (run_id, attempt, worker, state) select id, attempt, $3, 'running' from run)
select attempt, logical_date, params, elsewhere, ends_as, ends_why from run`),
		id, job, worker, lease.Microseconds()).Scan(&c.Attempt, &c.Date, &c.Params, &c.Elsewhere, &endsAs, &why)
	if tables.IsNoRows(err) {
		return c, false, nil
	}
	if endsAs != nil {
		c.Ask = &Verdict{As: State(*endsAs), Why: why}
	}
	return c, err == nil, err
}

// Requeue puts a run that failed or was cancelled into the queue again, at its end.
func (r Runs) Requeue(ctx context.Context, tx pgx.Tx, id, reason string) error {
	_, err := tx.Exec(ctx, r.DB.Of(`
update {runs}
   set state = 'queued', reason = $2, version = version + 1, failures = 0, losses = 0, cancel_by = null,
       place = nextval('{run_places}'), ended_at = null, next_attempt_at = null,
       elsewhere = false, ends_as = null, ends_why = ''
 where id = $1`), id, reason)
	return err
}
