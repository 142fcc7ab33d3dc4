package pipeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/pipeline"
)

func TestAReportIsATable(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := pipeline.Report{
		Pipeline: "orders", State: pipeline.StateFailed, StartedAt: at, EndedAt: at.Add(1234 * time.Millisecond), Rejects: 1200, Error: "orders: load: no",
		Stages: []pipeline.StageReport{
			{Name: "read", Kind: pipeline.KindSource, RecordsOut: 1234567, StartedAt: at, EndedAt: at.Add(time.Second), Working: 500 * time.Millisecond},
			{Name: "señor", Kind: pipeline.KindTransform, RecordsIn: 1234567, RecordsOut: 5, StartedAt: at, EndedAt: at.Add(time.Second)},
			{Name: "load", Kind: pipeline.KindSink, RecordsIn: 5, StartedAt: at},
			{Name: "check", Kind: pipeline.KindStep},
		},
	}
	const want = `orders failed in 1.23s, 1,200 rejects

 stage    rows in   rows out   time  working     rows/s
────────────────────────────────────────────────────────
 read              1,234,567     1s    500ms  1,234,567
 señor  1,234,567          5     1s       0s  1,234,567
 load           5             1.23s       0s          4
 check                           0s       0s          0

orders: load: no
`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Error(diff)
	}
}
