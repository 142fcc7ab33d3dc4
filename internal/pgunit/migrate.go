package pgunit

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

//go:embed migrations/*.sql
var ledgerFiles embed.FS

var ledgerMigrations = Migrations{Files: ledgerFiles, Versions: "ledger_versions", What: "the ledger"}

// LedgerVersion is the version that this code reads and writes.
func LedgerVersion() int { return ledgerMigrations.Latest() }

// ledgerTables are those that a run reads and writes.
var ledgerTables = []string{"attempts", "commits", "cursors"}

// shortName is how many bytes a name may have that no server cuts, whatever its encoding.
const shortName = 31

// ensure makes the ledger or brings it up to date. Any number of processes may call
// it at once.
func (l Ledger) ensure(ctx context.Context, conn *pgx.Conn) error {
	if len(l.schema()) > shortName {
		if err := pgcatalog.CheckNames(ctx, conn, l.schema()); err != nil {
			return fmt.Errorf("the ledger's schema: %w", err)
		}
	}
	ready, err := l.ready(ctx, conn)
	if err != nil || ready {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var b pgx.Batch
	boundIdling(&b, limits.grace)
	b.Queue("select pg_advisory_xact_lock($1)", l.lockKey())
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	// Another process may have done it while this one waited.
	if ready, err := l.ready(ctx, conn); err != nil || ready {
		return err
	}
	if err := ledgerMigrations.Apply(ctx, tx, l.schema()); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// lockKey is one for each schema's name; advisory locks are the database's own.
func (l Ledger) lockKey() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("millrace ledger " + l.schema())) // never fails
	return int64(h.Sum64())
}

// ready tells whether the ledger is there in the version wanted, and may be used.
func (l Ledger) ready(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var there, usable bool
	err := conn.QueryRow(ctx, `
select true, has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and c.relname = 'ledger_versions'`, l.schema()).Scan(&there, &usable)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !usable {
		return false, l.useGrant(ctx, conn)
	}
	var version int
	if err := conn.QueryRow(ctx, "select coalesce(max(version), 0) from "+l.table("ledger_versions")).Scan(&version); err != nil {
		return false, err
	}
	if want := LedgerVersion(); version > want {
		return false, pipeline.Permanent(fmt.Errorf("the ledger in schema %q has version %d, this program knows up to %d: use a newer version of millrace", l.schema(), version, want))
	} else if version < want {
		return false, nil
	}
	var refused []string
	rows, _ := conn.Query(ctx, `
select c.relname
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and c.relname = any($2)
   and not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update'))`, l.schema(), ledgerTables)
	if refused, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return false, err
	}
	if len(refused) > 0 {
		return false, l.useGrant(ctx, conn)
	}
	return true, nil
}

// useGrant says what the role lacks to use a ledger that is there.
func (l Ledger) useGrant(_ context.Context, conn *pgx.Conn) error {
	schema, role := pgx.Identifier{l.schema()}.Sanitize(), pgx.Identifier{conn.Config().User}.Sanitize()
	return pipeline.Permanent(fmt.Errorf("the role %q may not use the ledger in schema %q: somebody who may must run: GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA %s TO %s",
		conn.Config().User, l.schema(), schema, role, schema, role))
}
