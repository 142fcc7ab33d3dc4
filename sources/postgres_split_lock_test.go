package sources_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// Who wants the table alone waits for the lanes that read it, and later lanes would wait for him.
func TestPostgresSplitWhenSomebodyWantsTheTableAlone(t *testing.T) {
	for _, test := range []struct {
		name       string
		parameters map[string]string
		before     int32 // the connection before which somebody comes
	}{
		{"after the first lane", nil, 2},
		{"after the second lane", nil, 3},
		{"with a lock_timeout, after the first lane", map[string]string{"lock_timeout": "200"}, 2},
		{"with a lock_timeout, after the second lane", map[string]string{"lock_timeout": "200"}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			pool := database(t, `CREATE TABLE t (id bigint, note text)`, bigEnough)
			config := with(t, pool, test.parameters).Config()
			var acquired atomic.Int32
			altered := make(chan error, 1)
			config.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) {
				if acquired.Add(1) != test.before {
					return true, nil
				}
				go func() {
					_, err := pool.Exec(t.Context(), `ALTER TABLE t ADD COLUMN later int`)
					altered <- err
				}()
				eventually(t, "somebody waits for the lanes", func() bool {
					return one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 't'::regclass AND NOT granted)`)
				})
				return true, nil
			}
			lanes, err := pgxpool.NewWithConfig(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			defer lanes.Close()
			var parts int
			p := pipeline.New("test", pipeline.Options{})
			pipeline.Do(p, "step", func(ctx context.Context) error {
				split, err := sources.Postgres[numbered]{Pool: lanes, Table: "t"}.Split(ctx, 4)
				if err != nil {
					return err
				}
				parts = len(split)
				_, ids := extracted(t, ctx, split)
				exactlyOnce(t, ids, 40000)
				return nil
			})
			report, err := p.Run(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if want := int(test.before) - 1; parts != want {
				t.Errorf("%d parts, want %d", parts, want)
			}
			expectWarnings(t, report.Stage("step").Warnings, "fewer lanes: a lock on the table is not to be had, for which "+
				"somebody waits who wants it alone lanes="+itoa(uint16(test.before-1))+" wanted=4")
			if err := <-altered; err != nil {
				t.Error(err)
			}
			if n := lanes.Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are not given back", n)
			}
		})
	}
}
