package sinks

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// Open implements [pipeline.Opener]: before any stage starts, the run waits for its turn among the runs that write to
// the same tables. Append and Upsert share a table; the other modes want it alone, and so does a run that upserts
// into several tables, since two such runs could hold up each other. The wait is bounded by
// [pipeline.Options].Timeout, and told in the log. A table to be made is made here.
func (s Postgres[T]) Open(ctx context.Context) error {
	if s.Pool == nil {
		return nil // Load says so
	}
	var targets []pgunit.Target
	upserts := 0
	for _, w := range writers(ctx, s.Pool) {
		targets = append(targets, w.target(w.record))
		if w.mode == Upsert {
			upserts++
		}
	}
	for i := range targets {
		targets[i].Shared = targets[i].Shared && upserts < 2
	}
	_, err := pgunit.Open(ctx, s.Pool, targets)
	return err
}

// writer is a Postgres sink of the run, whatever its record type.
type writer struct {
	pgTarget
	record reflect.Type
}

// writes tells what the sink writes, for the other sinks of the run.
func (s Postgres[T]) writes() (*pgxpool.Pool, writer, error) {
	t, err := s.target()
	return s.Pool, writer{t, reflect.TypeFor[T]()}, err
}

// writers are the Postgres sinks of the run that ctx belongs to which write to a pool.
func writers(ctx context.Context, pool *pgxpool.Pool) (all []writer) {
	for _, stage := range pipeline.StagesFrom(ctx) {
		s, ok := stage.(interface {
			writes() (*pgxpool.Pool, writer, error)
		})
		if !ok {
			continue
		}
		if on, w, err := s.writes(); err == nil && on == pool {
			all = append(all, w)
		}
	}
	return all
}

// target is what the run's unit is to know of the table.
func (t pgTarget) target(record reflect.Type) pgunit.Target {
	target := pgunit.Target{
		Label: t.label, Table: t.id, LockTimeout: t.lockTimeout, Refused: t.lockProblem,
		Shared: t.mode == Append || t.mode == Upsert,
	}
	switch t.mode {
	case Replace:
		target.Empty = pgunit.Delete
	case Truncate:
		target.Empty = pgunit.Truncate
	case Append, Upsert:
	}
	if t.create {
		target.Create = func(ctx context.Context, conn *pgx.Conn) error { return t.createTable(ctx, conn, record) }
	}
	return target
}
