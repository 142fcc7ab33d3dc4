package sinks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/sinks"
)

// TestConformance holds the sinks to what any sink has to do.
func TestConformance(t *testing.T) {
	totals := make([]total, 3000)
	for i := range totals {
		totals[i] = total{fmt.Sprint("product ", i), i}
	}
	for _, name := range []string{"out.csv", "out.csv.gz", "out.csv.zst"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			pipelinetest.CheckSink[total](t, sinks.CSV[total]{Path: path}, totals, pipelinetest.AllOrNothing(),
				pipelinetest.Loaded(func() any { b, _ := os.ReadFile(path); return string(b) }))
		})
	}
	t.Run("rejected lines", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "refused.csv")
		rejects := make([]pipeline.Reject, 2000)
		for i := range rejects {
			rejects[i].Raw = fmt.Appendf(nil, "%d,x\n", i)
		}
		pipelinetest.CheckSink[pipeline.Reject](t, sinks.RejectedLines{Path: path}, rejects, pipelinetest.AllOrNothing(),
			pipelinetest.Loaded(func() any { b, _ := os.ReadFile(path); return string(b) }))
	})
	t.Run("slice", func(t *testing.T) {
		var got []total
		pipelinetest.CheckSink[total](t, sinks.Slice[total]{Into: &got}, totals, pipelinetest.OneRunAtATime(), pipelinetest.AllOrNothing(),
			pipelinetest.Loaded(func() any { return got }))
	})
}
