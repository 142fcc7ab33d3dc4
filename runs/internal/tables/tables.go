package tables

import (
	"context"
	"errors"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgunit"
)

// names are what a {name} in a statement can stand for.
var names = []string{
	"settings", "pipelines", "backfills", "runs", "run_attempts", "run_progress", "run_logs", "run_rejects", "run_places",
	"give_places", "runs_versions", "river_job", "river_migration", "commits", "attempts", "pruned_runs",
}

// DB is the tables of one schema. Its methods may be called from several goroutines.
type DB struct {
	Pool   *pgxpool.Pool // the caller's
	Schema string
	Logger hclog.Logger

	replacer *strings.Replacer
}

// New returns the tables of a schema, which need not be there yet.
func New(pool *pgxpool.Pool, schema string, logger hclog.Logger) *DB {
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, "{"+name+"}", pgx.Identifier{schema, name}.Sanitize())
	}
	return &DB{Pool: pool, Schema: schema, Logger: logger, replacer: strings.NewReplacer(pairs...)}
}

// Of writes a statement for the schema: {runs} becomes "millrace"."runs". Not done by a search path: the connections
// are the caller's.
func (d *DB) Of(sql string) string { return d.replacer.Replace(sql) }

// Ledger is the ledger of commits beside the runs. It is there once Migrate was called.
func (d *DB) Ledger() pgunit.Ledger {
	return pgunit.Ledger{Pool: d.Pool, Schema: d.Schema, Ensured: true}
}

// Queryer is a pool, a connection or a transaction.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// IdleLimit is how many milliseconds a transaction of ours may wait for us before the server ends it: a process that is
// stopped within one (SIGSTOP, a suspended machine) would hold its locks for as long as it sleeps, and others wait for
// them: whoever cancels, retries or triggers, and a replica that starts.
const IdleLimit = "5000"

// InTx runs f in a transaction, read committed whatever the database's default is: the locks
// here are made for that.
func InTx(ctx context.Context, pool *pgxpool.Pool, f func(tx pgx.Tx) error) error {
	begin := "begin isolation level read committed read write; set local idle_in_transaction_session_timeout = " + IdleLimit
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{BeginQuery: begin}, f)
}

// connection only gives the embedded field below a name other than that of a method.
type connection = pgx.Conn

// Borrowed makes a transaction that somebody else began on a connection, and will end, a pgx.Tx.
func Borrowed(conn *pgx.Conn) pgx.Tx { return borrowedTx{conn} }

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

// IsNoRows tells that a query found nothing.
func IsNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
