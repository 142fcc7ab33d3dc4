package runs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// trouble names the place of an error that is not the caller's mistake.
func (s *Service) trouble(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, mine := errors.AsType[*Error](err); mine {
		return err
	}
	return fmt.Errorf("runs: %s: %w", what, err)
}

// locked is a run whose row is locked until the end of the transaction.
type locked struct {
	id, pipeline string
	state        State
	active       bool
	attempt      int
	job          *int64
	elsewhere    bool // it may be committed in another database
	committed    bool // it is in the ledger of this one
}

func (s *Service) lock(ctx context.Context, tx pgx.Tx, id string) (r locked, err error) {
	err = tx.QueryRow(ctx, s.db.Of("select id, pipeline, state, active, attempt, job_id, elsewhere from {runs} where id = $1 for no key update"), id).
		Scan(&r.id, &r.pipeline, &r.state, &r.active, &r.attempt, &r.job, &r.elsewhere)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, notFound("there is no run %s", shown(id))
	}
	if err == nil {
		r.committed, err = s.committed(ctx, tx, r.id, r.pipeline)
	}
	return r, err
}

// Cancel ends a run: at once if it waits, and soon if it is running, by whatever replica.
// A run whose commit has begun may still succeed; one that waits and may be committed in another database
// ends when the next attempt has asked there. Cancelling one that is being cancelled does nothing.
//
// Errors: [ErrNotFound] an unknown run; [ErrConflict] one that has ended, or is committed.
func (s *Service) Cancel(ctx context.Context, id, by string) (Record, error) {
	if err := errors.Join(checkID(id), checkBy(by)); err != nil {
		return Record{}, firstOf(err)
	}
	var name string
	ended := false
	err := tables.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		name = r.pipeline
		switch {
		case r.state.Ended():
			return conflict("run %s has ended (%s): it cannot be cancelled", id, r.state)
		case r.committed:
			return conflict("run %s is committed: it cannot be cancelled, what is left to do is completed", id)
		case r.state == Running:
			_, err := tx.Exec(ctx, s.db.Of("update {runs} set cancel_by = coalesce(cancel_by, $2), reason = $3, version = version + 1 where id = $1 and cancel_by is null"), id, by, "is being cancelled"+byWhom(by))
			return err
		case r.elsewhere:
			return s.cancelIfAbsent(ctx, tx, r, by)
		}
		if r.job != nil {
			if _, err := s.inserter.JobCancelTx(ctx, tx, *r.job); err != nil && !tables.IsJobNotFound(err) {
				return err
			}
		}
		if err := s.end(ctx, tx, ending{id: id, pipeline: r.pipeline, state: Cancelled, reason: "cancelled" + byWhom(by) + " before it began"}); err != nil {
			return err
		}
		ended = true
		return s.admit(ctx, tx, r.pipeline)
	})
	if err != nil {
		return Record{}, s.trouble("cancel", err)
	}
	s.nudge(name)
	if ended {
		s.observe(ctx, id, Cancelled, nil)
	}
	return s.Get(ctx, id)
}

// cancelIfAbsent has the next attempt ask whether a run that waits is committed, and cancel it if not.
func (s *Service) cancelIfAbsent(ctx context.Context, tx pgx.Tx, r locked, by string) error {
	_, err := tx.Exec(ctx, s.db.Of(`
update {runs} set ends_as = 'cancelled', ends_why = $2, reason = $3, version = version + 1 where id = $1 and ends_as is null`),
		r.id, "cancelled"+byWhom(by), "is being cancelled"+byWhom(by)+", unless it is committed, which the next attempt asks")
	if err != nil || r.job != nil {
		return err
	}
	return s.dispatch(ctx, tx, r.id, r.pipeline)
}

// Retry begins a run again that failed or was cancelled: the same run, as its next attempt.
//
// Errors: [ErrNotFound] an unknown run; [ErrConflict] one that succeeded or has not ended.
func (s *Service) Retry(ctx context.Context, id, by string) (Record, error) {
	if err := errors.Join(checkID(id), checkBy(by)); err != nil {
		return Record{}, firstOf(err)
	}
	var name string
	err := tables.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, id)
		name = r.pipeline
		switch {
		case err != nil:
			return err
		case r.state == Succeeded:
			return conflict("run %s has succeeded: trigger a new one", id)
		case !r.state.Ended():
			return conflict("run %s has not ended (%s): it cannot be retried", id, r.state)
		}
		_, err = tx.Exec(ctx, s.db.Of(`
update {runs}
   set state = 'queued', reason = $2, version = version + 1, failures = 0, losses = 0, cancel_by = null,
       place = nextval('{run_places}'), ended_at = null, next_attempt_at = null
 where id = $1`), id, "retried"+byWhom(by))
		if err != nil {
			return err
		}
		return s.admit(ctx, tx, r.pipeline)
	})
	if err != nil {
		return Record{}, s.trouble("retry", err)
	}
	s.nudge(name)
	return s.Get(ctx, id)
}

func byWhom(by string) string {
	if by == "" {
		return ""
	}
	return " by " + by
}

// firstOf returns the first of joined errors.
func firstOf(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()[0]
	}
	return err
}

// Pause stops a pipeline's schedule. What is in the queue goes on, and it can still be
// triggered. Pausing what is paused does nothing.
//
// Errors: [ErrNotFound] an unknown pipeline; [ErrConflict] one without a schedule.
func (s *Service) Pause(ctx context.Context, name, by string) error {
	return s.setPaused(ctx, name, true, by)
}

// Resume lets a paused schedule go on. Due dates that passed meanwhile were missed:
// Definition.CatchUp says what becomes of them.
func (s *Service) Resume(ctx context.Context, name, by string) error {
	return s.setPaused(ctx, name, false, by)
}

func (s *Service) setPaused(ctx context.Context, name string, paused bool, by string) error {
	d, err := s.find(name)
	if err != nil {
		return err
	}
	if err := checkBy(by); err != nil {
		return err
	}
	if d.schedule == nil {
		return conflict("pipeline %q has no schedule", name)
	}
	if !paused {
		by = ""
	}
	_, err = s.pool.Exec(ctx, s.db.Of("update {pipelines} set paused = $2, paused_by = $3 where name = $1 and paused <> $2"), name, paused, by)
	if err == nil {
		s.wakeKeeper()
	}
	return s.trouble("pause", err)
}
