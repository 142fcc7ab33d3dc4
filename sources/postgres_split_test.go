package sources_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

type numbered struct {
	ID   int64
	Note string
}

// bigEnough makes a table of some hundred pages, so that it is split.
const bigEnough = `INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 40000) AS i`

// extracted reads parts side by side, by a runner of their own.
func extracted(t testing.TB, ctx context.Context, parts []pipeline.Source[numbered]) (perPart []int, ids map[int64]int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	ids, perPart = map[int64]int{}, make([]int, len(parts))
	for i, part := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for r, err := range pipeline.Records(ctx, part) {
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ids[r.ID]++
				perPart[i]++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	return perPart, ids
}

// exactlyOnce checks that the ids are 1 to n, each once.
func exactlyOnce(t testing.TB, ids map[int64]int, n int) {
	t.Helper()
	if len(ids) != n {
		t.Errorf("%d different rows, want %d", len(ids), n)
	}
	for id, times := range ids {
		if times != 1 || id < 1 || id > int64(n) {
			t.Fatalf("row %d was read %d times", id, times)
		}
	}
}

func TestPostgresSplitReadsEachRowOnce(t *testing.T) {
	for _, test := range []struct {
		name, create, table string
		lanes, parts        int
	}{
		{"a table", `CREATE TABLE t (id bigint, note text)`, "t", 4, 4},
		{"a table in more parts than it has pages for", `CREATE TABLE t (id bigint, note text)`, "t", 14, 10},
		{"partitions of different sizes", `CREATE TABLE t (id bigint, note text) PARTITION BY RANGE (id);
			CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (30000);
			CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (30000) TO (100000) PARTITION BY RANGE (id);
			CREATE TABLE t21 PARTITION OF t2 FOR VALUES FROM (30000) TO (31000);
			CREATE TABLE t22 PARTITION OF t2 FOR VALUES FROM (31000) TO (100000)`, "t", 3, 3},
		{"a table that others inherit from", `CREATE TABLE t (id bigint, note text); CREATE TABLE child () INHERITS (t);
			INSERT INTO child SELECT i, 'child' FROM generate_series(40001, 40500) AS i`, "t", 3, 3},
		{"a materialized view", `CREATE TABLE t (id bigint, note text)`, "m", 4, 4},
		{"a view, in one part", `CREATE TABLE t (id bigint, note text)`, "v", 4, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool := database(t, test.create, bigEnough, `CREATE MATERIALIZED VIEW m AS SELECT * FROM t`, `CREATE VIEW v AS SELECT * FROM t`)
			n := one[int](t, pool, `SELECT count(*) FROM t`)
			source := sources.Postgres[numbered]{Pool: pool, Table: test.table}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			parts, err := source.Split(ctx, test.lanes)
			if err != nil {
				t.Fatal(err)
			}
			if len(parts) != test.parts {
				t.Errorf("%d parts, want %d", len(parts), test.parts)
			}
			perPart, ids := extracted(t, ctx, parts)
			exactlyOnce(t, ids, n)
			if test.name == "a table" {
				for i, rows := range perPart {
					if rows < n/8 || rows > n/2 {
						t.Errorf("part %d of 4 has %d of %d rows", i, rows, n)
					}
				}
			}
			if used := pool.Stat().AcquiredConns(); used != 0 {
				t.Errorf("%d connections are not given back", used)
			}
		})
	}
}

func TestPostgresSplitInAPipeline(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, bigEnough)
	source := sources.Postgres[numbered]{Pool: pool, Table: "t"}
	got, report, err := read(t.Context(), source, pipeline.Options{}, pipeline.Parallel(3))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[int64]int{}
	for _, r := range got {
		ids[r.ID]++
	}
	exactlyOnce(t, ids, 40000)
	if n := report.Stage("read").RecordsOut; n != 40000 {
		t.Errorf("the report says %d", n)
	}
	for _, other := range []sources.Postgres[numbered]{{Pool: pool, Query: `SELECT * FROM t WHERE id <= $1`, Args: []any{500}}} {
		if got := mustRead(t, other, pipeline.Parallel(3)); len(got) != 500 {
			t.Errorf("%s in lanes: %d rows", other.Describe(), len(got))
		}
	}
}

