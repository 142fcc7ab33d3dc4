package sources_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/sources"
)

// TestPostgresConformance holds the source to what any source has to do.
func TestPostgresConformance(t *testing.T) {
	pool := database(t, salesTable, `INSERT INTO online_sales SELECT i, repeat('p', 20), nullif(i % 700, 0), repeat('x', 300) FROM generate_series(1, 12000) AS i`)
	some := pipelinetest.WithOptions(pipeline.Options{MaxRejects: -1})
	table := sources.Postgres[pgSale]{Pool: pool, Table: "online_sales"}
	t.Run("a table", func(t *testing.T) { pipelinetest.CheckSource[pgSale](t, table, some) })
	t.Run("a table in lanes", func(t *testing.T) {
		pipelinetest.CheckSource[pgSale](t, table, some, pipelinetest.WithStage(pipeline.Parallel(3)), pipelinetest.Unordered())
	})
	t.Run("a query", func(t *testing.T) {
		pipelinetest.CheckSource[pgSale](t, sources.Postgres[pgSale]{Pool: pool, Query: `SELECT * FROM online_sales WHERE sale_id > $1`, Args: []any{5000}}, some)
	})
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

func TestPostgresDoesNotDependOnTheSession(t *testing.T) {
	pool := database(t)
	config := pool.Config().Copy()
	config.ConnConfig.RuntimeParams["statement_timeout"] = "50"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "50"
	config.ConnConfig.RuntimeParams["client_encoding"] = "LATIN1"
	own, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	type row struct{ Statement, Idle, Umlaut string }
	got := mustRead(t, sources.Postgres[row]{Pool: own, Query: `SELECT current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle, chr(252) AS umlaut FROM pg_sleep(0.1)`})
	if len(got) != 1 || got[0] != (row{"0", "0", "ü"}) {
		t.Errorf("got %v", got)
	}
	if s := one[string](t, own, `SHOW statement_timeout`); s != "50ms" {
		t.Errorf("afterwards it is %s", s)
	}
}
