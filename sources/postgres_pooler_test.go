package sources_test

import (
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/pooler"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// A pooler that gives each transaction another connection of the server's knows no statement that was
// prepared by name on an earlier one.
func TestPostgresReadsThroughAPoolerInTransactionMode(t *testing.T) {
	direct := database(t, `CREATE TYPE mood AS ENUM ('good')`, `CREATE TABLE t (id bigint, note text, at timestamptz DEFAULT now(), m mood)`,
		`INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 40000) AS i`)
	url := pooler.InTransactionMode(t, direct)
	var side sync.WaitGroup
	for range 4 { // so that connections of the server are mixed up
		pool := pooler.Pool(t, url)
		side.Go(func() {
			for range 5 {
				for name, source := range map[string]sources.Postgres[numbered]{
					"a table":     {Pool: pool, Table: "t"},
					"a query":     {Pool: pool, Query: `SELECT id, note, m FROM t WHERE id <= $1`, Args: []any{40000}},
					"a cursor":    {Pool: pool, Table: "t", Cursor: "id"},
					"late ones":   {Pool: pool, Query: `SELECT * FROM t`, Cursor: "at", Lag: 1},
					"the oldest":  {Pool: pool, Table: "t", Cursor: "at"},
					"in 3 lanes":  {Pool: pool, Table: "t"},
					"no plan":     {Pool: pool, Query: `TABLE t`},
					"a view of t": {Pool: pool, Query: `SELECT * FROM (SELECT * FROM t) AS v`},
				} {
					var stage []pipeline.StageOption
					if name == "in 3 lanes" {
						stage = append(stage, pipeline.Parallel(3))
					}
					got, _, err := read(t.Context(), source, pipeline.Options{State: &memory{}}, stage...)
					if err != nil || len(got) != 40000 {
						t.Errorf("%s: %d rows, %v", name, len(got), err)
					}
				}
			}
		})
	}
	side.Wait()
	t.Run("what is wrong is said as without it", func(t *testing.T) {
		_, _, err := read(t.Context(), sources.Postgres[numbered]{Pool: pooler.Pool(t, url), Table: "tt"}, pipeline.Options{})
		wants(t, err, `"tt"`, `the nearest is "t"`)
	})
}
