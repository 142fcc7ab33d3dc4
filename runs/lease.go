package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// beat renews the lease of all runs that this replica works, in one statement, and
// learns which of them are to be cancelled or are no longer its own.
//
// A row that is locked is passed over: its run is committing, and whoever would take it
// away passes it over too.
func (s *Service) beat(ctx context.Context, runs []*live) error {
	byID := map[string]*live{}
	var ids []string
	for _, l := range runs {
		byID[l.id] = l
		ids = append(ids, l.id)
	}
	rows, _ := s.control.Query(ctx, s.db.Of(`
with renewed as (
    update {runs} set lease_until = now() + $3::bigint * interval '1 microsecond'
     where id in (select id from {runs} where id = any($1) and worker = $2 and state = 'running' for no key update skip locked))
select id, attempt, worker = $2 and state = 'running', cancel_by from {runs} where id = any($1)`),
		ids, s.config.Name, s.config.Lease.Microseconds())
	var id string
	var attempt int
	var mine bool
	var cancelBy *string
	_, err := pgx.ForEachRow(rows, []any{&id, &attempt, &mine, &cancelBy}, func() error {
		l := byID[id]
		delete(byID, id)
		switch {
		case l.committing.Load(): // too late for anything; the commit looks for itself
		case attempt != l.attempt || !mine:
			l.stop(errLost)
		case cancelBy != nil:
			l.stop(&cancelledByError{*cancelBy})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range byID { // pruned
		l.stop(errLost)
	}
	return nil
}

// beats renews leases until ctx ends. A replica that cannot for as long as a lease stops
// its runs: others will have taken them.
func (s *Service) beats(ctx context.Context) {
	ticker := time.NewTicker(s.config.Heartbeat)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.beatNow:
		}
		runs := s.working()
		if len(runs) == 0 {
			renewed = time.Now()
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, s.config.Lease/2)
		asked := time.Now()
		err := s.beat(bounded, runs)
		cancel()
		if err == nil {
			renewed = asked
			continue
		}
		if ctx.Err() != nil {
			return
		}
		s.config.Logger.Warn("the lease could not be renewed", "runs", len(runs), "error", err)
		if time.Since(renewed) > s.config.Lease {
			for _, l := range runs {
				l.stop(errLost)
			}
		}
	}
}

// reap takes runs from workers that are not heard of any more. Every replica does it; a run that
// another is taking, or that is committing, is passed over.
func (s *Service) reap(ctx context.Context) error {
	for {
		again, taken, id, ended := false, "", "", State("")
		err := tables.InTx(ctx, s.control, func(tx pgx.Tx) error {
			var r locked
			var worker string
			var losses int
			var cancelBy, endsAs *string
			var elsewhere bool
			err := tx.QueryRow(ctx, s.db.Of(`
select id, pipeline, attempt, job_id, worker, losses, cancel_by, elsewhere, ends_as from {runs}
 where state = 'running' and lease_until < now()
 order by lease_until limit 1
   for no key update skip locked`)).Scan(&r.id, &r.pipeline, &r.attempt, &r.job, &worker, &losses, &cancelBy, &elsewhere, &endsAs)
			if tables.IsNoRows(err) {
				return nil
			}
			if err != nil {
				return err
			}
			again, taken, id = true, r.pipeline, r.id
			if err := s.dropJob(ctx, tx, r.job); err != nil {
				return err
			}
			s.config.Logger.Warn("a worker died; its run is taken over", "pipeline", r.pipeline, "run", r.id, "attempt", r.attempt, "worker", worker)
			committed, err := s.committed(ctx, tx, r.id, r.pipeline)
			if err != nil {
				return err
			}
			e := ending{id: r.id, pipeline: r.pipeline}
			switch {
			case committed || endsAs != nil: // what is committed is completed; who only asks decides nothing
			case cancelBy != nil:
				e.state, e.reason = Cancelled, "cancelled"+byWhom(*cancelBy)
			case losses+1 >= MaxLosses:
				e.state, e.reason = Failed, fmt.Sprintf("lost: its worker died %d times in a row, the last one was %s; perhaps the run is what kills them", losses+1, worker)
				e.err = fmt.Errorf("the worker of attempt %d, %s, died", r.attempt, worker)
			}
			if e.state != "" && !elsewhere {
				ended = e.state
				return s.end(ctx, tx, e)
			}
			as, why := string(e.state), e.reason
			ended = Lost
			e.state, e.reason = Lost, fmt.Sprintf("lost: worker %s died; attempt %d takes over", worker, r.attempt+1)
			if as != "" {
				e.reason = fmt.Sprintf("%s, unless it is committed, which attempt %d asks", why, r.attempt+1)
			}
			err = s.note(ctx, tx, e, ", losses = losses + 1, ends_as = coalesce(ends_as, nullif($9, '')), ends_why = case when ends_as is null then $10 else ends_why end", as, why)
			if err != nil {
				return err
			}
			return s.dispatch(ctx, tx, r.id, r.pipeline)
		})
		if err != nil || !again {
			return err
		}
		s.nudge(taken)
		s.observe(ctx, id, ended, nil)
	}
}

// dropJob ends the River job of a worker that died, which River would keep as running for
// ever: its own rescue, which goes by time alone, is off. River has no call for this.
func (s *Service) dropJob(ctx context.Context, tx pgx.Tx, job *int64) error {
	if job == nil {
		return nil
	}
	_, err := tx.Exec(ctx, s.db.Of("update {river_job} set state = 'discarded', finalized_at = now() where id = $1 and state = 'running'"), *job)
	return err
}

// redispatch gives a new job to runs that may begin but whose job is gone: fetched by
// a worker that died before it began, or ended by somebody's hand.
func (s *Service) redispatch(ctx context.Context) error {
	for {
		again := false
		err := tables.InTx(ctx, s.control, func(tx pgx.Tx) error {
			var r locked
			err := tx.QueryRow(ctx, s.db.Of(`
select r.id, r.pipeline, r.job_id from {runs} r
 where r.active and r.job_id is not null and r.state in ('queued', 'retrying', 'lost')
   and r.ready_at < now() - $1::bigint * interval '1 microsecond'
   and not exists (
       select from {river_job} j
        where j.id = r.job_id
          and (j.state in ('available', 'pending', 'scheduled', 'retryable')
               or j.state = 'running' and j.attempted_at > now() - $1::bigint * interval '1 microsecond'))
 limit 1
   for no key update of r skip locked`), s.config.Lease.Microseconds()).Scan(&r.id, &r.pipeline, &r.job)
			if tables.IsNoRows(err) {
				return nil
			}
			if err != nil {
				return err
			}
			again = true
			if err := s.dropJob(ctx, tx, r.job); err != nil {
				return err
			}
			return s.dispatch(ctx, tx, r.id, r.pipeline)
		})
		if err != nil || !again {
			return err
		}
	}
}

// retryDue lets runs begin whose wait for the next attempt is over. Not left to River's scheduled
// jobs, which its leader looks for every five seconds only.
func (s *Service) retryDue(ctx context.Context) error {
	for {
		again := false
		err := tables.InTx(ctx, s.control, func(tx pgx.Tx) error {
			var id, name string
			err := tx.QueryRow(ctx, s.db.Of(`
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
			return s.dispatch(ctx, tx, id, name)
		})
		if err != nil || !again {
			return err
		}
	}
}