func TestPostgresSplitSeesOneState(t *testing.T) {
	// Rows are written, moved to other pages by updates, and deleted, before the parts are
	// read and while they are.
	pool := database(t, `CREATE TABLE t (id bigint PRIMARY KEY, note text)`, bigEnough)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	parts, err := sources.Postgres[numbered]{Pool: pool, Table: "t"}.Split(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	disturb := func(round int) error {
		for _, sql := range []string{
			fmt.Sprintf(`INSERT INTO t SELECT 100000 * %d + i, repeat('y', 100) FROM generate_series(1, 500) AS i`, round),
			fmt.Sprintf(`UPDATE t SET note = note || 'z' WHERE id %% 20 = %d`, round%20),
			fmt.Sprintf(`DELETE FROM t WHERE id %% 21 = %d`, round%21),
		} {
			if _, err := pool.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	}
	if err := disturb(1); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for round := 2; ; round++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := disturb(round); err != nil {
				stopped <- err
				return
			}
		}
	}()
	_, ids := extracted(t, ctx, parts)
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	exactlyOnce(t, ids, 40000)
}

func TestPostgresPartsThatNobodyReads(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, bigEnough)
	ctx, cancel := context.WithCancelCause(t.Context())
	parts, err := sources.Postgres[numbered]{Pool: pool, Table: "t"}.Split(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range pipeline.Records(ctx, parts[0]) { // reading one does not free the others
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := pool.Stat().AcquiredConns(); n != 2 {
		t.Errorf("%d connections in use, want those of two parts", n)
	}
	cancel(errStop)
	eventually(t, "the connections are given back", func() bool { return pool.Stat().AcquiredConns() == 0 })
	if err := parts[1].Extract(ctx, nil); !errors.Is(err, errStop) {
		t.Errorf("a part of a run that is over: %v", err)
	}
	err = parts[0].Extract(t.Context(), nil)
	wants(t, err, `table "t": a part of a split source can be read once`)
}

func TestPostgresSplitWithFewConnections(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, bigEnough)
	config := pool.Config().Copy()
	config.MaxConns = 2
	small, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source := sources.Postgres[numbered]{Pool: small, Table: "t"}
	parts, err := source.Split(ctx, 3) // the third connection never comes
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 2 {
		t.Errorf("%d parts", len(parts))
	}
	_, ids := extracted(t, ctx, parts)
	exactlyOnce(t, ids, 40000)

	// A pipeline asks before it starts.
	_, _, err = read(t.Context(), source, pipeline.Options{}, pipeline.Parallel(3))
	wants(t, err, "has room for 2, but this pipeline needs 3 at once")
}

func TestPostgresSplitOfWhatIsNotThere(t *testing.T) {
	pool := database(t)
	_, err := sources.Postgres[numbered]{Pool: pool, Table: "nowhere"}.Split(t.Context(), 2)
	wants(t, err, `table "nowhere": there is no such table`)
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

func TestPostgresSplitIsCancelled(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, bigEnough)
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "read", sources.Postgres[numbered]{Pool: pool, Table: "t"}, pipeline.Parallel(4)), "fail", pipeline.SinkFunc[numbered](func(ctx context.Context, in *pipeline.Reader[numbered]) error {
		for _, err := range in.Batches() {
			return errors.Join(err, errStop)
		}
		return nil
	}))
	if _, err := p.Run(t.Context()); !errors.Is(err, errStop) {
		t.Fatalf("got %v", err)
	}
	eventually(t, "the connections are given back", func() bool { return pool.Stat().AcquiredConns() == 0 })
	if n := busy(t, pool); n != 0 {
		t.Errorf("%d server processes are at work", n)
	}
}
