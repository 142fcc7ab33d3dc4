package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// memoryState is a ledger in memory. What Commit writes appears when its unit commits.
type memoryState struct {
	mu        sync.Mutex
	committed map[string]pipeline.Commit // by run
	cursors   map[string]json.RawMessage
	ranges    map[string]map[string]pipeline.Range // by run
	begun     []int                                // attempts
	fail      func(attempt int) error              // for the unit's commit
	after     func(attempt int) error              // for its answer
	refuse    error                                // for Commit
}

func newMemoryState() *memoryState {
	return &memoryState{committed: map[string]pipeline.Commit{}, cursors: map[string]json.RawMessage{}, ranges: map[string]map[string]pipeline.Range{}}
}

func (m *memoryState) Begin(_ context.Context, run pipeline.Run, sources []string) (pipeline.Recovered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = append(m.begun, run.Attempt)
	rec := pipeline.Recovered{Cursors: map[string]json.RawMessage{}, Ranges: maps.Clone(m.ranges[run.ID]), Fence: int64(len(m.begun))}
	if c, ok := m.committed[run.ID]; ok {
		rec.Committed = &c
	}
	for _, s := range sources {
		if c, ok := m.cursors[s]; ok {
			rec.Cursors[s] = c
		}
	}
	return rec, nil
}

func (m *memoryState) Fix(_ context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ranges[run.ID] == nil {
		m.ranges[run.ID] = map[string]pipeline.Range{}
	}
	maps.Copy(m.ranges[run.ID], ranges)
	return nil
}

func (m *memoryState) Commit(ctx context.Context, run pipeline.Run, c pipeline.Commit) error {
	if m.refuse != nil {
		return m.refuse
	}
	_, err := pipeline.Join(ctx, m, func(context.Context) (*memoryUnit, error) { return &memoryUnit{m, run, c}, nil })
	return err
}

type memoryUnit struct {
	state  *memoryState
	run    pipeline.Run
	commit pipeline.Commit
}

func (u *memoryUnit) Name() string                   { return "ledger" }
func (u *memoryUnit) Phase() pipeline.Phase          { return pipeline.PhaseLedger }
func (u *memoryUnit) Prepare(context.Context) error  { return nil }
func (u *memoryUnit) Rollback(context.Context) error { return nil }
func (u *memoryUnit) Commit(context.Context) error {
	m := u.state
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(u.run.Attempt); err != nil {
			return err
		}
	}
	m.committed[u.run.ID] = u.commit
	for source, r := range u.commit.Ranges {
		m.cursors[source] = r.To
	}
	if m.after != nil {
		return m.after(u.run.Attempt)
	}
	return nil
}

// counter is an incremental source of the numbers up to *limit.
type counter struct {
	limit  *int
	bounds *int // how often it was asked for a bound
}

func (c counter) Incremental() bool { return true }

func (c counter) Bound(_ context.Context, _ json.RawMessage) (json.RawMessage, error) {
	*c.bounds++
	return json.RawMessage(strconv.Itoa(*c.limit)), nil
}

func (c counter) Extract(ctx context.Context, out *pipeline.Writer[int]) error {
	r, ok := pipeline.RangeFrom(ctx)
	if !ok {
		return errors.New("no range")
	}
	from := 0
	if r.From != nil {
		if err := json.Unmarshal(r.From, &from); err != nil {
			return err
		}
	}
	to, err := strconv.Atoi(string(r.To))
	if err != nil {
		return err
	}
	for i := from + 1; i <= to; i++ {
		if err := out.Write(i); err != nil {
			return err
		}
	}
	return nil
}

// finishing is a sink that can complete a commit.
type finishing struct {
	*collector[int]
	finished *[]string
}

func (f finishing) Finish(ctx context.Context) error {
	run, _ := pipeline.RunFrom(ctx)
	*f.finished = append(*f.finished, run.ID)
	return nil
}

func TestAnIncrementalSourceReadsEachRecordOnce(t *testing.T) {
	state := newMemoryState()
	limit, bounds := 5, 0
	var got collector[int]
	p := pipeline.New("incremental", pipeline.Options{State: state})
	pipeline.To(pipeline.From(p, "counter", counter{&limit, &bounds}), "sink", &got)
	mustRun(t, p)
	limit = 8
	mustRun(t, p)
	mustRun(t, p) // nothing new
	if want := []int{1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(got.got, want) {
		t.Fatalf("got %v, want %v", got.got, want)
	}
}

func TestARetryReadsTheSameRange(t *testing.T) {
	state := newMemoryState()
	limit, bounds := 5, 0
	var got []int
	tries := 0
	p := pipeline.New("incremental", pipeline.Options{State: state, Retry: pipeline.Retry{MaxAttempts: 3, Backoff: 1}})
	pipeline.To(pipeline.From(p, "counter", counter{&limit, &bounds}), "flaky", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		got = nil
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			got = append(got, r)
		}
		if tries++; tries < 3 {
			limit = 100 // the table grows meanwhile
			return errBroken
		}
		return nil
	}))
	rep := mustRun(t, p)
	if want := []int{1, 2, 3, 4, 5}; !slices.Equal(got, want) || bounds != 1 || rep.Attempt != 3 {
		t.Fatalf("got %v, asked %d times for a bound, attempt %d", got, bounds, rep.Attempt)
	}
	if string(state.cursors["counter"]) != "5" {
		t.Fatalf("the cursor stands at %s", state.cursors["counter"])
	}
	if !slices.Equal(state.begun, []int{1, 2, 3}) {
		t.Fatalf("attempts %v", state.begun)
	}
}

