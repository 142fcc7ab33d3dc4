package runs

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tables are what a {name} in a statement can stand for.
var tables = []string{
	"settings", "pipelines", "backfills", "runs", "run_attempts", "run_progress", "run_logs", "run_rejects", "run_places",
	"give_places", "runs_versions", "river_job", "river_migration", "commits", "attempts", "pruned_runs",
}

// statements writes statements for one schema: {runs} becomes "millrace"."runs". Not done
// by a search path: the connections are the caller's.
type statements struct{ replacer *strings.Replacer }

func statementsFor(schema string) statements {
	var pairs []string
	for _, t := range tables {
		pairs = append(pairs, "{"+t+"}", pgx.Identifier{schema, t}.Sanitize())
	}
	return statements{strings.NewReplacer(pairs...)}
}

func (s statements) of(sql string) string { return s.replacer.Replace(sql) }

// queryer is a pool, a connection or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// idleLimit is how many milliseconds a transaction of ours may wait for us before the server ends it: a process that is
// stopped within one (SIGSTOP, a suspended machine) would hold its locks for as long as it sleeps, and others wait for
// them: whoever cancels, retries or triggers, and a replica that starts.
const idleLimit = "5000"

// inTx runs f in a transaction, read committed whatever the database's default is: the locks
// here are made for that.
func inTx(ctx context.Context, pool *pgxpool.Pool, f func(tx pgx.Tx) error) error {
	begin := "begin isolation level read committed read write; set local idle_in_transaction_session_timeout = " + idleLimit
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{BeginQuery: begin}, f)
}

// connection only gives the embedded field below a name other than that of a method.
type connection = pgx.Conn

// borrowedTx is a transaction that somebody else began on a connection and will end: the
// data's, for those that want a pgx.Tx.
type borrowedTx struct{ *connection }

var errBorrowed = errors.New("this transaction is borrowed: its owner ends it")

// Begin is refused: a savepoint is not needed here.
func (borrowedTx) Begin(context.Context) (pgx.Tx, error) { return nil, errBorrowed }

// Commit is refused.
func (borrowedTx) Commit(context.Context) error { return errBorrowed }

// Rollback is refused.
func (borrowedTx) Rollback(context.Context) error { return errBorrowed }

// LargeObjects is not to be used.
func (borrowedTx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Conn returns the connection.
func (b borrowedTx) Conn() *pgx.Conn { return b.connection }
