package pgunit

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/pipeline"
)

// The migrations of the ledger: file n (from 1) brings it to version n. They only
// ever add.
//
// Not done by a library: goose works through database/sql, tern brings a template
// engine and keeps its version in the public schema, and either would need the
// advisory lock, the search path and the errors about GRANTs that are most of this
// file.
//
//go:embed migrations/*.sql
var migrations embed.FS

func migrationFiles() []string {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return names // sorted
}

// LedgerVersion is the version that this code reads and writes.
func LedgerVersion() int { return len(migrationFiles()) }

// ledgerTables are those that a run reads and writes.
var ledgerTables = []string{"attempts", "commits", "cursors"}

// ensure makes the ledger or brings it up to date. Any number of processes may call
// it at once.
func (l Ledger) ensure(ctx context.Context, conn *pgx.Conn) error {
	ready, err := l.ready(ctx, conn)
	if err != nil || ready {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
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
	if err := l.migrate(ctx, tx); err != nil {
		return l.missingGrant(conn.Config(), err)
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

// migrate runs what is missing. Called with the lock held.
func (l Ledger) migrate(ctx context.Context, tx pgx.Tx) error {
	var may bool
	err := tx.QueryRow(ctx, "select has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage') from pg_catalog.pg_namespace where nspname = $1", l.schema()).Scan(&may)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // "if not exists" would need the privilege also when it exists
		if _, err := tx.Exec(ctx, "create schema "+pgx.Identifier{l.schema()}.Sanitize()); err != nil {
			return err
		}
	case err != nil:
		return err
	case !may: // the search path would pass it over without a word
		return errNoSchema
	}
	if _, err := tx.Exec(ctx, "select set_config('search_path', $1, true)", pgx.Identifier{l.schema()}.Sanitize()); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "create table if not exists ledger_versions (version integer primary key, name text not null, applied_at timestamptz not null default now())"); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRow(ctx, "select coalesce(max(version), 0) from ledger_versions").Scan(&version); err != nil {
		return err
	}
	for i, name := range migrationFiles() {
		if i < version {
			continue
		}
		sql, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("ledger migration %s: %w", path.Base(name), err)
		}
		if _, err := tx.Exec(ctx, "insert into ledger_versions (version, name) values ($1, $2)", i+1, strings.TrimSuffix(path.Base(name), ".sql")); err != nil {
			return err
		}
	}
	return nil
}

var errNoSchema = errors.New("the schema may not be used")

// missingGrant says what the role lacks, when that is why the ledger could not be made.
func (l Ledger) missingGrant(config *pgx.ConnConfig, err error) error {
	role := pgx.Identifier{config.User}.Sanitize()
	where := fmt.Sprintf("the ledger cannot be made in schema %q of database %q", l.schema(), config.Database)
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, errNoSchema):
		return pipeline.Permanent(fmt.Errorf("%s: somebody who may must run: GRANT USAGE, CREATE ON SCHEMA %s TO %s", where, pgx.Identifier{l.schema()}.Sanitize(), role))
	case errors.As(err, &refused) && refused.Code == "42501":
		return pipeline.Permanent(fmt.Errorf("%s: somebody who may must run: GRANT CREATE ON DATABASE %s TO %s: %w", where, pgx.Identifier{config.Database}.Sanitize(), role, &ServerError{Err: refused}))
	}
	return err
}

// useGrant says what the role lacks to use a ledger that is there.
func (l Ledger) useGrant(_ context.Context, conn *pgx.Conn) error {
	schema, role := pgx.Identifier{l.schema()}.Sanitize(), pgx.Identifier{conn.Config().User}.Sanitize()
	return pipeline.Permanent(fmt.Errorf("the role %q may not use the ledger in schema %q: somebody who may must run: GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA %s TO %s",
		conn.Config().User, l.schema(), schema, role, schema, role))
}
