package runs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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
func (s *Service) Migrate(ctx context.Context) error {
	conn, err := dedicated(ctx, s.pool)
	if err != nil {
		return fmt.Errorf("runs: migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := s.migrate(ctx, conn); err != nil {
		return fmt.Errorf("runs: migrate schema %q of database %q: %w", s.config.Schema, conn.Config().Database, err)
	}
	return nil
}

// migrate holds a lock of the session, not of a transaction: River's migrations have their own.
func (s *Service) migrate(ctx context.Context, conn *pgx.Conn) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte("millrace runs " + s.config.Schema)) // never fails
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(h.Sum64())); err != nil {
		return err
	}
	river, err := s.riverMigrator()
	if err != nil {
		return err
	}
	version, err := s.checkNewer(ctx, conn, river)
	if err != nil {
		return err
	}
	if version < SchemaVersion() {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return historyMigrations.Apply(ctx, tx, s.config.Schema) })
		if err != nil {
			return err
		}
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("the tables of River: %w", err)
	}
	return pgunit.Ledger{Pool: s.pool, Schema: s.config.Schema}.Ensure(ctx)
}

func (s *Service) riverMigrator() (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(s.pool), &rivermigrate.Config{Schema: s.config.Schema, Logger: s.riverLogger()})
}

// checkNewer refuses a schema that is newer than this program, and returns its version.
func (s *Service) checkNewer(ctx context.Context, conn queryer, river *rivermigrate.Migrator[pgx.Tx]) (version int, err error) {
	version, err = s.version(ctx, conn, "runs_versions")
	if err != nil {
		return 0, err
	}
	if known := SchemaVersion(); version > known {
		return 0, fmt.Errorf("the schema has version %d, this program knows up to %d: use a newer version of millrace", version, known)
	}
	theirs, err := s.version(ctx, conn, "river_migration")
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
func (s *Service) version(ctx context.Context, conn queryer, table string) (version int, err error) {
	var there bool
	name := pgx.Identifier{s.config.Schema, table}.Sanitize()
	if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", name).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = conn.QueryRow(ctx, "select coalesce(max(version), 0) from "+name).Scan(&version)
	return version, err
}

// errNotMigrated is for a schema that is missing or older than this program.
var errNotMigrated = errors.New("call Migrate first")

// Ready tells whether the service can do its work: nil if the database answers and its
// schema is that of this program.
func (s *Service) Ready(ctx context.Context) error {
	river, err := s.riverMigrator()
	if err != nil {
		return err
	}
	version, err := s.checkNewer(ctx, s.pool, river)
	if err != nil {
		return fmt.Errorf("runs: schema %q: %w", s.config.Schema, err)
	}
	if version < SchemaVersion() {
		return fmt.Errorf("runs: schema %q has version %d, this program needs %d: %w", s.config.Schema, version, SchemaVersion(), errNotMigrated)
	}
	return nil
}

// dedicated opens a connection like those of the pool, outside of it.
func dedicated(ctx context.Context, pool *pgxpool.Pool) (*pgx.Conn, error) {
	config := pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, pgcatalog.ConnectProblem(ctx, pool, err)
	}
	return conn, nil
}

// register tells the database of the definitions.
func (s *Service) register(ctx context.Context) error {
	return inTx(ctx, s.pool, func(tx pgx.Tx) error {
		for _, name := range slices.Sorted(mapsKeys(s.definitions)) { // one order for all replicas: no deadlock
			d := s.definitions[name]
			// A new cron line begins anew; the same one goes on where it was.
			_, err := tx.Exec(ctx, s.sql.of(`
insert into {pipelines} as p (name, description, schedule, max_active, next_due) values ($1, $2, $3, $4, $5)
on conflict (name) do update
   set description = $2, schedule = $3, max_active = $4, registered_at = now(),
       next_due = case when p.schedule = $3 then coalesce(p.next_due, $5) else $5 end`),
				name, d.Description, d.Schedule, d.MaxActive, d.next(s.config.now()))
			if err != nil {
				return err
			}
			// There may be more places than there were.
			if err := s.admit(ctx, tx, name); err != nil {
				return err
			}
		}
		return nil
	})
}
