package sinks

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// A row trigger BEFORE INSERT or UPDATE that answers NULL keeps its row out, and the server calls that a success. Only the
// number of rows in its answer tells. A COPY's is the number that it took. A merge's is that too, and how many it should be
// is counted, which costs a pass over the records: only where the table has such triggers. Where rows may stay as they
// are (there is nothing to update, or the server's own trigger keeps updates out that would change nothing), the
// number says nothing, and what counts is that each key is there.

func isKept(err error) bool {
	var kept *pgunit.KeptError
	return errors.As(err, &kept)
}

// keepers are the triggers that can keep rows out.
func (l *pgLoad[T]) keepers() (names []string) {
	for _, t := range l.before {
		if !t.Redundant && (t.Insert || l.mode == Upsert && l.staging.updates) {
			names = append(names, strconv.Quote(t.Name))
		}
	}
	return names
}

func (l *pgLoad[T]) keptOut(rows, sent int64) error {
	return pipeline.Permanent(&pgunit.KeptError{Rows: rows, Sent: sent, Triggers: l.keepers()})
}

// mayStay tells whether a merge can leave rows as they are without losing any.
func (l *pgLoad[T]) mayStay() bool {
	return !l.staging.updates || slices.ContainsFunc(l.before, func(t pgcatalog.Trigger) bool { return t.Redundant && t.Update })
}

// mergeFrom runs a merge, and holds what it did against the newest records that it was to move.
func (l *pgLoad[T]) mergeFrom(ctx context.Context, conn *pgx.Conn, merge, newest string, args ...any) error {
	tag, err := conn.Exec(ctx, merge, args...)
	if err != nil || len(l.keepers()) == 0 {
		return err
	}
	var sent, absent int64
	count := "select count(*), 0 from " + newest
	if l.mayStay() {
		count = "select count(*), count(*) filter (where " + l.staging.absent + ") from " + newest
	}
	if err := conn.QueryRow(ctx, count, args...).Scan(&sent, &absent); err != nil {
		return err
	}
	if !l.mayStay() {
		absent = sent - tag.RowsAffected()
	}
	if absent <= 0 {
		return nil
	}
	return l.keptOut(absent, sent)
}

// checkKept looks at the records after the number given that a merge one by one has not touched, and takes those for
// refused that are lost.
func (l *pgLoad[T]) checkKept(ctx context.Context, turn *pgunit.Turn, newest pgx.Identifier, after int, refusals []error) error {
	var numbers []int64
	for i, err := range refusals {
		if isKept(err) {
			refusals[i] = nil
			numbers = append(numbers, int64(after+i+1))
		}
	}
	if len(numbers) == 0 || len(l.keepers()) == 0 {
		return nil
	}
	return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		ordinal := pgx.Identifier{l.staging.ordinal}.Sanitize()
		lost := "select " + ordinal + " from " + newest.Sanitize() + " as newest where " + ordinal + " = any($1)"
		if l.mayStay() {
			lost += " and " + l.staging.absent
		}
		rows, _ := conn.Query(ctx, lost, numbers)
		var number int64
		_, err := pgx.ForEachRow(rows, []any{&number}, func() error {
			refusals[int(number)-after-1] = l.keptOut(1, 1)
			return nil
		})
		return err
	})
}
