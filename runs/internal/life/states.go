package life

import "slices"

// State is where a run stands.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Retrying  State = "retrying"
	Lost      State = "lost"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// rule is what is true of a run in a state: which columns are set and which are not, and where it may go from there. A
// column that is newer than the first migration stays out of it: replicas of older versions do not know it, and go on
// working.
type rule struct {
	state State
	means string
	set   []string
	unset []string
	moves []move
}

// move is a way to another state.
type move struct {
	to State
	by string // what takes it there
}

// waits are the moves of all states in which a run waits.
var waits = []move{{Running, "a worker claims it"}, {Cancelled, "it is cancelled"}}

// table is the table of states, in the order of a run's life.
var table = []rule{
	{
		Queued, "waits for its pipeline's place, or for a worker",
		nil, []string{"lease_until", "cancel_by", "ended_at", "next_attempt_at"},
		waits,
	},
	{
		Running, "a worker has it",
		[]string{"active", "attempt", "job_id", "worker", "lease_until", "started_at"}, []string{"ended_at", "next_attempt_at"},
		[]move{
			{Succeeded, "its data is committed"},
			{Failed, "its attempt failed, the last that is allowed; or its workers died too often"},
			{Cancelled, "it was cancelled"},
			{Retrying, "its attempt failed"},
			{Lost, "its worker died"},
			{Queued, "its worker shuts down"},
		},
	},
	{
		Retrying, "failed, and will be tried again",
		[]string{"active", "attempt", "next_attempt_at"}, []string{"lease_until", "cancel_by", "ended_at"},
		waits,
	},
	{
		Lost, "its worker died; the next attempt is about to take over",
		[]string{"active", "attempt", "job_id"}, []string{"lease_until", "cancel_by", "ended_at", "next_attempt_at"},
		waits,
	},
	{
		Succeeded, "its data is committed",
		[]string{"ended_at"}, []string{"active", "job_id", "lease_until", "cancel_by", "next_attempt_at"},
		nil,
	},
	{
		Failed, "nothing of it is visible",
		[]string{"ended_at"}, []string{"active", "job_id", "lease_until", "cancel_by", "next_attempt_at"},
		[]move{{Queued, "somebody retries it"}},
	},
	{
		Cancelled, "nothing of it is visible",
		[]string{"ended_at"}, []string{"active", "job_id", "lease_until", "cancel_by", "next_attempt_at"},
		[]move{{Queued, "somebody retries it"}},
	},
}

// States lists all states, in the order of a run's life.
func States() (all []State) {
	for _, r := range table {
		all = append(all, r.state)
	}
	return all
}

func ruleOf(s State) rule {
	i := slices.IndexFunc(table, func(r rule) bool { return r.state == s })
	if i < 0 {
		return rule{state: s}
	}
	return table[i]
}

// Ended tells whether a run in this state is over, though it may be retried: it has the time of its end.
func (s State) Ended() bool { return slices.Contains(ruleOf(s).set, "ended_at") }

// May tells whether a run may go from a state to another.
func (s State) May(to State) bool {
	return slices.ContainsFunc(ruleOf(s).moves, func(m move) bool { return m.to == to })
}