func TestARunIDThatWasCommittedIsANoOp(t *testing.T) {
	state := newMemoryState()
	var got collector[int]
	var finished []string
	p := pipeline.New("daily", pipeline.Options{State: state, RunID: "2026-01-31"})
	s := pipeline.From(p, "numbers", numbers(3))
	pipeline.To(s, "sink", finishing{&got, &finished})
	first := mustRun(t, p)
	if first.AlreadyCommitted || first.RunID != "2026-01-31" {
		t.Fatalf("first report %+v", first)
	}
	second := mustRun(t, p)
	if !second.AlreadyCommitted || second.Stage("sink").State != pipeline.StateSkipped {
		t.Fatalf("second report %+v", second)
	}
	if !slices.Equal(got.got, []int{0, 1, 2}) || !slices.Equal(finished, []string{"2026-01-31"}) {
		t.Fatalf("got %v, finished %v", got.got, finished)
	}
	if c := state.committed["2026-01-31"]; c.Rows != 3 || c.Attempt != 1 || c.Fence != 1 {
		t.Fatalf("the ledger says %+v", c)
	}
}

func TestACommitWhoseAnswerWasLostIsNotDoneTwice(t *testing.T) {
	state := newMemoryState()
	state.after = func(int) error { return pipeline.ErrOutcomeUnknown }
	var got collector[int]
	var finished []string
	p := pipeline.New("lost", pipeline.Options{State: state, Retry: pipeline.Retry{MaxAttempts: 3, Backoff: 1}})
	pipeline.To(pipeline.From(p, "numbers", numbers(3)), "sink", finishing{&got, &finished})
	rep := mustRun(t, p)
	if len(got.got) != 3 || !rep.AlreadyCommitted || rep.Attempt != 2 || len(finished) != 1 {
		t.Fatalf("%d records, report %+v, finished %v", len(got.got), rep, finished)
	}
}

func TestAStateThatFindsAnEarlierCommitLateEndsAsSuccess(t *testing.T) {
	state := newMemoryState()
	state.committed["x"] = pipeline.Commit{Attempt: 1}
	hidden := &lateState{memoryState: state}
	p := pipeline.New("late", pipeline.Options{State: hidden, RunID: "x", Retry: pipeline.Retry{MaxAttempts: 2, Backoff: 1}})
	pipeline.To(pipeline.From(p, "numbers", numbers(3)), "sink", &collector[int]{})
	if rep := mustRun(t, p); !rep.AlreadyCommitted || rep.Attempt != 2 {
		t.Fatalf("report %+v", rep)
	}
}

// lateState does not see the earlier commit at first, as when that one was still under way.
type lateState struct {
	*memoryState
	begins int
}

func (l *lateState) Begin(ctx context.Context, run pipeline.Run, sources []string) (pipeline.Recovered, error) {
	rec, err := l.memoryState.Begin(ctx, run, sources)
	if l.begins++; l.begins == 1 {
		rec.Committed = nil
	}
	return rec, err
}

func (l *lateState) Commit(context.Context, pipeline.Run, pipeline.Commit) error {
	return pipeline.ErrAlreadyCommitted
}

func TestAFencedAttemptDoesNotCommitAndIsNotRetried(t *testing.T) {
	state := newMemoryState()
	state.refuse = pipeline.ErrFenced
	var d diary
	p := unitPipeline(pipeline.Options{State: state, Retry: pipeline.Retry{MaxAttempts: 5, Backoff: 1}}, &fakeUnit{name: "data", diary: &d})
	_, err := p.Run(t.Context())
	if !errors.Is(err, pipeline.ErrFenced) || len(state.begun) != 1 {
		t.Fatalf("error %v after %d attempts", err, len(state.begun))
	}
	if want := []string{"begin data", "rollback data"}; !slices.Equal(d.entries, want) {
		t.Fatalf("got %v, want %v", d.entries, want)
	}
}

func TestACursorNeedsAState(t *testing.T) {
	limit, bounds := 1, 0
	p := pipeline.New("stateless", pipeline.Options{})
	pipeline.To(pipeline.From(p, "counter", counter{&limit, &bounds}), "sink", &collector[int]{})
	_, err := p.Run(t.Context())
	var ve *pipeline.ValidationError
	if !errors.As(err, &ve) || !strings.Contains(err.Error(), "Options.State") {
		t.Fatalf("error %v", err)
	}
}
