package runs

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
	"github.com/millrace/millrace/runs/internal/tables"
)

// runState is the [pipeline.State] of a durable run: the ledger, and in the same transaction
// the end of the run. The zero value serves only to look at a graph.
type runState struct {
	ledger  pgunit.Ledger
	service *Service
	live    *live
}

// Ledger tells where the ledger is, by which the sinks on that pool know that they share its
// transaction.
func (s *runState) Ledger() (pool *pgxpool.Pool, schema string) {
	return s.ledger.Pool, s.ledger.Schema
}

// Claims tells the runner that the ledger's transaction is that of the sinks on its pool.
func (s *runState) Claims() []pipeline.Claim {
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
func (s *runState) Begin(ctx context.Context, run pipeline.Run, sources []string) (pipeline.Recovered, error) {
	return s.ledger.Begin(ctx, run, sources)
}

// Fix implements [pipeline.State].
func (s *runState) Fix(ctx context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	return s.ledger.Fix(ctx, run, ranges)
}

// Commit implements [pipeline.State]: after the ledger's own fence and row, the run's row is
// locked if it is still this attempt's, and ended, the next run's job and the end of
// this one's job included. The database forgets all of it unless the data commits.
func (s *runState) Commit(ctx context.Context, run pipeline.Run, commit pipeline.Commit) error {
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
		return s.service.commit(ctx, tables.Borrowed(conn), s.live)
	})
}

// commit is what a run does to its own row inside the transaction of its data.
func (s *Service) commit(ctx context.Context, tx pgx.Tx, l *live) error {
	l.committing.Store(true)
	if l.finishes { // it ends after what comes after the commit
		var mine bool
		err := tx.QueryRow(ctx, s.db.Of("select attempt = $2 and worker = $3 and state = 'running' from {runs} where id = $1 for no key update"),
			l.id, l.attempt, s.config.Name).Scan(&mine)
		if err == nil && !mine || tables.IsNoRows(err) {
			return pipeline.ErrFenced
		}
		return err
	}
	report := l.progress()
	report.State, report.EndedAt = pipeline.StateSucceeded, time.Now()
	if err := s.end(ctx, tx, ending{id: l.id, pipeline: l.definition.Name, state: Succeeded, report: &report, rejects: l.rejects, live: l}); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, l.job); err != nil && !tables.IsJobNotFound(err) {
		return fmt.Errorf("the job of the run: %w", err)
	}
	return nil
}
