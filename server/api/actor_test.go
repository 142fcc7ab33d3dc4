package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/runs"
)

func TestTheHistoryNamesWhoActed(t *testing.T) {
	r := newReplica(t, options{})
	for range 2 { // both places are taken, so that the third run waits, and keeps its reason in the table
		r.until(r.trigger("gated"), runs.Running)
	}
	long := strings.Repeat("a", 200)
	for _, c := range []struct{ name, body, want string }{
		{"nobody, without a body", "", "api"},
		{"nobody, in an empty body", "{}", "api"},
		{"nobody, by an empty name", `{"by":""}`, "api"},
		{"somebody", `{"by":"Ann Ö., on call"}`, "Ann Ö., on call"},
		{"somebody of 200 bytes", `{"by":"` + long + `"}`, long},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := func(what, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
			var run runs.Record
			r.want(201, "POST", "/api/pipelines/gated/runs", c.body).json(t, &run)
			check("triggered by", run.By, c.want)
			r.want(200, "POST", "/api/runs/"+run.ID+"/cancel", c.body).json(t, &run)
			check("cancelled", run.Reason, "cancelled by "+c.want+" before it began")
			r.want(200, "POST", "/api/runs/"+run.ID+"/retry", c.body)
			var reason string
			if err := r.pool.QueryRow(t.Context(), "SELECT reason FROM millrace.runs WHERE id = $1", run.ID).Scan(&reason); err != nil {
				t.Fatal(err)
			}
			check("retried", reason, "retried by "+c.want)

			dates := `{"from":"2025-03-14","to":"2025-03-15"`
			if inner := strings.Trim(c.body, "{}"); inner != "" {
				dates += "," + inner
			}
			var backfill runs.BackfillInfo
			r.want(201, "POST", "/api/pipelines/nightly/backfills", dates+"}").json(t, &backfill)
			check("backfilled by", fmt.Sprint(len(backfill.Runs), " ", backfill.Runs[0].By), "1 "+c.want)

			var nightly runs.PipelineInfo
			r.want(200, "POST", "/api/pipelines/nightly/pause", c.body).json(t, &nightly)
			check("paused by", nightly.PausedBy, c.want)
			nightly = runs.PipelineInfo{}
			r.want(200, "POST", "/api/pipelines/nightly/resume", c.body).json(t, &nightly)
			check("paused after it was resumed by", nightly.PausedBy, "")
		})
	}
}
