package pipeline

import (
	"context"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of events, in the order in which a run has them.
const (
	EventRunStarted   EventKind = "run_started"   // once, before the first attempt
	EventStageStarted EventKind = "stage_started" // in each attempt; Stage
	EventProgress     EventKind = "progress"      // every second while stages work; Report
	EventReject       EventKind = "reject"        // Stage, Reject
	EventCheck        EventKind = "check"         // Stage, Rule, Breaches
	EventStageEnded   EventKind = "stage_ended"   // Stage, State, Err
	EventCommitted    EventKind = "committed"     // everything is visible
	EventRunEnded     EventKind = "run_ended"     // once, after the last attempt; State, Err, Report
)

// Event is something that happened in a run. Fields that its kind does not name are zero.
type Event struct {
	Kind  EventKind
	At    time.Time
	Run   Run    // with the attempt
	Stage string // the stage's name

	State    RunState
	Err      error
	Report   Report
	Reject   Reject
	Rule     string // of a check
	Breaches int64  // rows that break the rule; 0 if it holds
}

// progressEvery is how often EventProgress comes.
const progressEvery = time.Second

// Checked tells those who take events ([Options].OnEvent) how a check came out: that a rule holds, or how many rows
// break it. It is for stages and steps that check; the run fails only by the error that they return.
func Checked(ctx context.Context, rule string, breaches int64) {
	s := scopeFrom(ctx)
	if s == nil || s.attempt == nil {
		return
	}
	e := Event{Kind: EventCheck, Rule: rule, Breaches: breaches}
	if s.node != nil {
		e.Stage = s.node.node.name
	}
	s.attempt.event(e)
}

func (a *attempt) event(e Event) { a.p.event(a.run, e) }

func (p *Pipeline) event(run Run, e Event) {
	if p.options.OnEvent == nil {
		return
	}
	e.At, e.Run = time.Now(), run
	// Some events come when it is too late to fail the run, or on a goroutine that is no stage's.
	if err := protect(func() error { p.options.OnEvent(e); return nil }); err != nil {
		p.options.Logger.Error("OnEvent panicked", "event", e.Kind, "stage", e.Stage, "error", err)
	}
}

// progress tells how the attempt goes until the context ends; done is closed when it tells no more.
func (a *attempt) progress(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	if a.p.options.OnEvent == nil {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				rep := Report{Pipeline: a.p.name, RunID: a.run.ID}
				a.fill(&rep)
				a.event(Event{Kind: EventProgress, Report: rep})
			}
		}
	}()
	return done
}
