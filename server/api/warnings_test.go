package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

// What a stage warned of is kept with the run's report.
func TestWarningsAreInTheHistory(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("rejecting")
	run := r.until(id, runs.Succeeded)
	if run.Report == nil || !slices.Equal(run.Report.Stage("sink").Warnings, []string{"three are set aside"}) {
		t.Errorf("the report is %+v", run.Report)
	}
	if a := r.want(200, "GET", "/api/runs/"+id, ""); !strings.Contains(a.body, `"warnings":["three are set aside"]`) {
		t.Error(a.body)
	}
}

// The document has every field of a stage's report, of which each is there when it is not empty.
func TestTheDocumentHasAllOfAStagesReport(t *testing.T) {
	r := newReplica(t, options{waiting: true})
	stream := []pipeline.StreamReport{{Name: "a", Records: 1}}
	data, err := json.Marshal(pipeline.StageReport{Description: "x", Bytes: 1, StartedAt: time.Unix(1, 0), EndedAt: time.Unix(2, 0), Inputs: stream, Outputs: stream, Warnings: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	schema := r.api.OpenAPI().Components.Schemas.Map()["StageReport"]
	if schema == nil {
		t.Fatal("the document has no schema of a stage's report")
	}
	for name := range fields {
		if schema.Properties[name] == nil {
			t.Errorf("the document does not have %q", name)
		}
	}
	for name := range schema.Properties {
		if _, ok := fields[name]; !ok {
			t.Errorf("a report has no %q", name)
		}
	}
}
