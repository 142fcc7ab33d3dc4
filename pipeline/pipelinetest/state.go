package pipelinetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/millrace/millrace/pipeline"
)

// State is a [pipeline.State] in memory: the ledger and the cursors of tests that need no database. The zero value is
// empty and ready; it is used by pointer, and may be used by several runs at once.
//
//	state := &pipelinetest.State{}
//	p := pipeline.New("p", pipeline.Options{State: state})
//
// It keeps the rules of a real one: what a run commits appears with the run's other units or not at all, an attempt that
// a later one has superseded cannot commit ([pipeline.ErrFenced]), and a run that has committed does not again.
type State struct {
	mu      sync.Mutex
	runs    map[runKey]*ledgerRun
	cursors map[cursorKey]json.RawMessage
}

type (
	runKey    struct{ pipeline, id string }
	cursorKey struct{ pipeline, source string }
)

type ledgerRun struct {
	fence     int64
	ranges    map[string]pipeline.Range
	committed *pipeline.Commit
}

// Cursor returns the last committed cursor of a source, nil if there is none.
func (s *State) Cursor(pipelineName, source string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[cursorKey{pipelineName, source}]
}

// SetCursor puts a cursor where a committed run would have.
func (s *State) SetCursor(pipelineName, source string, cursor json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cursors == nil {
		s.cursors = map[cursorKey]json.RawMessage{}
	}
	s.cursors[cursorKey{pipelineName, source}] = cursor
}

// Committed returns what the ledger keeps of a run, and whether it has committed.
func (s *State) Committed(pipelineName, runID string) (pipeline.Commit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[runKey{pipelineName, runID}]; r != nil && r.committed != nil {
		return *r.committed, true
	}
	return pipeline.Commit{}, false
}

// Begin implements [pipeline.State].
func (s *State) Begin(_ context.Context, run pipeline.Run, sources []string) (pipeline.Recovered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs == nil {
		s.runs = map[runKey]*ledgerRun{}
	}
	key := runKey{run.Pipeline, run.ID}
	r := s.runs[key]
	if r == nil {
		r = &ledgerRun{ranges: map[string]pipeline.Range{}}
		s.runs[key] = r
	}
	r.fence++
	known := pipeline.Recovered{Committed: r.committed, Cursors: map[string]json.RawMessage{}, Ranges: maps.Clone(r.ranges), Fence: r.fence}
	for _, source := range sources {
		if cursor := s.cursors[cursorKey{run.Pipeline, source}]; cursor != nil {
			known.Cursors[source] = cursor
		}
	}
	return known, nil
}

// Fix implements [pipeline.State].
func (s *State) Fix(_ context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[runKey{run.Pipeline, run.ID}]
	if r == nil {
		return fmt.Errorf("pipelinetest.State: run %q has not begun", run.ID)
	}
	maps.Copy(r.ranges, ranges)
	return nil
}

// Commit implements [pipeline.State].
func (s *State) Commit(ctx context.Context, run pipeline.Run, commit pipeline.Commit) error {
	_, err := pipeline.Join(ctx, s, func(context.Context) (*ledgerUnit, error) {
		return &ledgerUnit{state: s, run: run, commit: commit}, nil
	})
	return err
}

// ledgerUnit is the ledger's part of a run.
type ledgerUnit struct {
	state  *State
	run    pipeline.Run
	commit pipeline.Commit
}

func (u *ledgerUnit) Name() string                   { return "ledger in memory" }
func (u *ledgerUnit) Phase() pipeline.Phase          { return pipeline.PhaseLedger }
func (u *ledgerUnit) Prepare(context.Context) error  { return u.check() }
func (u *ledgerUnit) Rollback(context.Context) error { return nil }

func (u *ledgerUnit) check() error {
	u.state.mu.Lock()
	defer u.state.mu.Unlock()
	switch r := u.state.runs[runKey{u.run.Pipeline, u.run.ID}]; {
	case r.committed != nil:
		return pipeline.ErrAlreadyCommitted
	case r.fence != u.commit.Fence:
		return pipeline.ErrFenced
	}
	return nil
}

func (u *ledgerUnit) Commit(context.Context) error {
	if err := u.check(); err != nil {
		return err
	}
	for source, rng := range u.commit.Ranges {
		u.state.SetCursor(u.run.Pipeline, source, rng.To)
	}
	u.state.mu.Lock()
	defer u.state.mu.Unlock()
	u.state.runs[runKey{u.run.Pipeline, u.run.ID}].committed = &u.commit
	return nil
}
