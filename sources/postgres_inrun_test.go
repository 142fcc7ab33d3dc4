package sources_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// numbers writes rows 1 to n with notes of that length.
func numbers(n, length int) pipeline.Source[numbered] {
	return pipeline.SourceFunc[numbered](func(_ context.Context, out *pipeline.Writer[numbered]) error {
		note := strings.Repeat("x", length)
		for i := range n {
			if err := out.Write(numbered{ID: int64(i + 1), Note: note}); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestPostgresInRunSeesWhatTheRunHasWritten(t *testing.T) {
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate, sinks.Upsert} {
		for _, length := range []int{0, 300, 300_000} {
			t.Run(fmt.Sprintf("%v, notes of %d bytes", mode, length), func(t *testing.T) {
				n := 20000
				if length > 1000 {
					n = 40
				}
				pool := database(t, `CREATE TABLE t (id bigint PRIMARY KEY, note text)`, `INSERT INTO t VALUES (-5, 'old')`, `CREATE TABLE again (id bigint, note text)`, `CREATE VIEW v AS SELECT * FROM t`)
				for _, source := range []sources.Postgres[numbered]{
					{Table: "t"}, {Table: "v"}, {Query: "SELECT note, id FROM t WHERE id > $1 ORDER BY id;\n", Args: []any{-100}},
				} {
					do(t, pool, `DELETE FROM t WHERE id > 0`, `TRUNCATE again`)
					source.Pool, source.InRun = pool, true
					p := pipeline.New("test", pipeline.Options{})
					sink := sinks.Postgres[numbered]{Pool: pool, Table: "t", Mode: mode}
					if mode == sinks.Upsert {
						sink.Keys = []string{"id"}
					}
					load := pipeline.To(pipeline.From(p, "numbers", numbers(n, length)), "load", sink)
					more := pipeline.Do(p, "more", sinks.Exec(pool, `INSERT INTO t VALUES (0, 'by a step')`), pipeline.After(load))
					again := pipeline.From(p, "again", source, pipeline.After(more))
					pipeline.To(again, "keep", sinks.Postgres[numbered]{Pool: pool, Table: "again"})
					if _, err := p.Run(t.Context()); err != nil {
						t.Fatal(err)
					}
					if left := one[int](t, pool, `SELECT count(*) FROM (TABLE t EXCEPT TABLE again UNION ALL TABLE again EXCEPT TABLE t) AS different`); left != 0 {
						t.Errorf("%s: %d rows differ", source.Describe(), left)
					}
					if got := one[int](t, pool, `SELECT count(*) FROM again WHERE id > 0`); got != n {
						t.Errorf("%s: %d rows, want %d", source.Describe(), got, n)
					}
					do(t, pool, `DELETE FROM t WHERE id = 0`)
				}
			})
		}
	}
}

// Readers of the stream that wait for the connection, and sinks that hold it, must not hold up the source,
// nor it them: batches of one record, queues of one batch.
func TestPostgresInRunHoldsUpNobody(t *testing.T) {
	const n = 3000
	pool := database(t, `CREATE TABLE t (id bigint, note text)`)
	for i := range 5 {
		do(t, pool, fmt.Sprintf(`CREATE TABLE t%d (id bigint, note text)`, i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p := pipeline.New("test", pipeline.Options{BatchSize: 3, Buffer: 1})
	sink := func(i int) pipeline.Sink[numbered] {
		return sinks.Postgres[numbered]{Pool: pool, Table: fmt.Sprintf("t%d", i)}
	}
	load := pipeline.To(pipeline.From(p, "numbers", numbers(n, 2000)), "load", sinks.Postgres[numbered]{Pool: pool, Table: "t"})
	for i := range 2 {
		read := pipeline.From(p, fmt.Sprintf("read %d", i), sources.Postgres[numbered]{Pool: pool, Table: "t", InRun: true}, pipeline.After(load))
		pipeline.To(read, fmt.Sprintf("one %d", i), sink(i))
		pipeline.To(read, fmt.Sprintf("two %d", i), sink(2+i)) // a tee
	}
	pipeline.To(pipeline.From(p, "beside", numbers(n, 2000), pipeline.After(load)), "beside it", sink(4))
	if _, err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got := one[int](t, pool, fmt.Sprintf(`SELECT count(DISTINCT id) FROM t%d`, i)); got != n {
			t.Errorf("table %d has %d rows", i, got)
		}
	}
}

func TestPostgresInRunThatCannotBeIsAnErrorOfTheValidation(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, `CREATE TABLE u (id bigint, note text)`)
	other, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	source := sources.Postgres[numbered]{Pool: pool, Table: "t", InRun: true}
	cursor := source
	cursor.Cursor = "id"
	for _, test := range []struct {
		name   string
		source sources.Postgres[numbered]
		sink   *pgxpool.Pool
		stage  []pipeline.StageOption
		want   string
	}{
		{"no sink of the run on Postgres", source, nil, nil, "in the run's own transaction, in which no sink of the run writes"},
		{"a sink on another pool", source, other, nil, "in the run's own transaction, in which no sink of the run writes"},
		{"lanes", source, pool, []pipeline.StageOption{pipeline.Parallel(2)}, "in one lane; leave Parallel out"},
		{"a cursor", cursor, pool, nil, "InRun and Cursor are both set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := pipeline.New("test", pipeline.Options{State: &memory{}})
			var sink gather[numbered]
			read := pipeline.From(p, "read", test.source, test.stage...)
			pipeline.To(read, "gather", &sink)
			if test.sink != nil {
				pipeline.To(read, "load", sinks.Postgres[numbered]{Pool: test.sink, Table: "u"})
			}
			_, err := p.Run(t.Context())
			wants(t, err, "test: read: ", test.want)
			var invalid *pipeline.ValidationError
			if !errors.As(err, &invalid) {
				t.Errorf("%v is not of the validation", err)
			}
		})
	}
}

func TestPostgresInRunFailures(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, `CREATE TABLE u (id bigint, note text)`)
	impatient := with(t, pool, map[string]string{"lock_timeout": "200"})
	run := func(source sources.Postgres[numbered], options pipeline.Options, before ...string) (pipeline.Report, error) {
		source.Pool, source.InRun = impatient, true
		p := pipeline.New("test", options)
		load := pipeline.To(pipeline.From(p, "numbers", numbers(5000, 10)), "load", sinks.Postgres[numbered]{Pool: impatient, Table: "t"})
		for i, sql := range before {
			load = pipeline.Do(p, fmt.Sprintf("step %d", i), sinks.Exec(impatient, sql), pipeline.After(load))
		}
		var sink gather[numbered]
		pipeline.To(pipeline.From(p, "read", source, pipeline.After(load)), "gather", &sink)
		return p.Run(t.Context())
	}
	t.Run("a null for a field that holds none", func(t *testing.T) {
		_, err := run(sources.Postgres[numbered]{Table: "t"}, pipeline.Options{}, `UPDATE t SET note = NULL WHERE id = 4321`)
		wants(t, err, `table "t"`, `column "note"`, "null")
	})
	t.Run("and within the budget", func(t *testing.T) {
		report, err := run(sources.Postgres[numbered]{Table: "t"}, pipeline.Options{MaxRejects: 2}, `UPDATE t SET note = NULL WHERE id IN (4321, 1)`)
		if err != nil || report.Stage("read").RecordsOut != 4998 {
			t.Errorf("%d records, %v", report.Stage("read").RecordsOut, err)
		}
		do(t, pool, `TRUNCATE t`)
	})
	t.Run("an error while rows are fetched", func(t *testing.T) {
		_, err := run(sources.Postgres[numbered]{Query: `SELECT id, (1 / (id - 4000))::text AS note FROM t`}, pipeline.Options{})
		wants(t, err, "test: read: query: ", "division by zero")
	})
	t.Run("a table that another session holds", func(t *testing.T) {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		source := sources.Postgres[numbered]{Query: `SELECT * FROM u`}
		source.Pool, source.InRun = impatient, true
		graph := pipeline.New("test", pipeline.Options{})
		load := pipeline.To(pipeline.From(graph, "numbers", numbers(10, 10)), "load", sinks.Postgres[numbered]{Pool: impatient, Table: "t"})
		step := pipeline.Do(graph, "lock", func(ctx context.Context) error { // after the validation
			_, err := tx.Exec(ctx, `LOCK TABLE u IN ACCESS EXCLUSIVE MODE`)
			return err
		}, pipeline.After(load))
		var sink gather[numbered]
		pipeline.To(pipeline.From(graph, "read", source, pipeline.After(step)), "gather", &sink)
		_, err = graph.Run(t.Context())
		wants(t, err, "test: read: query: its lock could not be had in time: session ", "holds u in ACCESS EXCLUSIVE mode")
	})
	if n := one[int](t, pool, `SELECT count(*) FROM t`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if n := impatient.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

// The table is read as it was before the run, while the run replaces it.
func TestPostgresReadCleanAndReplaceTheSameTable(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, note text)`, bigEnough)
	p := pipeline.New("test", pipeline.Options{})
	read := pipeline.From(p, "read", sources.Postgres[numbered]{Pool: pool, Table: "t"})
	clean := pipeline.Via(read, "clean", pipeline.TransformFunc[numbered, numbered](func(_ context.Context, in *pipeline.Reader[numbered], out *pipeline.Writer[numbered]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			r.Note = "clean"
			if r.ID%2 == 0 {
				if err := out.Write(r); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	pipeline.To(clean, "replace", sinks.Postgres[numbered]{Pool: pool, Table: "t", Mode: sinks.Replace})
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, pool, `SELECT count(*) FROM t WHERE note = 'clean' AND id % 2 = 0`); n != 20000 || one[int](t, pool, `SELECT count(*) FROM t`) != n {
		t.Errorf("%d clean rows", n)
	}
}
