package runs

import (
	"context"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// maxBy is the most bytes that the name of who does something may have.
const maxBy = 200

func checkBy(by string) error {
	if len(by) > maxBy || !plainText(by) {
		return invalid("by", "who does it must be UTF-8 text of at most %d bytes, without control characters and such as turn or hide their neighbours", maxBy)
	}
	return nil
}

// plainText tells whether s is text of one line that shows as what it is: no control characters, nothing that changes the
// direction of what stands beside it (U+202E), and nothing invisible but the two joiners that some scripts need.
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
		return nil, invalid("to", "from %s to %s there are more than %d dates: make several backfills", from.Format(time.RFC3339), to.Format(time.RFC3339), MaxBackfill)
	}
	if len(dates) == 0 {
		return nil, invalid("to", "there is no date of the pipeline from %s to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return dates, nil
}
