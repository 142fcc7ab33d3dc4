package sources_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// with returns a pool to the same database whose connections have other parameters.
func with(t *testing.T, pool *pgxpool.Pool, parameters map[string]string) *pgxpool.Pool {
	t.Helper()
	config := pool.Config().Copy()
	for name, value := range parameters {
		config.ConnConfig.RuntimeParams[name] = value
	}
	own, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	return own
}

func TestPostgresDoesNotWaitWithoutEndForALock(t *testing.T) {
	pool := database(t, `CREATE TABLE sales (id bigint) PARTITION BY RANGE (id)`, `CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (0) TO (100)`,
		`CREATE TABLE sales_2 PARTITION OF sales FOR VALUES FROM (100) TO (200)`, `CREATE TABLE sales_3 PARTITION OF sales FOR VALUES FROM (200) TO (300)`,
		`CREATE VIEW recent AS SELECT * FROM sales`, `CREATE TABLE free (id bigint)`)
	impatient := with(t, pool, map[string]string{"lock_timeout": "200"})
	holder := with(t, pool, map[string]string{"application_name": "nightly load"})
	table := sources.Postgres[event]{Pool: impatient, Table: "sales"}
	query := sources.Postgres[event]{Pool: impatient, Query: `SELECT s.id FROM free JOIN sales AS s USING (id)`}
	run := func(source sources.Postgres[event], options ...pipeline.StageOption) func(context.Context) error {
		return func(ctx context.Context) error {
			_, _, err := read(ctx, source, pipeline.Options{}, options...)
			return err
		}
	}
	for _, test := range []struct {
		name, place, locked string
		read                func(ctx context.Context) error
	}{
		{"a table", `table "sales"`, "sales", run(table)},
		{"a partition of the table", `table "sales"`, "sales_2", run(table)},
		{"the table behind a view", `table "recent"`, "sales", run(sources.Postgres[event]{Pool: impatient, Table: "recent"})},
		{"a query", `query`, "sales", run(query)},
		{"lanes", `table "sales"`, "sales", run(table, pipeline.Parallel(2))},
		{"a validation", `table "sales"`, "sales", table.Validate},
		{"a validation of a query", `query`, "sales_3", query.Validate},
		{"the bound of a cursor", `table "sales"`, "sales", func(ctx context.Context) error {
			source := table
			source.Cursor = "id"
			_, err := source.Bound(ctx, json.RawMessage(nil))
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tx, err := holder.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			if _, err := tx.Exec(t.Context(), `LOCK TABLE `+test.locked+` IN ACCESS EXCLUSIVE MODE`); err != nil {
				t.Fatal(err)
			}
			pid := tx.Conn().PgConn().PID()
			err = test.read(t.Context())
			wants(t, err, test.place+": its lock could not be had in time: session "+fmt.Sprint(pid)+` (application "nightly load", idle in transaction, its statement began `,
				" ago) holds "+test.locked+" in ACCESS EXCLUSIVE mode; wait until that transaction is over, or end it")
			if pipeline.IsPermanent(err) {
				t.Error("the error is permanent")
			}
			if n := impatient.Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are not given back", n)
			}
		})
	}
	t.Run("somebody who waits for the lock himself", func(t *testing.T) {
		reader, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = reader.Rollback(context.Background()) }()
		if _, err := reader.Exec(t.Context(), `SELECT FROM free`); err != nil {
			t.Fatal(err)
		}
		altered := make(chan error)
		go func() {
			_, err := holder.Exec(context.Background(), `ALTER TABLE free ADD COLUMN note text`)
			altered <- err
		}()
		eventually(t, "the other one waits", func() bool { return one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)`) })
		err = run(sources.Postgres[event]{Pool: impatient, Table: "free"})(t.Context())
		wants(t, err, `waits to lock free in ACCESS EXCLUSIVE mode, behind session `+fmt.Sprint(reader.Conn().PgConn().PID()))
		if err := reader.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-altered; err != nil {
			t.Fatal(err)
		}
	})
}

func TestPostgresWaitsForALockThatIsGivenBackInTime(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint)`, `INSERT INTO events VALUES (1)`)
	var got []event
	var err error
	whileLocked(t, pool, []string{`LOCK TABLE events IN ACCESS EXCLUSIVE MODE`}, func() {
		got, _, err = read(t.Context(), sources.Postgres[event]{Pool: pool, Table: "events"}, pipeline.Options{})
	})
	if err != nil || len(got) != 1 {
		t.Errorf("read %v, %v", got, err)
	}
}
