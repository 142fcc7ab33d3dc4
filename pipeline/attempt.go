package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// attempt is one try of a run: the graph's nodes with their queues and
// counters, the units of work, and what stops it all.
type attempt struct {
	p       *Pipeline
	run     Run
	logger  hclog.Logger
	nodes   []*nodeRun
	byNode  map[*node]*nodeRun
	free    *freeLists
	rejects *rejectBook
	waiting *waitingRoom
	units   unitSet
	ranges  map[string]Range
	fence   int64 // what State gave this attempt

	scopedContext func() context.Context // ends with the attempt
	cause         func() error           // why it ended, nil before
	halt          *halt
	cancel        context.CancelCauseFunc
	rejectors     atomic.Int64 // stages that may still reject

	mu      sync.Mutex
	failure error // the first failure of a stage
	by      *nodeRun
	state   RunState
	already bool

	moved map[string]json.RawMessage // what MoveCursor reported

	undecided bool // a unit was committed, or may have been, and a later one not
}

// stopError is what readers and writers return once an attempt is over.
type stopError struct{ cause error }

func (e *stopError) Error() string        { return "the run is over: " + e.cause.Error() }
func (e *stopError) Unwrap() error        { return e.cause }
func (e *stopError) Is(target error) bool { return target == context.Canceled }

// timeoutError says which limit was exceeded.
type timeoutError struct {
	what  string
	limit time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("%s took longer than its limit of %v", e.what, e.limit)
}
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

func haltOn(ctx context.Context) *halt {
	return &halt{done: ctx.Done(), err: func() error { return &stopError{cause: context.Cause(ctx)} }}
}

// newAttempt builds everything an attempt needs and starts nothing. The context
// that it returns ends with the attempt; stop releases it.
func newAttempt(ctx context.Context, p *Pipeline, run Run) (a *attempt, _ context.Context, stop func()) {
	a = &attempt{
		p: p, run: run, state: StatePending,
		logger: p.options.Logger.With("pipeline", p.name, "run", run.ID, "attempt", run.Attempt),
		byNode: map[*node]*nodeRun{},
		// As many batches as can be on their way at once, so that a burst of returned ones is kept.
		free:   &freeLists{size: p.options.BatchSize, depth: len(p.nodes) * (p.options.Buffer + 2), lists: map[reflect.Type]any{}},
		units:  unitSet{byKey: map[any]*joinedUnit{}},
		ranges: map[string]Range{}, moved: map[string]json.RawMessage{},

		waiting: newWaitingRoom(p.options.MaxWaiting),
	}
	a.rejects = &rejectBook{budget: p.options.MaxRejects, reasons: map[string]int64{}, ended: make(chan struct{})}

	stopTimer := func() {}
	if d := p.options.Timeout; d > 0 {
		ctx, stopTimer = context.WithTimeoutCause(ctx, d, &timeoutError{what: "the run", limit: d})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ctx = context.WithValue(ctx, scopeKey{}, &scope{run: run, state: p.options.State, attempt: a, logger: a.logger})
	a.cancel = cancel
	a.halt = haltOn(ctx)
	a.scopedContext = func() context.Context { return ctx }
	a.cause = func() error { return context.Cause(ctx) }

	a.wire()
	return a, ctx, func() {
		cancel(nil)
		stopTimer()
		if err := a.waiting.folder.Close(); err != nil {
			a.logger.Warn("a folder of records that waited was not removed", "error", err)
		}
	}
}

// wire makes the nodes and the queues between them.
func (a *attempt) wire() {
	a.p.mu.Lock()
	nodes := a.p.nodes
	a.p.mu.Unlock()
	waiting := waitsOf(nodes).waitingInputs(nodes)
	for _, n := range nodes {
		r := &nodeRun{attempt: a, node: n, state: StatePending, done: make(chan struct{}), told: make(chan struct{})}
		r.logger = &warningLogger{Logger: a.logger.With("stage", n.name), warnings: &r.warnings}
		a.nodes = append(a.nodes, r)
		a.byNode[n] = r
		// Inputs come before their readers in the list, so one pass is enough.
		r.outputs = make([][]feed, n.outputs())
		for i, in := range n.inputs {
			f := in.newFeed(a, len(in.origins), waiting[place{n, i}])
			if len(n.after) > 0 {
				f.step(1)
			}
			r.inputs = append(r.inputs, f)
			for _, o := range in.origins {
				from := a.byNode[o.node]
				r.behindRejects = r.behindRejects || o.node.kind == KindRejects || from.behindRejects
				from.outputs[o.port] = append(from.outputs[o.port], f)
			}
		}
		if r.mayReject() {
			a.rejectors.Add(1)
		}
	}
}

// mayReject tells whether the stream of rejects must wait for this stage.
func (r *nodeRun) mayReject() bool {
	return !r.behindRejects && r.node.kind != KindRejects && r.node.kind != KindStep
}

// stageSucceeded ends the stream of rejects after the last stage that can reject.
func (a *attempt) stageSucceeded(r *nodeRun) {
	if r.mayReject() && a.rejectors.Add(-1) == 0 {
		close(a.rejects.ended)
	}
}

// fail ends the attempt, if it is not over already.
func (a *attempt) fail(err *StageError) {
	a.mu.Lock()
	if a.failure == nil && a.halt.stopped() == nil {
		a.failure = err
		a.by = a.byNode[a.p.byName[err.Stage]]
	}
	a.mu.Unlock()
	a.cancel(err)
}

// echoes tells whether a stage's error only says that the attempt is over.
func (a *attempt) echoes(r *nodeRun, err error) bool {
	a.mu.Lock()
	by := a.by
	a.mu.Unlock()
	if by == r {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, a.cause()) || by != nil && errors.Is(err, a.failure)
}

// runStages starts every stage and waits for all of them.
func (a *attempt) runStages(ctx context.Context) error {
	// All contexts exist before the first stage starts: the writer of rejects,
	// which any stage may use, is of another stage.
	starts := make([]func(), len(a.nodes))
	for i, r := range a.nodes {
		s := &scope{run: a.run, state: a.p.options.State, attempt: a, node: r, logger: r.logger}
		stageCtx, cancel := context.WithValue(ctx, scopeKey{}, s), context.CancelFunc(func() {})
		if d := r.node.timeout; d > 0 {
			stageCtx, cancel = context.WithTimeoutCause(stageCtx, d, &timeoutError{what: "the stage", limit: d})
		}
		r.halt = haltOn(stageCtx)
		workCtx := stageCtx
		if r.node.kind == KindSource {
			workCtx, r.stop = context.WithCancelCause(stageCtx)
		}
		starts[i] = func() { r.run(stageCtx, workCtx, cancel) }
		if r.node.kind == KindRejects {
			a.rejects.out = newWriter[Reject](r, 0, r.addLane())
		}
	}
	if a.rejectors.Load() == 0 {
		close(a.rejects.ended)
	}
	var wg sync.WaitGroup
	for _, start := range starts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			start()
		}()
	}
	wg.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failure != nil {
		return a.failure
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (a *attempt) setState(s RunState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = s
}

// fill adds what the attempt knows to a report.
func (a *attempt) fill(rep *Report) {
	a.mu.Lock()
	rep.Attempt, rep.State, rep.AlreadyCommitted = a.run.Attempt, a.state, a.already
	a.mu.Unlock()
	a.rejects.mu.Lock()
	rep.Rejects = a.rejects.count
	a.rejects.mu.Unlock()
	rep.Stages = make([]StageReport, len(a.nodes))
	for i, r := range a.nodes {
		rep.Stages[i] = r.report()
	}
}
