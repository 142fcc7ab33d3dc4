package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/internal/pooler"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// Through a pooler that gives each transaction another connection of the server's, runs go on as
// without it where the pool's query mode prepares nothing by name; else the error says what to set.
func TestPostgresLoadsThroughAPoolerInTransactionMode(t *testing.T) {
	type row struct {
		ID   int64
		Note *string
	}
	direct := devdb.Test(t)
	for mode := sinks.Append; mode <= sinks.Upsert; mode++ {
		if _, err := direct.Exec(t.Context(), fmt.Sprintf(`create table t_%s (id bigint primary key, note text, check (id <> 13))`, mode)); err != nil {
			t.Fatal(err)
		}
	}
	url := pooler.InTransactionMode(t, direct)
	runAll := func(t *testing.T, setting string) (failures []error) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for lane := range 4 {
			pool := pooler.Pool(t, url+setting)
			wg.Go(func() {
				for round := range 3 {
					for mode := sinks.Append; mode <= sinks.Upsert; mode++ {
						first := int64(0)
						if mode == sinks.Append {
							if err := direct.QueryRow(context.Background(), `select nextval('ids')`).Scan(&first); err != nil {
								t.Error(err)
							}
							first *= 1000
						}
						var rows []row
						for i := range 20 {
							rows = append(rows, row{ID: first + int64(i)})
						}
						p := pipeline.New(fmt.Sprintf("lane %d", lane), pipeline.Options{State: sinks.PostgresState{Pool: pool}, MaxRejects: 1, Retry: pipeline.Retry{MaxAttempts: 1}})
						source := pipeline.From(p, "read", pipeline.SourceFunc[row](func(_ context.Context, out *pipeline.Writer[row]) error { return out.WriteBatch(slices.Clone(rows)) }))
						sink := sinks.Postgres[row]{Pool: pool, Table: "t_" + mode.String(), Mode: mode}
						if mode == sinks.Upsert {
							sink.Keys = []string{"id"}
						}
						loaded := pipeline.To(source, "load", sink)
						pipeline.Do(p, "analyze", sinks.Exec(pool, `update t_`+mode.String()+` set note = $1 where id = $2`, "seen", first), pipeline.After(loaded))
						if _, err := p.Run(context.Background()); err != nil {
							mu.Lock()
							failures = append(failures, fmt.Errorf("%v, round %d: %w", mode, round, err))
							mu.Unlock()
						}
					}
				}
			})
		}
		wg.Wait()
		return failures
	}
	if _, err := direct.Exec(t.Context(), `create sequence ids`); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"&default_query_exec_mode=exec", "&default_query_exec_mode=cache_describe"} {
		t.Run(setting[1:], func(t *testing.T) {
			for _, err := range runAll(t, setting) {
				t.Error(err)
			}
			for mode := sinks.Append; mode <= sinks.Upsert; mode++ {
				var n int
				if err := direct.QueryRow(t.Context(), `select count(*) from t_`+mode.String()).Scan(&n); err != nil || n%19 != 0 && mode != sinks.Append || n == 0 {
					t.Errorf("%v: %d rows, %v", mode, n, err)
				}
			}
		})
	}
	t.Run("the default", func(t *testing.T) {
		named := 0
		for _, err := range runAll(t, "") {
			var refused *pgconn.PgError
			if errors.As(err, &refused) && (refused.Code == "26000" || refused.Code == "42P05") {
				named++
				if !strings.Contains(err.Error(), "add default_query_exec_mode=exec to the database's URL") || !strings.Contains(err.Error(), "pool_mode") {
					t.Errorf("%v does not say what to set", err)
				}
				continue
			}
			t.Error(err)
		}
		t.Logf("%d runs of 48 met a statement that was prepared on another connection", named)
	})
}
