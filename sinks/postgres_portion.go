package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// portionSize is the size in bytes at which a portion is loaded.
const portionSize = 1 << 20

// portion is what is loaded under one savepoint where the run allows rejects.
type portion[T any] struct {
	budget  int
	tuples  []byte
	ends    []int // of each tuple
	records []*T  // of each tuple, in batches
	batches [][]T
}

// enough tells whether so many rejects break any budget, so that looking for more
// is in vain.
func (p *portion[T]) enough(rejects int) bool { return p.budget >= 0 && rejects > p.budget }

// addPortion encodes a batch and loads when there is enough. A record that cannot be
// encoded is rejected at once.
func (l *pgLoad[T]) addPortion(ctx context.Context, batch []T) error {
	p := l.portion
	p.batches = append(p.batches, batch)
	for i := range batch {
		tuples, err := l.append(p.tuples, &batch[i])
		if err != nil {
			if err = l.in.Reject(&batch[i], l.refusedRecord(err, &batch[i])); err != nil {
				return err
			}
			continue
		}
		p.tuples = tuples
		p.ends = append(p.ends, len(tuples))
		p.records = append(p.records, &batch[i])
		if len(p.tuples) >= portionSize {
			if err := l.flush(ctx, len(p.batches)-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush loads the portion and gives back the first used batches. Rejects are passed
// on only after the turn was given up: who reads them may be waiting for it.
func (l *pgLoad[T]) flush(ctx context.Context, used int) error {
	p := l.portion
	if len(p.ends) > 0 {
		l.in.AddBytes(int64(len(p.tuples)))
		turn, err := l.unit.Acquire(ctx)
		if err != nil {
			return err
		}
		rejects, err := l.loadPortion(ctx, turn)
		turn.Release()
		if err != nil {
			return err
		}
		if err := l.rejectAll(rejects); err != nil {
			return err
		}
	}
	for _, b := range p.batches[:used] {
		l.in.Recycle(b)
	}
	p.batches = slices.Delete(p.batches, 0, used)
	clear(p.records)
	p.tuples, p.ends, p.records = p.tuples[:0], p.ends[:0], p.records[:0]
	if cap(p.tuples) > 2*portionSize {
		p.tuples = nil
	}
	return nil
}

// mostAsked is for how many refused rows of a run the server is asked in which column it is: it says so for the text of a
// COPY, and not for a parameter.
const mostAsked = 1000

// loadPortion loads the portion's rows, and returns those that the server refuses as rejects.
func (l *pgLoad[T]) loadPortion(ctx context.Context, turn *pgunit.Turn) (rejects []refusal[T], err error) {
	p := l.portion
	start := func(i int) int {
		if i == 0 {
			return 0
		}
		return p.ends[i-1]
	}
	s := sifter{rows: len(p.ends), enough: func() bool { return p.enough(len(rejects)) }}
	s.load = func(from, to int) error {
		return turn.Load(ctx, l.copyTo, p.tuples[start(from):p.ends[to-1]], int64(to-from))
	}
	s.each = func(from, to int) (int, error) {
		refusals, err := turn.Each(ctx, l.insertRow, l.types, l.copyTo.Format, to-from, func(i int) [][]byte {
			return l.copyTo.Format.Fields(p.tuples[start(from+i):p.ends[from+i]])
		})
		if err != nil {
			return 0, err
		}
		for i, refused := range refusals {
			if isKept(refused) {
				refusals[i] = l.keptOut(1, 1)
				continue
			}
			if refused == nil || l.copyTo.Format != pgcodec.Text || l.asked >= mostAsked {
				continue
			}
			l.asked++
			if again := s.load(from+i, from+i+1); again == nil || isRowProblem(again) {
				refusals[i] = again
			}
		}
		return l.keep(refusals, &rejects, func(i int, r *refusal[T]) {
			r.record = p.records[from+i]
			if r.Value == "" {
				r.Value = show(r.record)
			}
		})
	}
	if err = s.run(); err != nil && ctx.Err() == nil {
		err = fmt.Errorf("table %q: %w", l.label, err)
	}
	return rejects, err
}

// refusal is a reject that is passed on when the turn is over.
type refusal[T any] struct {
	pipeline.Reject
	record *T // nil where only the server has it still
}

// keep makes rejects of refusals; tell adds what is known of a row. A refusal that is not about the row ends the run.
func (l *pgLoad[T]) keep(refusals []error, rejects *[]refusal[T], tell func(i int, r *refusal[T])) (refused int, _ error) {
	for i, err := range refusals {
		if err == nil {
			continue
		}
		if !isRowProblem(err) {
			return refused, err
		}
		refused++
		r := refusal[T]{Reject: l.refusedRow(err)}
		tell(i, &r)
		*rejects = append(*rejects, r)
	}
	return refused, nil
}

func (l *pgLoad[T]) rejectAll(rejects []refusal[T]) error {
	for _, r := range rejects {
		if err := l.in.Reject(r.record, r.Reject); err != nil {
			return err
		}
	}
	return nil
}

// place is what rejects and errors begin with.
func (l *pgLoad[T]) place() string { return fmt.Sprintf("table %q", l.label) }

// refusedRecord is the reject for a record that cannot be encoded.
func (l *pgLoad[T]) refusedRecord(err error, record *T) pipeline.Reject {
	reject := pipeline.Reject{Source: l.place()}
	var value *pgcodec.ValueError
	var null *nullKeyError
	switch {
	case errors.As(err, &value):
		reject.Column, reject.Value, reject.Reason = value.Column, value.Value, value.Reason
		if plain, err := strconv.Unquote(value.Value); err == nil {
			reject.Value = plain
		}
		if value.Null {
			reject.Reason = "is null, and " + reject.Reason
		}
		if value.Err != nil {
			reject.Reason += ": " + value.Err.Error()
		}
	case errors.As(err, &null):
		reject.Column, reject.Reason = null.column, nullKeyReason
	default:
		reject.Reason = err.Error()
		reject.Value = show(record)
	}
	return reject
}

// refusedRow is the reject for a row that the server refused. The detail is left out
// of the reason where it only repeats the row, so that equal reasons count as one.
func (l *pgLoad[T]) refusedRow(err error) pipeline.Reject {
	reject := pipeline.Reject{Source: l.place(), Reason: err.Error()}
	var kept *pgunit.KeptError
	if errors.As(err, &kept) {
		reject.Reason = kept.Reason()
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		reject.Column, reject.Value = pgcatalog.Place(refused)
		reject.Reason = refused.Message
		if refused.Detail != "" && !strings.HasPrefix(refused.Code, "23") {
			reject.Reason += ": " + refused.Detail
		}
	}
	return reject
}

// show writes a record for somebody who is to find it again.
func show(record any) string {
	document, err := json.Marshal(record)
	if err != nil {
		document = fmt.Appendf(nil, "%+v", record)
	}
	return string(document)
}
