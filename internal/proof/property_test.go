package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

const propertySchema = `
create table target (id bigint primary key, product text not null, quantity integer not null check (quantity > 0));
create table refused (stage text, source text, line bigint, "offset" bigint, raw bytea, "column" text, value text, reason text, record jsonb);`

var errPlanned = errors.New("a planned failure")

// TestEachRecordIsLoadedOnceOrRejected loads random records with random failures: of
// records that the transform, the codec or the server refuses, and of whole attempts.
func TestEachRecordIsLoadedOnceOrRejected(t *testing.T) {
	if err := flag.Set("rapid.checks", fmt.Sprint(amount(25, 400))); err != nil {
		t.Fatal(err)
	}
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), propertySchema); err != nil {
		t.Fatal(err)
	}
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{
			"good", "good", "good", "good", "good", "good",
			"refused by the rule", "refused by the codec", "refused by the server",
		}), 0, 400).Draw(r, "records")
		mode := rapid.SampledFrom([]sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate, sinks.Upsert}).Draw(r, "mode")
		failures := rapid.SliceOfN(rapid.IntRange(0, max(0, len(kinds)-1)), 0, 3).Draw(r, "failures")
		options := pipeline.Options{
			BatchSize: rapid.IntRange(1, 70).Draw(r, "batch"), Buffer: rapid.IntRange(1, 3).Draw(r, "buffer"),
			MaxRejects: -1,
			Retry:      pipeline.Retry{MaxAttempts: 4, Backoff: time.Microsecond},
			RunID:      fmt.Sprint("round ", round),
		}
		if rapid.Bool().Draw(r, "with a ledger") {
			options.State = sinks.PostgresState{Pool: pool}
		}
		if _, err := pool.Exec(t.Context(), "truncate target, refused"); err != nil {
			t.Fatal(err)
		}

		var records sources.Slice[sale]
		var want []sale
		for i, kind := range kinds {
			s := sale{ID: int64(i), Product: productOf(int64(i)), Quantity: 1 + int32(i%9)}
			switch kind {
			case "refused by the rule":
				s.Product = ""
			case "refused by the codec":
				s.Product = "a\x00b"
			case "refused by the server":
				s.Quantity = -1
			default:
				want = append(want, s)
			}
			records = append(records, s)
		}
		p := pipeline.New("property", options)
		in := pipeline.From(p, "read", records)
		flaky := pipeline.Via(in, "flaky", pipeline.TransformFunc[sale, sale](func(ctx context.Context, in *pipeline.Reader[sale], out *pipeline.Writer[sale]) error {
			run, _ := pipeline.RunFrom(ctx)
			n := 0
			for s, err := range in.All() {
				if err != nil {
					return err
				}
				if run.Attempt <= len(failures) && n == failures[run.Attempt-1] {
					return errPlanned
				}
				n++
				if err := out.Write(s); err != nil {
					return err
				}
			}
			return nil
		}))
		ruled := pipeline.Via(flaky, "rule", transforms.Validate[sale]{Rules: []transforms.Rule[sale]{{
			Column: "product", Valid: func(s *sale) bool { return s.Product != "" }, Reason: "is empty",
		}}})
		sink := sinks.Postgres[sale]{Pool: pool, Table: "target", Mode: mode}
		if mode == sinks.Upsert {
			sink.Keys = []string{"id"}
		}
		pipeline.To(ruled, "load", sink)
		pipeline.To(pipeline.Rejects(p), "keep", sinks.Postgres[pipeline.Reject]{Pool: pool, Table: "refused"})

		rep, err := p.Run(t.Context())
		if err != nil {
			r.Fatalf("after %d attempts: %v", rep.Attempt, err)
		}
		rows, _ := pool.Query(t.Context(), "select id, product, quantity from target order by id")
		got, err := pgx.CollectRows(rows, pgx.RowToStructByName[sale])
		if err != nil {
			t.Fatal(err)
		}
		var refused int
		if err := pool.QueryRow(t.Context(), "select count(*) from refused").Scan(&refused); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			r.Fatalf("%d rows were loaded, want %d", len(got), len(want))
		}
		if refused+len(got) != len(kinds) || rep.Rejects != int64(refused) {
			r.Fatalf("%d read, %d loaded, %d rejected, %d in the report", len(kinds), len(got), refused, rep.Rejects)
		}
	})
}
