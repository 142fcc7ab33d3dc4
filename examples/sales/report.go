package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// The report of -json. It is a form of its own and not pipeline.Report's: what scripts read should not grow or change
// because the library's does.
type (
	reportJSON struct {
		Pipeline  string      `json:"pipeline"`
		RunID     string      `json:"run_id"`
		State     string      `json:"state"` // succeeded, failed or cancelled
		StartedAt time.Time   `json:"started_at"`
		EndedAt   time.Time   `json:"ended_at"`
		Error     string      `json:"error"` // empty when there was none
		Stages    []stageJSON `json:"stages"`
	}
	stageJSON struct {
		Name         string  `json:"name"`
		Kind         string  `json:"kind"` // source, transform or sink
		State        string  `json:"state"`
		RecordsIn    int64   `json:"records_in"`
		RecordsOut   int64   `json:"records_out"`
		Rejects      int64   `json:"rejects"`
		WorkingMS    float64 `json:"working_ms"`
		WaitingInMS  float64 `json:"waiting_in_ms"`
		WaitingOutMS float64 `json:"waiting_out_ms"`
		Error        string  `json:"error"`
	}
)

// writeJSON prints a report.
func writeJSON(w io.Writer, r pipeline.Report) error {
	out := reportJSON{
		Pipeline: r.Pipeline, RunID: r.RunID, State: string(r.State),
		StartedAt: r.StartedAt.UTC(), EndedAt: r.EndedAt.UTC(), Error: r.Error,
		Stages: []stageJSON{},
	}
	for _, s := range r.Stages {
		out.Stages = append(out.Stages, stageJSON{
			Name: s.Name, Kind: string(s.Kind), State: string(s.State),
			RecordsIn: s.RecordsIn, RecordsOut: s.RecordsOut, Rejects: s.Rejects,
			WorkingMS: milliseconds(s.Working), WaitingInMS: milliseconds(s.WaitingIn), WaitingOutMS: milliseconds(s.WaitingOut),
			Error: s.Error,
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(out)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
