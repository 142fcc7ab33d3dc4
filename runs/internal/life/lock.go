package life

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/runs/internal/tables"
)

// Row is a run whose row is locked until the end of the transaction.
type Row struct {
	ID, Pipeline string
	State        State
	Attempt      int
	Job          *int64
	Worker       string
	Failures     int // since the last trigger or retry
	Losses       int // in a row
	CancelBy     *string
	Elsewhere    bool // it may be committed in another database
	Doomed       bool // the next attempt only asks
	Committed    bool // it is in the ledger of this database
}

const rowColumns = "id, pipeline, state, attempt, job_id, worker, failures, losses, cancel_by, elsewhere, ends_as is not null"

func (r Runs) lock(ctx context.Context, tx pgx.Tx, which string, args ...any) (row Row, err error) {
	err = tx.QueryRow(ctx, r.DB.Of("select "+rowColumns+" from {runs} where "+which), args...).Scan(
		&row.ID, &row.Pipeline, &row.State, &row.Attempt, &row.Job, &row.Worker, &row.Failures, &row.Losses, &row.CancelBy, &row.Elsewhere, &row.Doomed,
	)
	if err == nil {
		// Asked only now: who commits holds the row's lock until then, so that the answer stays true.
		row.Committed, err = r.committed(ctx, tx, row.ID, row.Pipeline)
	}
	return row, err
}

func (r Runs) committed(ctx context.Context, tx pgx.Tx, id, name string) (is bool, err error) {
	err = tx.QueryRow(ctx, r.DB.Of("select exists (select from {commits} where pipeline = $1 and run_id = $2)"), name, id).Scan(&is)
	return is, err
}

// Lock locks a run; [tables.IsNoRows] if there is none.
func (r Runs) Lock(ctx context.Context, tx pgx.Tx, id string) (Row, error) {
	return r.lock(ctx, tx, "id = $1 for no key update", id)
}

// LockMine locks a run if the worker still has it; else [tables.IsNoRows].
func (r Runs) LockMine(ctx context.Context, tx pgx.Tx, id string, h Hold) (Row, error) {
	return r.lock(ctx, tx, "id = $1 and attempt = $2 and worker = $3 and state = 'running' for no key update",
		id, h.Attempt, h.Worker)
}

// LockLost locks a run whose lease is over, and that nobody else has locked: it may be committing. [tables.IsNoRows] if
// there is none.
func (r Runs) LockLost(ctx context.Context, tx pgx.Tx) (Row, error) {
	return r.lock(ctx, tx, "state = 'running' and lease_until < now() order by lease_until limit 1 for no key update skip locked")
}

// LockForCommit locks a run whose worker is about to commit, and tells whether it still has it.
func (r Runs) LockForCommit(ctx context.Context, tx pgx.Tx, id string, h Hold) (mine bool, err error) {
	err = tx.QueryRow(ctx, r.DB.Of(`
select attempt = $2 and worker = $3 and state = 'running' from {runs} where id = $1 for no key update`),
		id, h.Attempt, h.Worker).Scan(&mine)
	if tables.IsNoRows(err) {
		return false, nil
	}
	return mine, err
}

// Elsewhere notes that the run's attempt is about to write to another database, and tells whether the worker still has
// it.
func (r Runs) Elsewhere(ctx context.Context, pool *pgxpool.Pool, id string, h Hold) (mine bool, err error) {
	tag, err := pool.Exec(ctx, r.DB.Of(`
update {runs} set elsewhere = true where id = $1 and attempt = $2 and worker = $3 and state = 'running'`),
		id, h.Attempt, h.Worker)
	return tag.RowsAffected() > 0, err
}

// WantCancelled asks the worker of a running run to stop it. The first who asks is named.
func (r Runs) WantCancelled(ctx context.Context, tx pgx.Tx, id, by, reason string) error {
	_, err := tx.Exec(ctx, r.DB.Of(`
update {runs} set cancel_by = $2, reason = $3, version = version + 1 where id = $1 and cancel_by is null`), id, by, reason)
	return err
}

// Doom has the next attempt of a run that waits ask whether it is committed, and end it if not.
func (r Runs) Doom(ctx context.Context, tx pgx.Tx, id string, v Verdict, reason string) error {
	_, err := tx.Exec(ctx, r.DB.Of(`
update {runs} set ends_as = $2, ends_why = $3, reason = $4, version = version + 1 where id = $1 and ends_as is null`),
		id, string(v.As), v.Why, reason)
	return err
}
