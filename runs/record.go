package runs

import (
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/life"
)

// State is where a run stands. Record.Reason says why.
type State string

// The states.
const (
	Queued    State = State(life.Queued)    // waits for its pipeline's place, or for a worker
	Running   State = State(life.Running)   // a worker has it
	Retrying  State = State(life.Retrying)  // failed, and will be tried again: Record.NextAttemptAt
	Lost      State = State(life.Lost)      // its worker died; the next attempt is about to take over
	Succeeded State = State(life.Succeeded) // its data is committed
	Failed    State = State(life.Failed)    // nothing of it is visible
	Cancelled State = State(life.Cancelled) // nothing of it is visible
)

// States lists all states, in the order of a run's life.
func States() (all []State) {
	for _, s := range life.States() {
		all = append(all, State(s))
	}
	return all
}

// Ended tells whether a run in this state is over. It may still be begun again by Retry.
func (s State) Ended() bool { return life.State(s).Ended() }

// Cause is what started a run.
type Cause string

// The causes.
const (
	CauseTrigger  Cause = "trigger"
	CauseSchedule Cause = "schedule"
	CauseBackfill Cause = "backfill"
)

// Record is what the history knows of a run.
type Record struct {
	ID            string    `json:"id"`
	Pipeline      string    `json:"pipeline"`
	State         State     `json:"state"`
	Reason        string    `json:"reason"`  // why it is in this state, in words; may be empty
	Attempt       int       `json:"attempt"` // the newest that has begun; 0 before the first
	LogicalDate   time.Time `json:"logical_date"`
	Params        Values    `json:"params"`
	Cause         Cause     `json:"cause"`
	By            string    `json:"by"`                 // who triggered it
	Backfill      string    `json:"backfill,omitempty"` // the backfill's ID
	Worker        string    `json:"worker,omitempty"`   // the replica that works it, or last did
	CreatedAt     time.Time `json:"created_at"`
	StartedAt     time.Time `json:"started_at,omitzero"` // of the first attempt
	EndedAt       time.Time `json:"ended_at,omitzero"`
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
	Error         string    `json:"error,omitempty"` // of the newest attempt that failed
	Rejects       int64     `json:"rejects"`         // of the newest attempt that ended

	// Report holds the figures of the stages: of the attempt under way, as of the last
	// fraction of a second, or of the last one. Nil before the first, and in lists.
	Report *pipeline.Report `json:"report,omitempty"`

	// Attempts are all that have begun, the newest last. Nil in lists and when watching.
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Attempt is one attempt of a run.
type Attempt struct {
	Attempt   int       `json:"attempt"`
	State     State     `json:"state"` // Running, Lost, Succeeded, Failed, Cancelled, or Queued: handed back
	Reason    string    `json:"reason"`
	Worker    string    `json:"worker"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Error     string    `json:"error,omitempty"`
}

// Snapshot is a run at one moment of its life.
type Snapshot struct {
	// Seq grows with every change of the run, the same on every replica, so that a
	// watcher can go on where another left off.
	Seq    int64  `json:"seq"`
	Record Record `json:"run"`
}

// Filter chooses runs. The zero value is all of them.
type Filter struct {
	Pipeline string
	States   []State
	Backfill string
}

// Page is a part of a list, and where the next one begins.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // the token of the next page; empty at the end
}

// LogLine is one line that a run told.
type LogLine struct {
	ID      int64             `json:"id"` // grows within a run
	Time    time.Time         `json:"time"`
	Attempt int               `json:"attempt"`
	Stage   string            `json:"stage,omitempty"` // empty: the run as a whole
	Level   string            `json:"level"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
	Cut     bool              `json:"cut,omitempty"` // the marker that says that no more lines of this attempt were kept
}

// LogFilter chooses lines of one run.
type LogFilter struct {
	Stage   string // only of this stage; empty: all
	Attempt int    // only of this attempt; 0: all
	After   int64  // only lines with a greater ID: where the last page ended
	Limit   int    // at most so many lines. Defaults to 500, the most.
}

// RejectPage is a part of a run's rejects: those of its newest attempt that had any.
type RejectPage struct {
	Total   int64             `json:"total"` // all that there were; only the first [MaxKeptRejects] are kept
	Kept    int64             `json:"kept"`
	Reasons map[string]int64  `json:"reasons"` // how often each was given; rare ones may be left out
	Items   []pipeline.Reject `json:"items"`
	Next    int64             `json:"next,omitempty"` // pass as after for the next page; 0 at the end
}

// PipelineInfo is what is known of a definition.
type PipelineInfo struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Schedule    string         `json:"schedule,omitempty"`
	CatchUp     CatchUp        `json:"catch_up,omitempty"`
	MaxActive   int            `json:"max_active"`
	Params      []Param        `json:"params"`
	Graph       pipeline.Graph `json:"graph"`
	Paused      bool           `json:"paused"`
	PausedBy    string         `json:"paused_by,omitempty"`
	NextDue     time.Time      `json:"next_due,omitzero"` // when the schedule is due next; zero if paused or without one
	Active      int            `json:"active"`            // runs that hold a place
	Waiting     int            `json:"waiting"`           // runs that wait for one
	LastRuns    []Record       `json:"last_runs"`         // the newest ten
}

// Stats are figures over all replicas, for metrics.
type Stats struct {
	Runs      map[string]map[State]int64 `json:"runs"`    // by pipeline and state
	Waiting   int64                      `json:"waiting"` // runs that have not begun or wait for another attempt
	OldestAge time.Duration              `json:"-"`       // how long the oldest of those that may begin has waited
}
