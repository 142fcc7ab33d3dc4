package sinks

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// PostgresState keeps the ledger of commits and the cursors of incremental sources in
// a schema of a database. It is a [pipeline.State].
//
// On the pool that the sinks write to, the ledger's row and the cursors are part of
// their transaction. The tables are made when they are first needed: commits
// (one row for each committed run), cursors, attempts, and ledger_versions.
//
// Databases on other pools commit before this one, each with a row of its own in a
// table commits there. A crash between the two is repaired by the next
// attempt, which finds what is committed and leaves it alone: its sinks there read
// and drop their input. It is not prevented: until then one database has the run's
// rows and the other has not.
type PostgresState struct {
	Pool *pgxpool.Pool

	// Schema defaults to "millrace".
	Schema string
}

// Ledger tells where the ledger is.
func (s PostgresState) Ledger() (pool *pgxpool.Pool, schema string) { return s.Pool, s.Schema }

func (s PostgresState) ledger() pgunit.Ledger {
	return pgunit.Ledger{Pool: s.Pool, Schema: s.Schema}
}

// Claims tells the runner that the ledger's transaction is that of the sinks on its pool.
func (s PostgresState) Claims() []pipeline.Claim { return poolClaim(s.Pool) }

// Begin implements [pipeline.State].
func (s PostgresState) Begin(ctx context.Context, run pipeline.Run, sources []string) (pipeline.Recovered, error) {
	return s.ledger().Begin(ctx, run, sources)
}

// Fix implements [pipeline.State].
func (s PostgresState) Fix(ctx context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	return s.ledger().Fix(ctx, run, ranges)
}

// Commit implements [pipeline.State].
func (s PostgresState) Commit(ctx context.Context, run pipeline.Run, commit pipeline.Commit) error {
	return s.ledger().Commit(ctx, run, commit)
}
