package tables

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgunit"
)

//go:embed migrations/*.sql
var historyFiles embed.FS

// The migrations only ever add, so that an older replica goes on working while the newer ones come up.
var historyMigrations = pgunit.Migrations{Files: historyFiles, Versions: "runs_versions", What: "the history of runs"}

// SchemaVersion is the version of the history that this program reads and writes.
func SchemaVersion() int { return historyMigrations.Latest() }

// Migrate makes the schema, or brings it up to date: the history, River's tables, and the
// ledger. Any number of processes may call it at once. A schema that is newer than this program
// is an error.
func (d *DB) Migrate(ctx context.Context) error {
	conn, err := d.dedicated(ctx)
	if err != nil {
		return fmt.Errorf("runs: migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := d.migrate(ctx, conn); err != nil {
		return fmt.Errorf("runs: migrate schema %q of database %q: %w", d.Schema, conn.Config().Database, err)
	}
	return nil
}

// migrate holds a lock of the session, not of a transaction: River's migrations have their own.
func (d *DB) migrate(ctx context.Context, conn *pgx.Conn) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte("millrace runs " + d.Schema)) // never fails
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(h.Sum64())); err != nil {
		return err
	}
	river, err := d.riverMigrator()
	if err != nil {
		return err
	}
	version, err := d.checkNewer(ctx, conn, river)
	if err != nil {
		return err
	}
	if version < SchemaVersion() {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return historyMigrations.Apply(ctx, tx, d.Schema) })
		if err != nil {
			return err
		}
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("the tables of River: %w", err)
	}
	return pgunit.Ledger{Pool: d.Pool, Schema: d.Schema}.Ensure(ctx)
}

func (d *DB) riverMigrator() (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(d.Pool), &rivermigrate.Config{Schema: d.Schema, Logger: d.RiverLogger()})
}

// checkNewer refuses a schema that is newer than this program, and returns its version.
func (d *DB) checkNewer(ctx context.Context, conn Queryer, river *rivermigrate.Migrator[pgx.Tx]) (version int, err error) {
	version, err = d.version(ctx, conn, "runs_versions")
	if err != nil {
		return 0, err
	}
	if known := SchemaVersion(); version > known {
		return 0, fmt.Errorf("the schema has version %d, this program knows up to %d: use a newer version of millrace", version, known)
	}
	theirs, err := d.version(ctx, conn, "river_migration")
	if err != nil {
		return 0, err
	}
	known := 0
	for _, m := range river.AllVersions() {
		known = max(known, m.Version)
	}
	if theirs > known {
		return 0, fmt.Errorf("the tables of River have version %d, this program knows up to %d: use a newer version of millrace", theirs, known)
	}
	return version, nil
}

// version returns the highest version in a table of versions, 0 if there is no such table.
func (d *DB) version(ctx context.Context, conn Queryer, table string) (version int, err error) {
	var there bool
	name := pgx.Identifier{d.Schema, table}.Sanitize()
	if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", name).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = conn.QueryRow(ctx, "select coalesce(max(version), 0) from "+name).Scan(&version)
	return version, err
}

// errNotMigrated is for a schema that is missing or older than this program.
var errNotMigrated = errors.New("call Migrate first")

// Ready tells whether runs can be worked: nil if the database answers and its
// schema is that of this program.
func (d *DB) Ready(ctx context.Context) error {
	river, err := d.riverMigrator()
	if err != nil {
		return err
	}
	version, err := d.checkNewer(ctx, d.Pool, river)
	if err != nil {
		return fmt.Errorf("runs: schema %q: %w", d.Schema, err)
	}
	if version < SchemaVersion() {
		return fmt.Errorf("runs: schema %q has version %d, this program needs %d: %w", d.Schema, version, SchemaVersion(), errNotMigrated)
	}
	return nil
}

// dedicated opens a connection like those of the pool, outside of it.
func (d *DB) dedicated(ctx context.Context) (*pgx.Conn, error) {
	config := d.Pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, pgcatalog.ConnectProblem(ctx, d.Pool, err)
	}
	return conn, nil
}
