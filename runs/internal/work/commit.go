package work

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// state is the [pipeline.State] of a durable run: the ledger, and in the same transaction
// the end of the run. The zero value serves only to look at a graph.
type state struct {
	ledger pgunit.Ledger
	live   *live
}

// Ledger tells where the ledger is, by which the sinks on that pool know that they share its
// transaction.
func (s *state) Ledger() (pool *pgxpool.Pool, schema string) {
	return s.ledger.Pool, s.ledger.Schema
}

// Claims tells the runner that the ledger's transaction is that of the sinks on its pool.
func (s *state) Claims() []pipeline.Claim {
	if s.ledger.Pool == nil {
		return nil
	}
	config := s.ledger.Pool.Config()
	return []pipeline.Claim{{
		Key: s.ledger.Pool, Name: fmt.Sprintf("pool of database %q", config.ConnConfig.Database),
		Capacity: int(config.MaxConns), Need: 1, Shared: true,
	}}
}

// Begin implements [pipeline.State].
func (s *state) Begin(ctx context.Context, run pipeline.Run, sources []string) (pipeline.Recovered, error) {
	return s.ledger.Begin(ctx, run, sources)
}

// Fix implements [pipeline.State].
func (s *state) Fix(ctx context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	return s.ledger.Fix(ctx, run, ranges)
}

// Commit implements [pipeline.State]: after the ledger's own fence and row, the run's row is
// locked if it is still this attempt's, and ended, the next run's job and the end of
// this one's job included. The database forgets all of it unless the data commits.
func (s *state) Commit(ctx context.Context, run pipeline.Run, commit pipeline.Commit) error {
	if err := s.ledger.Commit(ctx, run, commit); err != nil {
		return err
	}
	unit, err := pgunit.Join(ctx, s.ledger.Pool)
	if err != nil {
		return err
	}
	turn, err := unit.Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.Release()
	return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return s.live.commit(ctx, tables.Borrowed(conn))
	})
}

// Blank is a State that serves only to look at a graph.
func Blank() pipeline.State { return &state{} }

// commit is what a run does to its own row inside the transaction of its data.
func (l *live) commit(ctx context.Context, tx pgx.Tx) error {
	l.committing.Store(true)
	if l.finishes { // it ends after what comes after the commit
		mine, err := l.work.runs.LockForCommit(ctx, tx, l.id, l.hold())
		if err == nil && !mine {
			return pipeline.ErrFenced
		}
		return err
	}
	report := l.progress()
	report.State, report.EndedAt = pipeline.StateSucceeded, time.Now()
	mine := l.hold()
	if err := l.end(ctx, tx, life.Succeeded, life.Result{Run: l.id, Report: &report, Mine: &mine}); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, l.job); err != nil && !tables.IsJobNotFound(err) {
		return fmt.Errorf("the job of the run: %w", err)
	}
	return nil
}

// end writes the end of a run that this replica worked, with its rejects.
func (l *live) end(ctx context.Context, tx pgx.Tx, as life.State, res life.Result) error {
	return l.withRejects(ctx, tx, &res, func() error { return l.work.runs.End(ctx, tx, as, res) })
}

// withRejects has a move write the figures of the rejects too, and then keeps the first of them.
func (l *live) withRejects(ctx context.Context, tx pgx.Tx, res *life.Result, move func() error) (err error) {
	if res.Rejects, err = l.rejects.figures(); err != nil {
		return err
	}
	if err := move(); err != nil {
		return err
	}
	return l.rejects.store(ctx, tx, l.work.DB, l.id)
}
