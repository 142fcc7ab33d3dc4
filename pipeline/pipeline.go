package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// DefaultBatchSize is how many records travel together when Options do not say.
const DefaultBatchSize = 512

// DefaultBuffer is how many batches wait between two stages when Options do not say.
const DefaultBuffer = 4

// Options are the settings of a pipeline. The zero value is a plain one-off run:
// no log, no retry, no reject allowed, no state kept.
type Options struct {
	// Logger takes what the run tells, with the fields run and stage; [SlogLogger] makes one of a *slog.Logger.
	// Defaults to silence.
	Logger hclog.Logger

	// BatchSize is in records. Defaults to [DefaultBatchSize]. Memory in flight
	// is about BatchSize × (Buffer+2) records for each edge of the graph.
	BatchSize int

	// Buffer is how many batches an edge holds before its writer waits.
	// Defaults to [DefaultBuffer].
	Buffer int

	// MaxRejects is the budget of rejected records for a whole run: 0 fails at the
	// first, n tolerates n, -1 is no limit.
	MaxRejects int

	// OnReject, if set, is called with each reject when it is set aside, the one that
	// breaks the budget included, by several goroutines at once. It sees the rejects of runs
	// that fail too; to keep rejects with the data use [Rejects]. It must
	// return soon and copy what it keeps of Raw.
	OnReject func(Reject)

	// MaxWaiting bounds the memory, in bytes, of records that wait because their stage
	// waits for others ([After], [Via2]), all of a run together; more of them go to files in the
	// temporary folder. Defaults to [DefaultMaxWaiting].
	MaxWaiting int64

	// OnEvent, if set, is called when something happens: a run or a stage starts or ends, a record is set aside, a check is
	// made, a run is committed, and every second while stages work. It is called by several goroutines at once, a stage's
	// events by that stage's own: it must return at once. A panic in it is logged and changes nothing.
	OnEvent func(Event)

	// Retry says whether and when a failed run is tried again. Defaults to one attempt.
	Retry Retry

	// Timeout bounds one attempt. Defaults to none.
	Timeout time.Duration

	// RunID names the run, at most 200 bytes: a date, a file's hash. With State,
	// a run whose ID was committed before is a no-op. Defaults to a new random ID.
	RunID string

	// Attempt is the number of the first attempt, for callers that retry by
	// themselves. Defaults to 1.
	Attempt int

	// Params are handed to the stages by [RunFrom]; the pipeline itself does not
	// read them. The map must not be changed while a run goes on.
	Params map[string]string

	// State is where cursors and the ledger of commits are kept. Without it a
	// pipeline leaves no trace but its data, and incremental sources refuse to run.
	State State
}

// Pipeline is a graph of stages. It is built by [From], [Via], [Merge], [To] and
// [Do], and then run, as often as wanted and also several times at once if its
// stages allow that. Building must not go on while a run starts.
type Pipeline struct {
	name    string
	options Options

	mu       sync.Mutex
	nodes    []*node
	byName   map[string]*node
	rejects  *node // the origin of the stream of rejects, once asked for
	problems []error
}

