package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// settle writes how an attempt ended that did not commit its own end, as long as the run is
// still this worker's. It returns the state that the run has got; none if it was not.
func (l *live) settle(ctx context.Context, report *pipeline.Report, cause error) life.State {
	return l.trySettle(ctx, func(ctx context.Context, tx pgx.Tx) (life.State, error) {
		r, err := l.work.runs.LockMine(ctx, tx, l.id, l.hold())
		if err != nil {
			return "", err
		}
		res := life.Result{Run: l.id, Err: cause, Report: report}
		o := l.outcomeOf(r, cause, report)
		res.Reason = o.reason
		return o.state, l.withRejects(ctx, tx, &res, func() error { return l.write(ctx, tx, o, res) })
	})
}

// trySettle writes an end. If the database cannot be reached it tries again until the
// lease is over: from then on the run is the reaper's.
func (l *live) trySettle(ctx context.Context, write func(ctx context.Context, tx pgx.Tx) (life.State, error)) life.State {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.work.Lease)
	defer cancel()
	for {
		var written life.State
		err := tables.InTx(ctx, l.work.control, func(tx pgx.Tx) (err error) {
			written, err = write(ctx, tx)
			return err
		})
		switch {
		case err == nil:
			return written
		case tables.IsNoRows(err): // it has its end, or another worker
			return ""
		}
		l.logger.Warn("the end of the attempt could not be written", "error", err)
		select {
		case <-ctx.Done():
			return ""
		case <-time.After(l.work.Heartbeat / 4):
		}
	}
}

// outcome is what becomes of a run by the end of its attempt.
type outcome struct {
	state   life.State
	reason  string
	again   life.Again    // of a Retrying one
	wait    time.Duration // of a Retrying one
	verdict *life.Verdict // of one that is to ask
}

// outcomeOf decides what becomes of a run that this worker has locked.
func (l *live) outcomeOf(r life.Row, cause error, report *pipeline.Report) outcome {
	retry, next := l.definition.Retry, l.attempt+1
	stopped := isStopped(cause, errShutdown)
	var o outcome
	switch {
	case cause == nil && report != nil && report.AlreadyCommitted:
		return outcome{state: life.Succeeded, reason: "an earlier attempt had committed"}
	case cause == nil:
		return outcome{state: life.Succeeded}
	case stopped && r.CancelBy == nil:
		return l.handedBack()
	case r.Committed || l.committed || isHalf(cause):
		return completed(next, Backoff(retry, r.Losses))
	case r.CancelBy != nil && (isStopped(cause, errCancelled) || stopped):
		o = outcome{state: life.Cancelled, reason: "cancelled" + life.ByWhom(*r.CancelBy)}
	case r.Failures+1 < retry.MaxAttempts && !pipeline.IsPermanent(cause):
		wait := Backoff(retry, r.Failures)
		return outcome{state: life.Retrying, again: life.AfterFailure, wait: wait, reason: fmt.Sprintf(
			"attempt %d failed; attempt %d begins in %v (failure %d of at most %d)",
			l.attempt, next, wait.Round(time.Millisecond), r.Failures+1, retry.MaxAttempts)}
	default:
		o = outcome{state: life.Failed, reason: failedReason(retry, r.Failures+1, cause)}
	}
	if l.unasked {
		v := &life.Verdict{As: o.state, Why: o.reason}
		return outcome{state: life.Retrying, again: life.ToAsk, wait: Backoff(retry, 0), verdict: v,
			reason: fmt.Sprintf("%s, unless it is committed, which attempt %d asks", o.reason, next)}
	}
	return o
}

// handedBack lets another replica begin the next attempt at once.
func (l *live) handedBack() outcome {
	return outcome{state: life.Queued, reason: "handed back: worker " + l.work.Config.Worker + " shuts down"}
}

// completed has a run begun again that is committed, in whole or in part, however often it takes: its data is there,
// and what is left to do (another database, the names of files) is no matter of Retry.
func completed(next int, wait time.Duration) outcome {
	return outcome{state: life.Retrying, again: life.AfterCommit, wait: wait,
		reason: fmt.Sprintf("a part of it is committed; attempt %d completes it", next)}
}

// write makes the move of an outcome.
func (l *live) write(ctx context.Context, tx pgx.Tx, o outcome, res life.Result) error {
	switch o.state {
	case life.Queued:
		res.Err = nil
		if err := l.work.runs.HandBack(ctx, tx, res); err != nil {
			return err
		}
		return l.work.Queue.Dispatch(ctx, tx, l.id, l.definition.Name)
	case life.Retrying:
		return l.work.runs.Retry(ctx, tx, o.again, o.wait, o.verdict, res)
	default:
		return l.work.runs.End(ctx, tx, o.state, res)
	}
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
