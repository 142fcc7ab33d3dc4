package sources_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// whileLocked runs statements in a transaction, starts f, waits until a session of the database waits for
// a lock, and commits.
func whileLocked(t *testing.T, pool *pgxpool.Pool, statements []string, f func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	for _, sql := range statements {
		if _, err := tx.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	eventually(t, "the source waits for the lock", func() bool {
		return one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)`)
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
}

// Some changes of a table are seen by nobody's snapshot: who waits for such a
// transaction with a snapshot from before it would read a table without rows.
func TestPostgresReadsWhatATransactionLeftForWhichItWaited(t *testing.T) {
	const rows = 2000
	plain := []string{`CREATE TABLE t (id bigint, note text)`, `INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 5) AS i`}
	parts := []string{
		`CREATE TABLE t (id bigint, note text) PARTITION BY RANGE (id)`,
		`CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000)`, `CREATE TABLE t2 PARTITION OF t DEFAULT`,
		fmt.Sprintf(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, %d) AS i`, rows),
	}
	child := []string{`CREATE TABLE t (id bigint, note text)`, `CREATE TABLE t1 () INHERITS (t)`,
		fmt.Sprintf(`INSERT INTO t1 SELECT i, repeat('x', 1000) FROM generate_series(1, %d) AS i`, rows)}
	fill := func(table string) string {
		return fmt.Sprintf(`INSERT INTO %s SELECT i, repeat('x', 1000) FROM generate_series(1, %d) AS i`, table, rows)
	}
	for _, test := range []struct {
		name     string
		create   []string
		meantime []string
	}{
		{"a table that is truncated", plain, []string{`TRUNCATE t`, fill("t")}},
		{"a table that is exchanged for another of its name", plain, []string{`CREATE TABLE n (LIKE t)`, fill("n"), `DROP TABLE t CASCADE`, `ALTER TABLE n RENAME TO t`, `CREATE VIEW v AS SELECT * FROM t`}},
		{"a table that is rewritten", plain, []string{`DELETE FROM t`, fill("t"), `DROP VIEW v`, `ALTER TABLE t ALTER COLUMN id TYPE numeric`, `ALTER TABLE t ALTER COLUMN id TYPE bigint`, `CREATE VIEW v AS SELECT * FROM t`}},
		{"a partition that is truncated", parts, []string{`TRUNCATE t1`, `INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 999) AS i`}},
		{"a partition that is detached, its rows moved", parts, []string{`ALTER TABLE t DETACH PARTITION t1`, `INSERT INTO t SELECT * FROM t1`}},
		{"a partition that is dropped, its rows moved", parts, []string{`CREATE TABLE keep AS SELECT * FROM t1`, `DROP TABLE t1`, `INSERT INTO t SELECT * FROM keep`}},
		{"a child that is truncated", child, []string{`TRUNCATE t1`, fill("t1")}},
		{"a child that is dropped, its rows moved", child, []string{`INSERT INTO t SELECT * FROM t1`, `DROP TABLE t1`}},
	} {
		for _, how := range []string{"by Table", "by Query", "by a view", "by a join", "by a function", "in lanes", "incrementally"} {
			t.Run(test.name+", "+how, func(t *testing.T) {
				pool := database(t, append(slices.Clone(test.create), `CREATE VIEW v AS SELECT * FROM t`, `CREATE TABLE other AS SELECT 1 AS one`,
					`CREATE FUNCTION f() RETURNS TABLE (id bigint, note text) LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT t.id::bigint, t.note FROM t; END'`)...)
				source := sources.Postgres[numbered]{Pool: pool, Table: "t"}
				options := pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond}}
				var stage []pipeline.StageOption
				switch how {
				case "by Query":
					source.Table, source.Query = "", `SELECT * FROM t WHERE id < $1`
					source.Args = []any{1000000}
				case "by a view":
					source.Table = "v"
				case "by a join":
					source.Table, source.Query = "", `SELECT id, note FROM other JOIN t ON t.id >= one`
				case "by a function":
					source.Table, source.Query = "", `SELECT * FROM f()`
				case "in lanes":
					stage = append(stage, pipeline.Parallel(3))
				case "incrementally":
					source.Cursor, options.State = "id", &memory{}
				}
				var got []numbered
				var err error
				whileLocked(t, pool, test.meantime, func() { got, _, err = read(t.Context(), source, options, stage...) })
				if err != nil {
					t.Fatal(err)
				}
				ids := map[int64]int{}
				for _, r := range got[max(0, len(got)-rows):] { // a function's first attempt may have written some
					ids[r.ID]++
				}
				exactlyOnce(t, ids, rows)
				if n := pool.Stat().AcquiredConns(); n != 0 {
					t.Errorf("%d connections are not given back", n)
				}
			})
		}
	}
}