// New returns an empty pipeline. What is wrong with the name or the options is
// reported by [Pipeline.Validate] and at the start.
func New(name string, options Options) *Pipeline {
	p := &Pipeline{name: name, options: options, byName: map[string]*node{}}
	if name == "" {
		p.problem("", "a pipeline needs a name")
	}
	if options.BatchSize < 0 {
		p.problem("", "Options.BatchSize is %d: it cannot be negative; leave it 0 for the default of %d", options.BatchSize, DefaultBatchSize)
	}
	if options.Buffer < 0 {
		p.problem("", "Options.Buffer is %d: it cannot be negative; leave it 0 for the default of %d", options.Buffer, DefaultBuffer)
	}
	if options.MaxWaiting < 0 {
		p.problem("", "Options.MaxWaiting is %d: it cannot be negative; leave it 0 for the default of %d bytes", options.MaxWaiting, DefaultMaxWaiting)
	}
	if options.MaxRejects < -1 {
		p.problem("", "Options.MaxRejects is %d: use 0 to fail at the first reject, n to tolerate n, -1 for no limit", options.MaxRejects)
	}
	if options.Timeout < 0 {
		p.problem("", "Options.Timeout is %v: it cannot be negative; leave it 0 for no limit", options.Timeout)
	}
	if options.Attempt < 0 {
		p.problem("", "Options.Attempt is %d: attempts count from 1", options.Attempt)
	}
	if len(options.RunID) > 200 {
		p.problem("", "Options.RunID is %d bytes long: at most 200 are allowed", len(options.RunID))
	}
	if err := options.Retry.check(); err != nil {
		p.problem("", "%w", err)
	}
	if options.Logger == nil {
		p.options.Logger = hclog.NewNullLogger()
	}
	if options.BatchSize <= 0 {
		p.options.BatchSize = DefaultBatchSize
	}
	if options.Buffer <= 0 {
		p.options.Buffer = DefaultBuffer
	}
	if options.MaxWaiting <= 0 {
		p.options.MaxWaiting = DefaultMaxWaiting
	}
	if options.Attempt <= 0 {
		p.options.Attempt = 1
	}
	return p
}

// WithOptions returns the same graph under changed options, for those who run
// pipelines that others have built (a scheduler, a test). The stages are shared; p stays
// as it is, and neither is to be built upon any further.
func (p *Pipeline) WithOptions(change func(*Options)) *Pipeline {
	p.mu.Lock()
	defer p.mu.Unlock()
	options := p.options
	change(&options)
	q := New(p.name, options)
	q.nodes, q.byName, q.rejects = p.nodes, p.byName, p.rejects
	q.problems = append(q.problems, p.problems...)
	return q
}

// Finishes tells whether a stage has work left after the commit ([Finisher]): a run that
// dies between the two is complete only after another attempt.
func (p *Pipeline) Finishes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if _, ok := n.value.(Finisher); ok {
			return true
		}
	}
	return false
}

// Claims returns what the stages claim ([Claimer]), stage by stage.
func (p *Pipeline) Claims() (claims []Claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if c, ok := n.value.(Claimer); ok {
			claims = append(claims, c.Claims()...)
		}
	}
	return claims
}

// must returns p, and says what is wrong where there is none to note a problem in: a nil Pipeline, or a zero Stream.
func (p *Pipeline) must(what, stage string) *Pipeline {
	if p == nil {
		if stage != "" {
			what += " of " + strconv.Quote(stage)
		}
		panic("pipeline: " + what + ": there is no pipeline: it takes one that New returned, and streams that From, Via and the like returned")
	}
	return p
}

// Name returns the pipeline's name.
func (p *Pipeline) Name() string { return p.name }

// problem notes a mistake in the building, for Validate.
func (p *Pipeline) problem(stage, format string, args ...any) {
	p.problems = append(p.problems, &StageError{Pipeline: p.name, Stage: stage, Err: Permanent(fmt.Errorf(format, args...))})
}

// Validate checks the graph and asks every stage that can ([Validator]) whether
// it is ready, without moving data. All problems are reported together, as a
// [*ValidationError].
func (p *Pipeline) Validate(ctx context.Context) error {
	return p.must("Validate", "").validate(p.withRun(ctx))
}

func (p *Pipeline) validate(ctx context.Context) error {
	p.mu.Lock()
	nodes := append([]*node(nil), p.nodes...)
	problems := append([]error(nil), p.problems...)
	p.mu.Unlock()

	problems = append(problems, p.graphProblems(nodes)...)
	problems = append(problems, p.claimProblems(nodes)...)
	ofGraph := problems
	// When the context ends, what the stages say may only echo that; what is wrong with the graph stays wrong.
	ended := func() error {
		if len(ofGraph) > 0 {
			return &ValidationError{Pipeline: p.name, Problems: ofGraph}
		}
		return context.Cause(ctx)
	}
	failed := map[*node]bool{}
	for _, n := range nodes {
		v, ok := n.value.(Validator)
		if !ok {
			continue
		}
		if ctx.Err() != nil {
			return ended()
		}
		err := protect(func() error { return v.Validate(ctx) })
		if ctx.Err() != nil {
			return ended()
		}
		if err != nil {
			failed[n] = true
			problems = append(problems, &StageError{Pipeline: p.name, Stage: n.name, Err: err})
		}
	}
	if ctx.Err() != nil {
		return ended()
	}
	problems = append(problems, p.datasetProblems(ctx, nodes, failed)...)
	if ctx.Err() != nil {
		return ended()
	}
	if len(problems) > 0 {
		return &ValidationError{Pipeline: p.name, Problems: problems}
	}
	return nil
}

