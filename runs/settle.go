package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/tables"
)

// ending is how a run ends.
type ending struct {
	id, pipeline string
	state        State
	reason       string
	err          error
	report       *pipeline.Report
	rejects      *keptRejects
	live         *live // if set, the run's row is written only if it is still this attempt's
}

// end writes the end of a run, which gives back its place. Whoever calls it nudges the admitter after
// the commit, that hands the place on. The run's row is locked
// already, or guarded by ending.live: then the error is [pipeline.ErrFenced] if it is somebody else's.
func (s *Service) end(ctx context.Context, tx pgx.Tx, e ending) error { return s.note(ctx, tx, e, "") }

// note writes what is known at the end of an attempt: into the run's row, that of the
// attempt, and the rejects. assignments are added to those of the run's row.
func (s *Service) note(ctx context.Context, tx pgx.Tx, e ending, assignments string, args ...any) error {
	report, err := reportJSON(e.report)
	if err != nil {
		return err
	}
	message, count, reasons := "", int64(0), []byte("{}")
	if e.err != nil {
		message = tables.Clean(e.err.Error(), 8192)
	}
	if e.rejects != nil {
		if count, reasons, err = e.rejects.counts(); err != nil {
			return err
		}
	}
	if assignments == "" {
		// Not now(): the transaction may be that of the data, which began with the run.
		assignments = ", active = false, job_id = null, ended_at = clock_timestamp(), next_attempt_at = null, elsewhere = false, ends_as = null, ends_why = ''"
	}
	all := append([]any{e.id, string(e.state), e.reason, message, report, count, string(reasons), e.rejects != nil}, args...)
	guard := ""
	if e.live != nil {
		guard = fmt.Sprintf(" and state = 'running' and attempt = $%d and worker = $%d", len(all)+1, len(all)+2)
		all = append(all, e.live.attempt, s.config.Name)
	}
	tag, err := tx.Exec(ctx, s.db.Of(`
with run as (
    update {runs}
       set state = $2, reason = $3, version = version + 1, lease_until = null, cancel_by = null,
           error = case when $4 = '' and $2 <> 'succeeded' then error else $4 end,
           report = coalesce($5::text::json, report),
           rejects = case when $8 then $6 else rejects end,
           reject_reasons = case when $8 then $7::text::jsonb else reject_reasons end`+assignments+`
     where id = $1`+guard+`
    returning id, attempt)
update {run_attempts} a
   set state = case when $2 = 'retrying' then 'failed' else $2 end, reason = $3, error = $4, ended_at = clock_timestamp()
  from run
 where a.run_id = run.id and a.attempt = run.attempt and a.state = 'running'`), all...)
	switch {
	case err != nil:
		return err
	case e.live != nil && tag.RowsAffected() == 0:
		return pipeline.ErrFenced
	case e.rejects == nil:
		return nil
	}
	return e.rejects.store(ctx, tx, s.db, e.id)
}

// reportJSON is nil for no report.
func reportJSON(r *pipeline.Report) (*string, error) {
	if r == nil {
		return nil, nil //nolint:nilnil // no report, no document
	}
	document, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	text := string(document)
	return &text, nil
}

// settle writes how an attempt ended that did not commit its own end, as long as the run is
// still this worker's. It returns the state that the run has got; none if it was not.
func (s *Service) settle(ctx context.Context, l *live, report *pipeline.Report, cause error) State {
	return s.trySettle(ctx, l, func(ctx context.Context, tx pgx.Tx) (State, error) {
		return s.settleIn(ctx, tx, l, report, cause)
	})
}

// trySettle writes an end. If the database cannot be reached it tries again until the
// lease is over: from then on the run is the reaper's.
func (s *Service) trySettle(ctx context.Context, l *live, write func(ctx context.Context, tx pgx.Tx) (State, error)) State {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Lease)
	defer cancel()
	for {
		var state State
		err := tables.InTx(ctx, s.control, func(tx pgx.Tx) (err error) {
			state, err = write(ctx, tx)
			return err
		})
		if err == nil {
			return state
		}
		l.logger.Warn("the end of the attempt could not be written", "error", err)
		select {
		case <-ctx.Done():
			return ""
		case <-time.After(s.config.Heartbeat / 4):
		}
	}
}

// held is what the worker of a run learns when it locks its row.
type held struct {
	mine             bool // it has no end yet, and no other worker
	failures, losses int
	cancelBy         *string
}

func (s *Service) lockMine(ctx context.Context, tx pgx.Tx, l *live) (h held, err error) {
	err = tx.QueryRow(ctx, s.db.Of("select failures, losses, cancel_by from {runs} where id = $1 and attempt = $2 and worker = $3 and state = 'running' for no key update"),
		l.id, l.attempt, s.config.Name).Scan(&h.failures, &h.losses, &h.cancelBy)
	if tables.IsNoRows(err) {
		return h, nil
	}
	h.mine = true
	return h, err
}

