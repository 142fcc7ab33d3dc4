package life

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/pipeline"
)

// Result is what is known when an attempt ends, or a run that had none. The run's row is locked already, or guarded by
// Mine.
type Result struct {
	Run     string
	Reason  string
	Err     error
	Report  *pipeline.Report // nil: that of before stays
	Rejects *Rejects         // nil: those of before stay
	Mine    *Hold            // if set, the error is [pipeline.ErrFenced] if the run is somebody else's by now
}

// Rejects are the figures of what an attempt has set aside.
type Rejects struct {
	Total   int64
	Reasons []byte // JSON: how often each was given
}

// maxError is how many bytes of an error are kept.
const maxError = 8192

// End ends a run, which gives back its place. Whoever calls it lets the place be handed on after the commit.
func (r Runs) End(ctx context.Context, tx pgx.Tx, as State, res Result) error {
	// Not now(): the transaction may be that of the data, which began with the run.
	return r.move(ctx, tx, as, res, `active = false, job_id = null, ended_at = clock_timestamp(), next_attempt_at = null,
           elsewhere = false, ends_as = null, ends_why = ''`)
}

// HandBack lets a run go that its worker cannot finish. It is to be given a job in the same transaction.
func (r Runs) HandBack(ctx context.Context, tx pgx.Tx, res Result) error {
	return r.move(ctx, tx, Queued, res, "losses = 0")
}

// Lose takes a run from a worker that died. It is to be given a job in the same transaction. With a verdict the next
// attempt only asks.
func (r Runs) Lose(ctx context.Context, tx pgx.Tx, v *Verdict, res Result) error {
	as, why := "", ""
	if v != nil {
		as, why = string(v.As), v.Why
	}
	return r.move(ctx, tx, Lost, res, `losses = losses + 1, ends_as = coalesce(ends_as, nullif($9, '')),
           ends_why = case when ends_as is null then $10 else ends_why end`, as, why)
}

// Again says why a run is begun again after a wait, and so what is counted.
type Again string

// The reasons.
const (
	AfterFailure Again = "failures = failures + 1, losses = 0"
	AfterCommit  Again = "losses = losses + 1, ends_as = null, ends_why = ''" // something of it is committed
	AfterAsking  Again = "losses = losses + 1"                                // it could not be asked about
	ToAsk        Again = "failures = failures"                                // by a verdict
)

// Retry has a run begun again after a wait. The verdict is for [ToAsk] only.
func (r Runs) Retry(ctx context.Context, tx pgx.Tx, again Again, wait time.Duration, v *Verdict, res Result) error {
	assignments := string(again) + ", job_id = null, next_attempt_at = now() + $9::bigint * interval '1 microsecond'"
	if v == nil {
		return r.move(ctx, tx, Retrying, res, assignments, wait.Microseconds())
	}
	return r.move(ctx, tx, Retrying, res, assignments+", ends_as = $10, ends_why = $11", wait.Microseconds(), string(v.As), v.Why)
}

// move writes what is known at the end of an attempt into the run's row and that of the attempt. assignments are added
// to those of the run's row; their arguments begin with $9.
func (r Runs) move(ctx context.Context, tx pgx.Tx, to State, res Result, assignments string, args ...any) error {
	report, err := Document(res.Report)
	if err != nil {
		return err
	}
	message, rejects := "", Rejects{Reasons: []byte("{}")}
	if res.Err != nil {
		message = cleantext.Short(res.Err.Error(), maxError)
	}
	if res.Rejects != nil {
		rejects = *res.Rejects
	}
	all := append([]any{
		res.Run, string(to), res.Reason, message, report, rejects.Total, string(rejects.Reasons), res.Rejects != nil,
	}, args...)
	guard := ""
	if res.Mine != nil {
		guard = fmt.Sprintf(" and state = 'running' and attempt = $%d and worker = $%d", len(all)+1, len(all)+2)
		all = append(all, res.Mine.Attempt, res.Mine.Worker)
	}
	tag, err := tx.Exec(ctx, r.DB.Of(`
with run as (
    update {runs}
       set state = $2, reason = $3, version = version + 1, lease_until = null, cancel_by = null,
           error = case when $4 = '' and $2 <> 'succeeded' then error else $4 end,
           report = coalesce($5::text::json, report),
           rejects = case when $8 then $6 else rejects end,
           reject_reasons = case when $8 then $7::text::jsonb else reject_reasons end,
           `+assignments+`
     where id = $1`+guard+`
    returning id, attempt)
update {run_attempts} a
   set state = case when $2 = 'retrying' then 'failed' else $2 end, reason = $3, error = $4, ended_at = clock_timestamp()
  from run
 where a.run_id = run.id and a.attempt = run.attempt and a.state = 'running'`), all...)
	if err == nil && res.Mine != nil && tag.RowsAffected() == 0 {
		return pipeline.ErrFenced
	}
	return err
}

// Document is a report as it is kept; nil for none.
func Document(r *pipeline.Report) (*string, error) {
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

// Ended is an end as it was written: of an attempt, or of a run that had none.
type Ended struct {
	Run, Pipeline string
	State         State            // which the run has got by it
	Report        *pipeline.Report // nil if whoever wrote it did not work the attempt
}

// ByWhom is " by " and a name; nothing for none.
func ByWhom(by string) string {
	if by == "" {
		return ""
	}
	return " by " + by
}