// graphProblems finds what the compiler cannot.
func (p *Pipeline) graphProblems(nodes []*node) (problems []error) {
	add := func(stage, format string, args ...any) {
		problems = append(problems, &StageError{Pipeline: p.name, Stage: stage, Err: Permanent(fmt.Errorf(format, args...))})
	}
	if len(nodes) == 0 && len(p.problems) == 0 {
		add("", "the pipeline has no stages")
	}
	waits := waitsOf(nodes)
	waiting := waits.waitingInputs(nodes)
	read := map[origin]bool{}
	for _, n := range nodes {
		for _, in := range n.inputs {
			for _, o := range in.origins {
				read[o] = true
			}
		}
	}
	for _, n := range nodes {
		for port := range n.outputs() {
			switch {
			case read[origin{n, port}]:
			case len(n.ports) > 0:
				add(n.name, "nobody reads its stream %q: load it with To, or use Filter if only the others are wanted", n.ports[port])
			default:
				add(n.name, "nobody reads its stream: load it with To, or leave the stage out")
			}
		}
		if _, serial := n.value.(Serial); serial && n.lanes > 1 {
			add(n.name, "cannot run in %d lanes: it must see its whole input in one call; leave Parallel out", n.lanes)
		}
		if waits.circle(n) {
			add(n.name, "After: it would wait for a stage behind the stream of rejects, which ends only after every stage that can reject; "+
				"only a step (Do) and what reads the rejects can wait for that")
		}
		for i, in := range n.inputs {
			if !waiting[place{n, i}] {
				continue
			}
			if err := in.fits(); err != nil {
				add(n.name, "its records may have to wait in a file, because it waits for others: %w; write a record of another type to it (Map)", err)
			}
		}
		if c, ok := n.value.(Cursored); ok && c.Incremental() && p.options.State == nil {
			add(n.name, "reads incrementally, which needs a place for its cursor: set Options.State")
		}
	}
	return problems
}

// claimProblems adds up what the stages hold at once.
func (p *Pipeline) claimProblems(nodes []*node) (problems []error) {
	type sum struct {
		Claim
		need, shared int
		stages       []string
	}
	var sums []*sum
	byKey := map[any]*sum{}
	add := func(stage string, lanes int, c Claim) {
		s := byKey[c.Key]
		if s == nil {
			s = &sum{Claim: c}
			byKey[c.Key] = s
			sums = append(sums, s)
		}
		switch {
		case c.Shared:
			s.shared = max(s.shared, c.Need)
		case c.Once:
			s.need += c.Need
		default:
			s.need += c.Need * lanes
		}
		s.stages = append(s.stages, stage)
	}
	for _, n := range nodes {
		if claimer, ok := n.value.(Claimer); ok {
			for _, c := range claimer.Claims() {
				add(n.name, n.lanes, c)
			}
		}
	}
	if claimer, ok := p.options.State.(Claimer); ok {
		for _, c := range claimer.Claims() {
			add("state", 1, c)
		}
	}
	for _, s := range sums {
		if need := s.need + s.shared; need > s.Capacity {
			problems = append(problems, &StageError{Pipeline: p.name, Err: Permanent(fmt.Errorf(
				"%s has room for %d, but this pipeline needs %d at once (stages %s): it would wait for itself for ever; make it larger",
				s.Name, s.Capacity, need, joinNames(s.stages)))})
		}
	}
	return problems
}
