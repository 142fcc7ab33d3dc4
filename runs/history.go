package runs

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/tables"
)

// KeepCommits is how long the ledger remembers a run after its end, at least, though it is no longer in the
// history: longer than an attempt of it may sleep somewhere, or than a backup of a history that is kept apart from
// the data is old when it is restored.
const KeepCommits = 30 * 24 * time.Hour

// Prune removes runs that have ended, with all that belongs to them, and returns how many. It
// works in small transactions: what was removed stays removed when ctx ends. The ledger forgets a run
// [KeepCommits] after its end, or with the run if that is later; what it says of data in other databases stays.
func (s *Service) Prune(ctx context.Context, p Prune) (removed int64, err error) {
	if p.Keep < 0 {
		return 0, invalid("keep", "keep is %d: it cannot be negative", p.Keep)
	}
	if !p.OlderThan.IsZero() {
		n, err := s.prune(ctx, "select id from {runs} where ended_at < $1 and state in ('succeeded', 'failed', 'cancelled') order by ended_at limit $2 for update skip locked", p.OlderThan)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	if p.Keep > 0 {
		for _, name := range s.config.Registry.Names() {
			n, err := s.prune(ctx, `
select id from {runs}
 where pipeline = $3 and ended_at is not null and state in ('succeeded', 'failed', 'cancelled')
   and ended_at < (select ended_at from {runs} where pipeline = $3 and ended_at is not null order by ended_at desc offset $1 - 1 limit 1)
 order by ended_at limit $2 for update skip locked`, p.Keep, name)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, s.trouble("prune", s.pruneLedger(ctx))
}

// pruneLedger removes from the ledger runs that left the history.
func (s *Service) pruneLedger(ctx context.Context) error {
	for {
		tag, err := s.pool.Exec(ctx, s.db.Of(`
with old as (
    delete from {pruned_runs} where run_id in (
        select run_id from {pruned_runs} where ended_at < now() - $1::bigint * interval '1 second'
         order by ended_at limit $2 for update skip locked)
    returning pipeline, run_id::text as run_id),
commits as (delete from {commits} c using old where c.pipeline = old.pipeline and c.run_id = old.run_id),
attempts as (delete from {attempts} a using old where a.pipeline = old.pipeline and a.run_id = old.run_id)
select from old`), int64(KeepCommits.Seconds()), pruneBatch)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
	}
}

// pruneBatch is how many runs one transaction removes.
const pruneBatch = 500

func (s *Service) prune(ctx context.Context, choose string, args ...any) (removed int64, err error) {
	args = slices.Insert(args, 1, any(pruneBatch))
	for {
		var n int64
		err := tables.InTx(ctx, s.pool, func(tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, s.db.Of(choose), args...)
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
				if _, err := tx.Exec(ctx, s.db.Of(sql), ids); err != nil {
					return err
				}
			}
			tag, err := tx.Exec(ctx, s.db.Of("delete from {runs} where id = any($1::uuid[])"), ids)
			n = tag.RowsAffected()
			return err
		})
		removed += n
		if err != nil || n == 0 {
			return removed, s.trouble("prune", err)
		}
	}
}

// Pipelines returns what is known of all definitions of this replica, by name.
func (s *Service) Pipelines(ctx context.Context) ([]PipelineInfo, error) {
	names := s.config.Registry.Names()
	infos := make([]PipelineInfo, 0, len(names))
	for _, name := range names {
		info, err := s.Pipeline(ctx, name)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Graphs returns the graph of each definition of this replica, by name. It asks no database.
func (s *Service) Graphs() map[string]pipeline.Graph {
	graphs := map[string]pipeline.Graph{}
	for name, d := range s.definitions {
		graphs[name] = d.graph
	}
	return graphs
}

// lastRuns is how many runs PipelineInfo shows.
const lastRuns = 10

// Pipeline returns what is known of a definition.
//
// Errors: [ErrNotFound].
func (s *Service) Pipeline(ctx context.Context, name string) (PipelineInfo, error) {
	d, err := s.find(name)
	if err != nil {
		return PipelineInfo{}, err
	}
	info := PipelineInfo{
		Name: name, Description: d.Description, Schedule: d.Schedule, MaxActive: d.MaxActive,
		Params: append([]Param{}, d.Params...), Graph: d.graph,
	}
	if d.schedule != nil {
		info.CatchUp = d.CatchUp
	}
	var next *time.Time
	err = s.pool.QueryRow(ctx, s.db.Of(`
select p.paused, p.paused_by, p.next_due,
       (select count(*) from {runs} r where r.pipeline = p.name and r.active),
       (select count(*) from {runs} r where r.pipeline = p.name and r.state = 'queued' and not r.active)
  from {pipelines} p where p.name = $1`), name).Scan(&info.Paused, &info.PausedBy, &next, &info.Active, &info.Waiting)
	if err != nil && !tables.IsNoRows(err) { // not registered yet: it has had no runs either
		return info, s.trouble("pipeline", err)
	}
	if next != nil && !info.Paused {
		info.NextDue = next.UTC()
	}
	info.LastRuns, err = s.records(ctx, " where r.pipeline = $1 order by r.created_at desc, r.id desc limit $2", name, lastRuns)
	return info, err
}

// Stats returns figures over all replicas.
func (s *Service) Stats(ctx context.Context) (Stats, error) {
	stats := Stats{Runs: map[string]map[State]int64{}}
	var name string
	var state State
	var n int64
	rows, _ := s.pool.Query(ctx, s.db.Of("select pipeline, state, count(*) from {runs} group by pipeline, state"))
	_, err := pgx.ForEachRow(rows, []any{&name, &state, &n}, func() error {
		if stats.Runs[name] == nil {
			stats.Runs[name] = map[State]int64{}
		}
		stats.Runs[name][state] = n
		if state == Queued || state == Retrying || state == Lost {
			stats.Waiting += n
		}
		return nil
	})
	if err != nil {
		return stats, s.trouble("stats", err)
	}
	var oldest *float64
	err = s.pool.QueryRow(ctx, s.db.Of("select extract(epoch from now() - min(ready_at))::float8 from {runs} where active and state in ('queued', 'lost')")).Scan(&oldest)
	if oldest != nil {
		stats.OldestAge = time.Duration(*oldest * float64(time.Second))
	}
	return stats, s.trouble("stats", err)
}

// LeaseLosses returns how many attempts this replica gave up since it started because it had lost their
// leases. More than none means that it, or its database, stands still for seconds at a time.
func (s *Service) LeaseLosses() int64 { return s.losses.Load() }