// settleIn decides what becomes of the run.
func (s *Service) settleIn(ctx context.Context, tx pgx.Tx, l *live, report *pipeline.Report, cause error) (State, error) {
	h, err := s.lockMine(ctx, tx, l)
	if err != nil || !h.mine {
		return "", err
	}
	e := ending{id: l.id, pipeline: l.definition.Name, err: cause, report: report, rejects: l.rejects}
	retry := l.definition.Retry
	if cause == nil {
		e.state = Succeeded
		if report != nil && report.AlreadyCommitted {
			e.reason = "an earlier attempt had committed"
		}
		return e.state, s.end(ctx, tx, e)
	}
	if isStopped(cause, errShutdown) && h.cancelBy == nil {
		return Queued, s.handBackIn(ctx, tx, l, e)
	}
	committed, err := s.committed(ctx, tx, l.id, l.definition.Name)
	switch {
	case err != nil:
		return e.state, err
	case committed || l.committed || isHalf(cause):
		return Retrying, s.complete(ctx, tx, l, e, backoffFor(retry, h.losses))
	case h.cancelBy != nil && (isStopped(cause, errCancelled) || isStopped(cause, errShutdown)):
		e.state, e.reason = Cancelled, "cancelled"+byWhom(*h.cancelBy)
	case h.failures+1 < retry.MaxAttempts && !pipeline.IsPermanent(cause):
		wait := backoffFor(retry, h.failures)
		e.state = Retrying
		e.reason = fmt.Sprintf("attempt %d failed; attempt %d begins in %v (failure %d of at most %d)", l.attempt, l.attempt+1, wait.Round(time.Millisecond), h.failures+1, retry.MaxAttempts)
		err := s.note(ctx, tx, e, ", failures = failures + 1, losses = 0, job_id = null, next_attempt_at = now() + $9::bigint * interval '1 microsecond'", wait.Microseconds())
		s.wakeKeeper()
		return e.state, err
	default:
		e.state, e.reason = Failed, failedReason(retry, h.failures+1, cause)
	}
	if l.unasked {
		return Retrying, s.doom(ctx, tx, l, e)
	}
	return e.state, s.end(ctx, tx, e)
}

// handBackIn lets another replica begin the next attempt at once.
func (s *Service) handBackIn(ctx context.Context, tx pgx.Tx, l *live, e ending) error {
	e.state, e.err, e.reason = Queued, nil, "handed back: worker "+s.config.Name+" shuts down"
	if err := s.note(ctx, tx, e, ", losses = 0"); err != nil {
		return err
	}
	return s.dispatch(ctx, tx, l.id, l.definition.Name)
}

// complete has a run begun again that is committed, in whole or in part, however often it takes: its data is there, and
// what is left to do (another database, the names of files) is no matter of Retry.
func (s *Service) complete(ctx context.Context, tx pgx.Tx, l *live, e ending, wait time.Duration) error {
	e.state, e.reason = Retrying, fmt.Sprintf("a part of it is committed; attempt %d completes it", l.attempt+1)
	err := s.note(ctx, tx, e, ", losses = losses + 1, job_id = null, ends_as = null, ends_why = '', next_attempt_at = now() + $9::bigint * interval '1 microsecond'", wait.Microseconds())
	s.wakeKeeper()
	return err
}

// doom has the next attempt ask whether the run is committed in another database, and only if not end it as e says.
func (s *Service) doom(ctx context.Context, tx pgx.Tx, l *live, e ending) error {
	as, why := e.state, e.reason
	e.state, e.reason = Retrying, fmt.Sprintf("%s, unless it is committed, which attempt %d asks", why, l.attempt+1)
	err := s.note(ctx, tx, e, ", job_id = null, next_attempt_at = now() + $9::bigint * interval '1 microsecond', ends_as = $10, ends_why = $11",
		backoffFor(l.definition.Retry, 0).Microseconds(), string(as), why)
	s.wakeKeeper()
	return err
}

// isHalf tells that a part of the run is visible already: another database, or all but the names
// of its files. Whatever Retry says, it is to be completed.
func isHalf(cause error) bool {
	half, ok := errors.AsType[*pipeline.CommitError](cause)
	return ok && len(half.Committed) > 0
}

func failedReason(retry pipeline.Retry, failures int, cause error) string {
	switch {
	case retry.MaxAttempts <= 1:
		return "failed"
	case failures < retry.MaxAttempts && pipeline.IsPermanent(cause):
		return fmt.Sprintf("failed: the error is permanent, another attempt (of %d) would not help", retry.MaxAttempts)
	}
	return fmt.Sprintf("failed %d times, the most that is allowed", failures)
}
