package pipeline

import (
	"encoding/json"
	"time"
)

// RunState is the state of a run or of a stage.
type RunState string

// The states.
const (
	StatePending    RunState = "pending"    // a stage that waits for others (After), or a run before its first stage
	StateRunning    RunState = "running"    //
	StateCommitting RunState = "committing" // a run whose stages have all succeeded
	StateRetrying   RunState = "retrying"   // a run that waits for its next attempt
	StateSucceeded  RunState = "succeeded"  // a stage's success is visible only with its run's
	StateFailed     RunState = "failed"
	StateCancelled  RunState = "cancelled" // also a stage that was stopped because another failed
	StateSkipped    RunState = "skipped"   // a stage of a run that had been committed before
)

// Report says how a run went, or how it is going. It is a copy: the caller's to
// keep and to change.
type Report struct {
	Pipeline string   `json:"pipeline"`
	RunID    string   `json:"run_id"`
	Attempt  int      `json:"attempt"`
	State    RunState `json:"state"`
	// AlreadyCommitted says that the run's ID was found in the ledger: nothing was done.
	AlreadyCommitted bool          `json:"already_committed,omitempty"`
	StartedAt        time.Time     `json:"started_at,omitzero"`
	EndedAt          time.Time     `json:"ended_at,omitzero"` // zero while it runs
	Rejects          int64         `json:"rejects"`
	Error            string        `json:"error"`
	Stages           []StageReport `json:"stages"` // in the order in which they were added
}

// StageReport says how one stage went. Times are summed over its lanes, so with
// Parallel they can be longer than the time between its start and its end.
type StageReport struct {
	Name        string
	Kind        Kind
	Description string // of a Describer
	State       RunState
	Lanes       int
	RecordsIn   int64
	RecordsOut  int64
	Bytes       int64 // read or written, where the stage knows
	Rejects     int64
	StartedAt   time.Time
	EndedAt     time.Time
	Working     time.Duration // neither waiting for input nor for output
	WaitingIn   time.Duration
	WaitingOut  time.Duration
	Error       string
	// Inputs are the two streams of a Via2, Outputs those of a Split or Partition; nil for
	// all other stages. RecordsIn and RecordsOut are their sums.
	Inputs  []StreamReport
	Outputs []StreamReport
	// Warnings are what the stage's logger ([LoggerFrom]) got as a warning or worse in this attempt: at most 20 lines,
	// each once and of some hundred bytes. Nil if there was nothing to warn of.
	Warnings []string
}

// StreamReport says how many records went through one of the streams of a stage.
type StreamReport struct {
	Name    string `json:"name"` // "a" or "b"; a number from 0; "yes" or "no"
	Records int64  `json:"records"`
}

type stageReportJSON struct {
	Name        string    `json:"name"`
	Kind        Kind      `json:"kind"`
	Description string    `json:"description,omitempty"`
	State       RunState  `json:"state"`
	Lanes       int       `json:"lanes"`
	RecordsIn   int64     `json:"records_in"`
	RecordsOut  int64     `json:"records_out"`
	Bytes       int64     `json:"bytes,omitempty"`
	Rejects     int64     `json:"rejects"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	WorkingMS   float64   `json:"working_ms"`
	WaitInMS    float64   `json:"waiting_in_ms"`
	WaitOutMS   float64   `json:"waiting_out_ms"`
	Error       string    `json:"error"`

	Inputs  []StreamReport `json:"inputs,omitempty"`
	Outputs []StreamReport `json:"outputs,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

// MarshalJSON writes times in milliseconds.
func (s StageReport) MarshalJSON() ([]byte, error) {
	return json.Marshal(stageReportJSON{
		Name: s.Name, Kind: s.Kind, Description: s.Description, State: s.State, Lanes: s.Lanes,
		RecordsIn: s.RecordsIn, RecordsOut: s.RecordsOut, Bytes: s.Bytes, Rejects: s.Rejects,
		StartedAt: s.StartedAt, EndedAt: s.EndedAt,
		WorkingMS: milliseconds(s.Working), WaitInMS: milliseconds(s.WaitingIn), WaitOutMS: milliseconds(s.WaitingOut),
		Error: s.Error, Inputs: s.Inputs, Outputs: s.Outputs, Warnings: s.Warnings,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *StageReport) UnmarshalJSON(data []byte) error {
	var j stageReportJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*s = StageReport{
		Name: j.Name, Kind: j.Kind, Description: j.Description, State: j.State, Lanes: j.Lanes,
		RecordsIn: j.RecordsIn, RecordsOut: j.RecordsOut, Bytes: j.Bytes, Rejects: j.Rejects,
		StartedAt: j.StartedAt, EndedAt: j.EndedAt,
		Working: duration(j.WorkingMS), WaitingIn: duration(j.WaitInMS), WaitingOut: duration(j.WaitOutMS),
		Error: j.Error, Inputs: j.Inputs, Outputs: j.Outputs, Warnings: j.Warnings,
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Stage returns the report of the stage of that name, a zero one if there is none.
func (r Report) Stage(name string) StageReport {
	for _, s := range r.Stages {
		if s.Name == name {
			return s
		}
	}
	return StageReport{}
}
