package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// Run is a run's identity.
type Run struct {
	Pipeline string
	ID       string            // the same for all attempts
	Attempt  int               // from 1
	Params   map[string]string // [Options].Params; not to be changed
}

// scope is what a context of a running pipeline carries.
type scope struct {
	run      Run
	state    State
	pipeline *Pipeline // while it is only validated
	attempt  *attempt  // nil while a pipeline is only validated
	node     *nodeRun  // nil outside a stage
	logger   hclog.Logger
}

type scopeKey struct{}

func scopeFrom(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// RunFrom returns the run that ctx belongs to: the context of a stage, of a
// step, of a unit's begin. While a pipeline is only validated the ID may be empty.
func RunFrom(ctx context.Context) (Run, bool) {
	if s := scopeFrom(ctx); s != nil {
		return s.run, true
	}
	return Run{}, false
}

// RangeFrom returns what an incremental source is to read. Only the context of
// that stage has it.
func RangeFrom(ctx context.Context) (Range, bool) {
	s := scopeFrom(ctx)
	if s == nil || s.attempt == nil || s.node == nil {
		return Range{}, false
	}
	r, ok := s.attempt.ranges[s.node.node.name]
	return r, ok
}

// MoveCursor reports how far an incremental source came whose Bound did not know it ([Cursored]). It is called while or
// after the source reads, as often as it likes: the last report counts. The cursor moves in the transaction that holds the
// rows; without a report it stays. Only the context of that source's stage can report.
func MoveCursor(ctx context.Context, value json.RawMessage) error {
	s := scopeFrom(ctx)
	if s == nil || s.attempt == nil || s.node == nil {
		return Permanent(errors.New("pipeline.MoveCursor: this context is not of a stage of a running pipeline"))
	}
	name := s.node.node.name
	switch known, ok := s.attempt.ranges[name]; {
	case !ok:
		return Permanent(fmt.Errorf("pipeline.MoveCursor: stage %q does not read incrementally", name))
	case known.To != nil:
		return Permanent(fmt.Errorf("pipeline.MoveCursor: the Bound of stage %q has said where this run ends", name))
	case !json.Valid(value):
		return Permanent(fmt.Errorf("pipeline.MoveCursor: the cursor of stage %q is no JSON", name))
	}
	s.attempt.mu.Lock()
	defer s.attempt.mu.Unlock()
	s.attempt.moved[name] = slices.Clone(value)
	return nil
}

// FenceFrom returns the mark that State gave this attempt ([Recovered].Fence): greater
// than that of every attempt of this run that began before. It is 0 without a State.
func FenceFrom(ctx context.Context) int64 {
	if s := scopeFrom(ctx); s != nil && s.attempt != nil {
		return s.attempt.fence
	}
	return 0
}

// StateFrom returns the State that the run was given, nil if none. It is for units
// of work that keep a ledger of their own beside the State's.
func StateFrom(ctx context.Context) State {
	if s := scopeFrom(ctx); s != nil {
		return s.state
	}
	return nil
}

// LoggerFrom returns the logger of the stage that ctx belongs to, with the fields
// run and stage. What it gets as a warning or worse is in the stage's report too. Outside
// a run it returns a silent one, never nil.
func LoggerFrom(ctx context.Context) hclog.Logger {
	if s := scopeFrom(ctx); s != nil && s.logger != nil {
		return s.logger
	}
	return hclog.NewNullLogger()
}

// withRun gives ctx the identity of a run that has not begun.
func (p *Pipeline) withRun(ctx context.Context) context.Context {
	if scopeFrom(ctx) != nil {
		return ctx
	}
	run := Run{Pipeline: p.name, ID: p.options.RunID, Attempt: p.options.Attempt, Params: p.options.Params}
	return context.WithValue(ctx, scopeKey{}, &scope{run: run, state: p.options.State, pipeline: p, logger: p.options.Logger})
}
