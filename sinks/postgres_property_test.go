package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// For any rows, sizes of batches, modes and failures: after the run has succeeded the
// table holds each good row once, and good rows and rejects together are what was
// read; after one that failed, the table is as it was.
func TestEachRowOnceOrNothing(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table items (id bigint primary key, name text not null, qty integer check (qty <> 13))")
	broken := errors.New("broken")
	check := 0
	rapid.Check(t, func(rt *rapid.T) {
		check++
		exec(t, pool, "truncate items")
		exec(t, pool, "insert into items values (-1, 'old', 1)")
		n := rapid.IntRange(0, 300).Draw(rt, "rows")
		width := rapid.SampledFrom([]int{1, 100, 20_000}).Draw(rt, "width")
		mode := rapid.SampledFrom([]sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate, sinks.Upsert}).Draw(rt, "mode")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, max(n-1, 0)), 0, min(n, 5), rapid.ID[int]).Draw(rt, "bad")
		failures := rapid.IntRange(0, 2).Draw(rt, "failures")
		failAt := rapid.IntRange(0, max(n-1, 0)).Draw(rt, "fail at")
		isBad := map[int]bool{}
		for _, i := range bad {
			isBad[i] = true
		}
		o := pipeline.Options{
			BatchSize: rapid.IntRange(1, 64).Draw(rt, "batch"), Buffer: rapid.IntRange(1, 3).Draw(rt, "buffer"),
			MaxRejects: rapid.SampledFrom([]int{0, 3, -1}).Draw(rt, "budget"),
			RunID:      fmt.Sprint("run ", check), State: sinks.PostgresState{Pool: pool},
			Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Microsecond},
		}
		failed := 0
		source := pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
			for i := range n {
				qty := int32(7)
				if isBad[i] {
					qty = 13
				}
				if err := out.Write(item{ID: int64(i), Name: fmt.Sprintf("%*d", width, i), Qty: &qty}); err != nil {
					return err
				}
				if i == failAt && failed < failures {
					failed++
					return broken
				}
			}
			return nil
		})
		report, err := load(t, source, sinks.Postgres[item]{Pool: pool, Table: "items", Mode: mode, Keys: keysOf(mode)}, o)

		want, keep := n-len(bad), 1
		if mode == sinks.Replace || mode == sinks.Truncate {
			keep = 0
		}
		tooMany := len(bad) > 0 && o.MaxRejects >= 0 && len(bad) > o.MaxRejects
		if exhausted := n > 0 && failures == 2; exhausted || tooMany {
			if err == nil {
				rt.Fatalf("the run succeeded")
			}
			want, keep = 0, 1
		} else if err != nil || report.Rejects != int64(len(bad)) {
			rt.Fatalf("%d rejects, want %d; error %v", report.Rejects, len(bad), err)
		}
		if got := one(t, pool, "select count(*) filter (where id >= 0) || ' ' || count(*) filter (where id < 0) || ' ' || (select count(*) from millrace.commits where run_id = $1) from items", o.RunID); got != fmt.Sprintf("%d %d %d", want, keep, map[bool]int{true: 1}[err == nil]) {
			rt.Fatalf("new rows, old rows, commits: %s, want %d %d; error %v", got, want, keep, err)
		}
	})
}
