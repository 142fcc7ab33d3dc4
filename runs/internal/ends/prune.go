package ends

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// KeepCommits is how long the ledger remembers a run after its end, at least.
const KeepCommits = 30 * 24 * time.Hour

// batch is how many runs one transaction removes.
const batch = 500

// Prune removes from the history runs that ended before a moment, and those beyond the newest keep of each pipeline;
// what is zero does not count. It returns how many, also with an error. Then it removes from the ledger what left the
// history long enough ago.
func Prune(
	ctx context.Context, db *tables.DB, olderThan time.Time, keep int, pipelines []string,
) (removed int64, err error) {
	if !olderThan.IsZero() {
		n, err := pruneAll(ctx, db, `
select id from {runs} where ended_at < $1 and state in ('succeeded', 'failed', 'cancelled')
 order by ended_at limit $2 for update skip locked`, olderThan)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	if keep > 0 {
		for _, name := range pipelines {
			n, err := pruneAll(ctx, db, `
select id from {runs}
 where pipeline = $3 and ended_at is not null and state in ('succeeded', 'failed', 'cancelled')
   and ended_at < (select ended_at from {runs} where pipeline = $3 and ended_at is not null
                    order by ended_at desc offset $1 - 1 limit 1)
 order by ended_at limit $2 for update skip locked`, keep, name)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, pruneLedger(ctx, db)
}

// pruneLedger removes from the ledger runs that left the history.
func pruneLedger(ctx context.Context, db *tables.DB) error {
	for {
		tag, err := db.Pool.Exec(ctx, db.Of(`
with old as (
    delete from {pruned_runs} where run_id in (
        select run_id from {pruned_runs} where ended_at < now() - $1::bigint * interval '1 second'
         order by ended_at limit $2 for update skip locked)
    returning pipeline, run_id::text as run_id),
commits as (delete from {commits} c using old where c.pipeline = old.pipeline and c.run_id = old.run_id),
attempts as (delete from {attempts} a using old where a.pipeline = old.pipeline and a.run_id = old.run_id)
select from old`), int64(KeepCommits.Seconds()), batch)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
	}
}

// pruneAll removes the runs that a statement chooses, batch by batch.
func pruneAll(ctx context.Context, db *tables.DB, choose string, args ...any) (removed int64, err error) {
	args = slices.Insert(args, 1, any(batch))
	for {
		var n int64
		err := tables.InTx(ctx, db.Pool, func(tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, db.Of(choose), args...)
			ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(ids) == 0 {
				n = 0
				return err
			}
			for _, sql := range []string{
				"delete from {run_attempts} where run_id = any($1::uuid[])",
				"delete from {run_logs} where run_id = any($1::uuid[])",
				"delete from {run_rejects} where run_id = any($1::uuid[])",
				"delete from {run_progress} where run_id = any($1::uuid[])",
				"insert into {pruned_runs} (run_id, pipeline, ended_at) select id, pipeline, ended_at from {runs} where id = any($1::uuid[])",
			} {
				if _, err := tx.Exec(ctx, db.Of(sql), ids); err != nil {
					return err
				}
			}
			tag, err := tx.Exec(ctx, db.Of("delete from {runs} where id = any($1::uuid[])"), ids)
			n = tag.RowsAffected()
			return err
		})
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}
