package sources_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// sale is the record of most tests here.
type sale struct {
	ID       int64  `csv:"id"`
	Product  string `csv:"product"`
	Quantity int32  `csv:"quantity"`
}

// run reads a source in a pipeline and returns what came out of it, in order if
// it had one lane.
func run[T any](t *testing.T, source pipeline.Source[T], o pipeline.Options, stage ...pipeline.StageOption) ([]T, pipeline.Report, error) {
	t.Helper()
	got, _, report, err := runWithRejects(t, source, o, stage...)
	return got, report, err
}

func runWithRejects[T any](t *testing.T, source pipeline.Source[T], o pipeline.Options, stage ...pipeline.StageOption) ([]T, []pipeline.Reject, pipeline.Report, error) {
	t.Helper()
	var (
		got     []T
		rejects []pipeline.Reject
	)
	p := pipeline.New("test", o)
	pipeline.To(pipeline.From(p, "extract", source, stage...), "load", into(&got))
	pipeline.To(pipeline.Rejects(p), "refused", into(&rejects))
	report, err := p.Run(t.Context())
	return got, rejects, report, err
}

// into collects in memory what it is given, in each run anew.
func into[T any](to *[]T) pipeline.SinkFunc[T] {
	return func(_ context.Context, in *pipeline.Reader[T]) error {
		*to = nil
		for record, err := range in.All() {
			if err != nil {
				return err
			}
			*to = append(*to, record)
		}
		return nil
	}
}

// file writes a file into the folder and returns its path.
func file(t *testing.T, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// memoryState is a State that forgets with the process.
type memoryState struct {
	mu        sync.Mutex
	committed map[string]*pipeline.Commit
	cursors   map[string]json.RawMessage
	ranges    map[string]map[string]pipeline.Range
}

func newMemoryState() *memoryState {
	return &memoryState{
		committed: map[string]*pipeline.Commit{},
		cursors:   map[string]json.RawMessage{},
		ranges:    map[string]map[string]pipeline.Range{},
	}
}

func (s *memoryState) Begin(_ context.Context, run pipeline.Run, stages []string) (pipeline.Recovered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := pipeline.Recovered{Committed: s.committed[run.ID], Ranges: s.ranges[run.ID], Cursors: map[string]json.RawMessage{}}
	for name, c := range s.cursors {
		if slices.Contains(stages, name) {
			known.Cursors[name] = c
		}
	}
	return known, nil
}

func (s *memoryState) Fix(_ context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges[run.ID] = ranges
	return nil
}

func (s *memoryState) Commit(ctx context.Context, run pipeline.Run, c pipeline.Commit) error {
	_, err := pipeline.Join(ctx, s, func(context.Context) (pipeline.Unit, error) {
		return &memoryUnit{state: s, run: run, commit: c}, nil
	})
	return err
}

type memoryUnit struct {
	state  *memoryState
	run    pipeline.Run
	commit pipeline.Commit
}

func (*memoryUnit) Name() string                   { return "memory" }
func (*memoryUnit) Phase() pipeline.Phase          { return pipeline.PhaseLedger }
func (*memoryUnit) Prepare(context.Context) error  { return nil }
func (*memoryUnit) Rollback(context.Context) error { return nil }
func (u *memoryUnit) Commit(context.Context) error {
	u.state.mu.Lock()
	defer u.state.mu.Unlock()
	u.state.committed[u.run.ID] = &u.commit
	for name, r := range u.commit.Ranges {
		u.state.cursors[name] = r.To
	}
	return nil
}
