package pgunit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// Migrations are what makes some tables in a schema: file n of migrations/*.sql (from 1) brings them to
// version n. They only ever add.
//
// Not done by a library: goose works through database/sql, tern brings a template
// engine and keeps its version in the public schema, and either would need the
// advisory lock, the search path and the errors about GRANTs that are most of the work.
type Migrations struct {
	Files    fs.FS
	Versions string // the table that holds the versions which were reached
	What     string // what is made, for errors: "the ledger"
}

func (m Migrations) names() []string {
	names, err := fs.Glob(m.Files, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return names // sorted
}

// Latest is the version that the files lead to.
func (m Migrations) Latest() int { return len(m.names()) }

// Apply makes the schema, if it is not there, and runs the files that are missing. The caller holds a
// lock that keeps others from doing so at the same time. The search path is set until the transaction ends.
// Errors that a GRANT would mend name it.
func (m Migrations) Apply(ctx context.Context, tx pgx.Tx, schema string) error {
	return m.missingGrant(schema, tx.Conn().Config(), m.apply(ctx, tx, schema))
}

func (m Migrations) apply(ctx context.Context, tx pgx.Tx, schema string) error {
	var may bool
	err := tx.QueryRow(ctx, "select has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage') from pg_catalog.pg_namespace where nspname = $1", schema).Scan(&may)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // "if not exists" would need the privilege also when it exists
		if _, err := tx.Exec(ctx, "create schema "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return err
		}
	case err != nil:
		return err
	case !may: // the search path would pass it over without a word
		return errNoSchema
	}
	if _, err := tx.Exec(ctx, "select set_config('search_path', $1, true)", pgx.Identifier{schema}.Sanitize()); err != nil {
		return err
	}
	versions := pgx.Identifier{m.Versions}.Sanitize()
	if _, err := tx.Exec(ctx, "create table if not exists "+versions+" (version integer primary key, name text not null, applied_at timestamptz not null default now())"); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRow(ctx, "select coalesce(max(version), 0) from "+versions).Scan(&version); err != nil {
		return err
	}
	for i, name := range m.names() {
		if i < version {
			continue
		}
		sql, err := fs.ReadFile(m.Files, name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("migration %s: %w", path.Base(name), err)
		}
		if _, err := tx.Exec(ctx, "insert into "+versions+" (version, name) values ($1, $2)", i+1, strings.TrimSuffix(path.Base(name), ".sql")); err != nil {
			return err
		}
	}
	return nil
}

var errNoSchema = errors.New("the schema may not be used")

// missingGrant says what the role lacks, when that is why the tables could not be made.
func (m Migrations) missingGrant(schema string, config *pgx.ConnConfig, err error) error {
	role := pgx.Identifier{config.User}.Sanitize()
	where := fmt.Sprintf("%s cannot be made in schema %q of database %q", m.What, schema, config.Database)
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, errNoSchema):
		return pipeline.Permanent(fmt.Errorf("%s: somebody who may must run: GRANT USAGE, CREATE ON SCHEMA %s TO %s", where, pgx.Identifier{schema}.Sanitize(), role))
	case errors.As(err, &refused) && refused.Code == "42501":
		return pipeline.Permanent(fmt.Errorf("%s: somebody who may must run: GRANT CREATE ON DATABASE %s TO %s: %w", where, pgx.Identifier{config.Database}.Sanitize(), role, &pgcatalog.ServerError{Err: refused}))
	}
	return err
}
