package sinks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// What the server refuses is known by its record and its line in a file, in every mode: in Upsert long after the
// record has gone to the server.
func TestARowThatTheServerRefusesKeepsItsRecordAndItsOrigin(t *testing.T) {
	type row struct {
		pipeline.Origin
		ID   int64  `db:"id"`
		Name string `db:"name"`
		Qty  int32  `db:"qty"`
	}
	const n = 500
	source := pipeline.SourceFunc[row](func(_ context.Context, out *pipeline.Writer[row]) error {
		for i := range n {
			r := row{pipeline.Origin{Source: fmt.Sprintf("%d.csv", i%3), Line: int64(i + 2), Offset: int64(i * 7)}, int64(i % 400), fmt.Sprint("item ", i), 0}
			if i%5 == 4 {
				r.Qty = 1
			}
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	})
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Truncate, sinks.Upsert} {
		for _, name := range []string{"text", "varchar(40)", "character(40)"} { // the last two by the text format, if at all
			t.Run(mode.String()+" "+name, func(t *testing.T) {
				pool := devdb.Test(t)
				exec(t, pool, "create table items (id bigint, name "+name+", qty integer check (qty <> 1), millrace_line bigint)")
				sink := sinks.Postgres[row]{Pool: pool, Table: "items", Mode: mode}
				want := n / 5
				if mode == sinks.Upsert {
					exec(t, pool, "alter table items add primary key (id)")
					sink.Keys = []string{"id"}
					want -= 20 // of keys that come again only the last record counts
				}
				var seen []pipeline.Reject
				_, err := load(t, source, sink, pipeline.Options{MaxRejects: -1, OnReject: func(r pipeline.Reject) { seen = append(seen, r) }})
				if err != nil {
					t.Fatal(err)
				}
				if len(seen) != want {
					t.Errorf("%d rejects, want %d", len(seen), want)
				}
				for _, r := range seen {
					i := r.Line - 2
					if r.Source != fmt.Sprintf("%d.csv", i%3) || r.Offset != i*7 || i%5 != 4 || !strings.Contains(string(r.Record), fmt.Sprintf("item %d", i)) ||
						strings.Contains(string(r.Record), "millrace") {
						t.Errorf("got %v with %s", r, r.Record)
					}
				}
			})
		}
	}
}
