package sinks_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// A pool for PgBouncer, say, has another mode than pgx's default; in some of them what goes in one exchange is
// one text of several statements.
func TestEveryQueryExecModeLoadsAndKeepsTheLedger(t *testing.T) {
	pool := itemDB(t)
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			config := pool.Config()
			config.ConnConfig.DefaultQueryExecMode = mode
			own, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close()
			exec(t, pool, "truncate items")
			o := pipeline.Options{State: sinks.PostgresState{Pool: own}, RunID: mode.String()}
			for _, again := range []bool{false, true} {
				report, err := load(t, count(100), sinks.Postgres[item]{Pool: own, Table: "items"}, o)
				if err != nil || report.AlreadyCommitted != again {
					t.Fatalf("already committed: %t, want %t, %v", report.AlreadyCommitted, again, err)
				}
			}
			mustLoad(t, count(101), sinks.Postgres[item]{Pool: own, Table: "items", Mode: sinks.Upsert, Keys: []string{"id"}})
			if got := one(t, pool, "select count(*) || ' to ' || max(id) from items"); got != "101 to 101" {
				t.Errorf("got %s", got)
			}
		})
	}
}
