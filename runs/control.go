package runs

import (
	"context"
	"errors"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/ends"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// Cancel ends a run: at once if it waits, and soon if it is running, by whatever replica.
// A run whose commit has begun may still succeed; one that waits and may be committed in another database
// ends when the next attempt has asked there. Cancelling one that is being cancelled does nothing.
//
// Errors: [ErrNotFound] an unknown run; [ErrConflict] one that has ended, or is committed.
func (s *Service) Cancel(ctx context.Context, id, by string) (Record, error) {
	if err := errors.Join(checkID(id), checkBy(by)); err != nil {
		return Record{}, firstOf(err)
	}
	var ended *life.Ended
	err := tables.InTx(ctx, s.db.Pool, func(tx pgx.Tx) (err error) {
		ended, err = s.cancel(ctx, tx, id, by)
		return err
	})
	if err != nil {
		return Record{}, trouble("cancel", err)
	}
	if ended != nil {
		s.ends.Follow(*ended)
	}
	return s.Get(ctx, id)
}

// cancel returns the end, if that is one.
func (s *Service) cancel(ctx context.Context, tx pgx.Tx, id, by string) (*life.Ended, error) {
	r, err := s.lock(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case r.State.Ended():
		return nil, conflict("run %s has ended (%s): it cannot be cancelled", id, r.State)
	case r.Committed:
		return nil, conflict("run %s is committed: it cannot be cancelled, what is left to do is completed", id)
	case r.State == life.Running:
		return nil, s.moves.WantCancelled(ctx, tx, id, by, "is being cancelled"+life.ByWhom(by))
	case r.Elsewhere:
		v := life.Verdict{As: life.Cancelled, Why: "cancelled" + life.ByWhom(by)}
		err := s.moves.Doom(ctx, tx, id, v, "is being cancelled"+life.ByWhom(by)+", unless it is committed, which the next attempt asks")
		if err != nil || r.Job != nil {
			return nil, err
		}
		return nil, s.queue.Dispatch(ctx, tx, id, r.Pipeline)
	}
	if err := s.queue.CancelJob(ctx, tx, r.Job); err != nil {
		return nil, err
	}
	if err := s.moves.End(ctx, tx, life.Cancelled, life.Result{
		Run: id, Reason: "cancelled" + life.ByWhom(by) + " before it began",
	}); err != nil {
		return nil, err
	}
	return &life.Ended{Run: id, Pipeline: r.Pipeline, State: life.Cancelled}, s.queue.Admit(ctx, tx, r.Pipeline)
}

// lock locks a run; the error is the caller's mistake if there is none.
func (s *Service) lock(ctx context.Context, tx pgx.Tx, id string) (life.Row, error) {
	r, err := s.moves.Lock(ctx, tx, id)
	if tables.IsNoRows(err) {
		err = notFound("there is no run %s", shown(id))
	}
	return r, err
}

// Retry begins a run again that failed or was cancelled: the same run, as its next attempt.
//
// Errors: [ErrNotFound] an unknown run; [ErrConflict] one that succeeded or has not ended.
func (s *Service) Retry(ctx context.Context, id, by string) (Record, error) {
	if err := errors.Join(checkID(id), checkBy(by)); err != nil {
		return Record{}, firstOf(err)
	}
	var name string
	err := tables.InTx(ctx, s.db.Pool, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, id)
		name = r.Pipeline
		switch {
		case err != nil:
			return err
		case r.State == life.Succeeded:
			return conflict("run %s has succeeded: trigger a new one", id)
		case !r.State.Ended():
			return conflict("run %s has not ended (%s): it cannot be retried", id, r.State)
		}
		if err := s.moves.Requeue(ctx, tx, id, "retried"+life.ByWhom(by)); err != nil {
			return err
		}
		return s.queue.Admit(ctx, tx, r.Pipeline)
	})
	if err != nil {
		return Record{}, trouble("retry", err)
	}
	s.queue.Nudge(name)
	return s.Get(ctx, id)
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
	_, err = s.db.Pool.Exec(ctx, s.db.Of("update {pipelines} set paused = $2, paused_by = $3 where name = $1 and paused <> $2"),
		name, paused, by)
	if err == nil {
		s.wakeKeeper()
	}
	return trouble("pause", err)
}

// Prune removes runs that have ended, with all that belongs to them, and returns how many. It
// works in small transactions: what was removed stays removed when ctx ends. The ledger forgets a run
// [KeepCommits] after its end, or with the run if that is later; what it says of data in other databases stays.
func (s *Service) Prune(ctx context.Context, p Prune) (removed int64, err error) {
	if p.Keep < 0 {
		return 0, invalid("keep", "keep is %d: it cannot be negative", p.Keep)
	}
	removed, err = ends.Prune(ctx, s.db, p.OlderThan, p.Keep, s.config.Registry.Names())
	return removed, trouble("prune", err)
}

// maxBy is the most bytes that the name of who does something may have.
const maxBy = 200

func checkBy(by string) error {
	if len(by) > maxBy || !plainText(by) {
		return invalid("by", "who does it must be UTF-8 text of at most %d bytes, without control characters and such as turn or hide "+
			"their neighbours", maxBy)
	}
	return nil
}

