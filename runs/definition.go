package runs

import (
	"context"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// Definition is a pipeline that can be run at any time, by any replica.
type Definition struct {
	// Name is also that of the pipeline that Build returns: letters, digits, "_", "-" and
	// ".", at most 100, the first one a letter or digit.
	Name string

	// Description says in a line or two what the pipeline is for.
	Description string

	// Schedule is a cron line of five fields (minute, hour, day of month, month, day of
	// week, of which 0 and 7 are Sunday), or one of @hourly, @daily, @weekly, @monthly, @yearly.
	// It is in UTC unless it begins with a zone: "TZ=Europe/Istanbul 0 3 * * *". Defaults to none:
	// the pipeline runs when it is triggered.
	//
	// Where clocks are changed, a line that fixes hour and minute is due once for each time of each
	// date: at the end of the gap if that time does not exist, at its first if it comes twice. Other
	// lines (with a * in either: */15, @hourly) go by elapsed time.
	Schedule string

	// CatchUp says what becomes of due dates that passed while no replica ran or the
	// schedule was paused. Defaults to [CatchUpLast].
	CatchUp CatchUp

	// MaxCatchUp is the most due dates that [CatchUpAll] makes up for; older ones are left
	// out. Defaults to 100.
	MaxCatchUp int

	// MaxActive is how many runs of this pipeline may be under way at once, over all
	// replicas; others wait in the order in which they came. Defaults to 1.
	MaxActive int

	// Timeout bounds one attempt. Defaults to none.
	Timeout time.Duration

	// Retry says how often a run that failed is tried again, unless its error is
	// permanent ([pipeline.IsPermanent]). Defaults to one attempt.
	Retry pipeline.Retry

	// Params are what a trigger can set. Others are refused.
	Params []Param

	// Build makes the pipeline of one run. It is called once when a service is made, with the
	// defaults of all params, and then at each attempt; it should do no I/O, which
	// belongs into stages. The runner sets RunID, Attempt, Params, State, Timeout and Retry of its
	// options; a logger there is replaced by the run's.
	Build func(ctx context.Context, run Run) (*pipeline.Pipeline, error)
}

// CatchUp says what becomes of due dates that were missed.
type CatchUp string

// The policies.
const (
	CatchUpLast CatchUp = "last" // one run, for the newest missed date
	CatchUpSkip CatchUp = "skip" // none
	CatchUpAll  CatchUp = "all"  // one for each, up to Definition.MaxCatchUp
)

// Run is what Build is told of the run it builds for.
type Run struct {
	Pipeline    string
	ID          string // a UUID; the same for all attempts
	Attempt     int    // from 1
	LogicalDate time.Time
	Params      Values
}