// plainText tells whether s is text of one line that shows as what it is: no control characters, nothing that changes
// the direction of what stands beside it (U+202E), and nothing invisible but the two joiners that some scripts need.
func plainText(s string) bool {
	for _, r := range s {
		if !unicode.IsGraphic(r) && r != '\u200c' && r != '\u200d' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// The years between which logical dates are taken for real.
const firstYear, lastYear = 1900, 9999

func checkDate(field string, t time.Time) error {
	if y := t.UTC().Year(); y < firstYear || y > lastYear {
		return invalid(field, "%s: the year %d is not between %d and %d", field, y, firstYear, lastYear)
	}
	return nil
}

// Trigger puts a run into the queue. It begins at once if its pipeline has a free place and a
// replica a free worker; Record.Reason tells what it waits for otherwise.
//
// Errors: [ErrNotFound] an unknown pipeline; [ErrInvalid] wrong params or date.
func (s *Service) Trigger(ctx context.Context, name string, t Trigger) (Record, error) {
	d, err := s.find(name)
	if err != nil {
		return Record{}, err
	}
	if err := checkBy(t.By); err != nil {
		return Record{}, err
	}
	values, err := d.values(t.Params)
	if err != nil {
		return Record{}, err
	}
	if t.LogicalDate.IsZero() {
		t.LogicalDate = s.config.now()
	}
	if err := checkDate("logical_date", t.LogicalDate); err != nil {
		return Record{}, err
	}
	run := life.New{ID: s.queue.NewID(), Pipeline: name, Date: t.LogicalDate.UTC(), Params: values, Cause: string(CauseTrigger), By: t.By}
	if err := s.queue.EnqueueAlone(ctx, run); err != nil {
		return Record{}, trouble("trigger", err)
	}
	s.queue.Nudge(name)
	found, err := s.records(ctx, " where r.id = $1", run.ID)
	if err != nil || len(found) == 0 { // pruned already
		return Record{ID: run.ID, Pipeline: name}, err
	}
	return found[0], nil
}

// Backfill puts a run for each logical date into the queue, the earliest first, all or none.
//
// Errors: [ErrNotFound] an unknown pipeline; [ErrInvalid] wrong params, a range that is
// the wrong way round, without a date, or with more than [MaxBackfill].
func (s *Service) Backfill(ctx context.Context, name string, b Backfill) (BackfillInfo, error) {
	d, err := s.find(name)
	if err != nil {
		return BackfillInfo{}, err
	}
	if err := checkBy(b.By); err != nil {
		return BackfillInfo{}, err
	}
	values, err := d.values(b.Params)
	if err != nil {
		return BackfillInfo{}, err
	}
	dates, err := d.dates(b.From, b.To)
	if err != nil {
		return BackfillInfo{}, err
	}
	if b.Parallel < 0 {
		return BackfillInfo{}, invalid("parallel", "parallel is %d: it cannot be negative", b.Parallel)
	}
	b.Parallel = max(b.Parallel, 1)
	id := s.queue.NewID()
	var all []life.New
	var made []string
	for _, date := range dates {
		run := life.New{ID: s.queue.NewID(), Pipeline: name, Date: date, Params: values, Cause: string(CauseBackfill), By: b.By, Backfill: &id}
		all, made = append(all, run), append(made, run.ID)
	}
	err = tables.InTx(ctx, s.db.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, s.db.Of("insert into {backfills} (id, pipeline, from_date, to_date, parallel, by) values ($1, $2, $3, $4, $5, $6)"),
			id, name, b.From.UTC(), b.To.UTC(), b.Parallel, b.By)
		if err != nil {
			return err
		}
		if err := s.queue.Enqueue(ctx, tx, all); err != nil {
			return err
		}
		return s.queue.Admit(ctx, tx, name)
	})
	if err != nil {
		return BackfillInfo{}, trouble("backfill", err)
	}
	s.queue.Nudge(name)
	info := BackfillInfo{ID: id}
	info.Runs, err = s.records(ctx, " where r.id = any($1) order by r.place", made)
	return info, err
}

// dates returns the logical dates of a range.
func (d *definition) dates(from, to time.Time) (dates []time.Time, err error) {
	if from.IsZero() || to.IsZero() {
		return nil, invalid("from", "a backfill needs from and to")
	}
	for field, t := range map[string]time.Time{"from": from, "to": to} {
		if err := checkDate(field, t); err != nil {
			return nil, err
		}
	}
	from, to = from.UTC(), to.UTC()
	if from.After(to) {
		return nil, invalid("from", "from (%s) is after to (%s)", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	dates, more := d.schedule.Dates(from, to, MaxBackfill)
	if more {
		return nil, invalid("to", "from %s to %s there are more than %d dates: make several backfills",
			from.Format(time.RFC3339), to.Format(time.RFC3339), MaxBackfill)
	}
	if len(dates) == 0 {
		return nil, invalid("to", "there is no date of the pipeline from %s to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return dates, nil
}
