package pipeline

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// nodeRun is one stage in one attempt.
type nodeRun struct {
	attempt       *attempt
	node          *node
	input         feed   // what it reads, nil for sources and steps
	outputs       []feed // the inputs of its readers
	behindRejects bool   // it reads, directly or not, the stream of rejects
	logger        hclog.Logger
	halt          *halt
	done          chan struct{} // closed when it has ended well
	rejects       atomic.Int64

	mu        sync.Mutex
	lanes     []*laneStats
	state     RunState
	err       error
	startedAt time.Time
	endedAt   time.Time
}

func newFeed[T any](a *attempt, producers int) feed {
	q := &queue[T]{batches: make(chan []T, a.p.options.Buffer), free: freeListOf[T](a.free)}
	q.producers.Store(int64(producers))
	return q
}

func newReader[T any](r *nodeRun, stats *laneStats) *Reader[T] {
	return &Reader[T]{queue: r.input.(*queue[T]), halt: r.halt, stats: stats, rejects: &rejectPort{run: r, book: r.attempt.rejects}}
}

func newWriter[T any](r *nodeRun, stats *laneStats) *Writer[T] {
	w := &Writer[T]{
		halt: r.halt, stats: stats, free: freeListOf[T](r.attempt.free), over: make(chan struct{}),
		rejects: &rejectPort{run: r, book: r.attempt.rejects},
	}
	w.buf = w.free.get()
	for _, f := range r.outputs {
		w.queues = append(w.queues, f.(*queue[T]))
	}
	return w
}

func (r *nodeRun) addLane() *laneStats {
	s := newLaneStats()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes = append(r.lanes, s)
	return s
}

// run is the stage's goroutine.
func (r *nodeRun) run(ctx context.Context, cancel context.CancelFunc) {
	err := errGoexit // what is left if the stage ends the goroutine
	defer func() {
		if v := recover(); v != nil {
			err = Permanent(&PanicError{Value: v, Stack: debug.Stack()})
		}
		r.finish(ctx, err)
		cancel()
	}()
	err = r.work(ctx)
}

func (r *nodeRun) work(ctx context.Context) error {
	for _, o := range r.node.after {
		select {
		case <-r.attempt.byNode[o].done:
		case <-ctx.Done():
			return r.halt.err()
		}
	}
	r.mu.Lock()
	r.state, r.startedAt = StateRunning, time.Now()
	r.mu.Unlock()
	if err := r.node.work(ctx, r); err != nil {
		return err
	}
	if r.input != nil { // a stage may stop reading early; whoever writes to it must not wait for ever
		return r.input.drain(r.halt)
	}
	return nil
}

// lanesOf runs f in n lanes and returns the first error.
func (r *nodeRun) lanesOf(n int, f func(i int, stats *laneStats) error) error {
	lane := func(i int, stats *laneStats) error {
		stats.start()
		defer stats.finish()
		return f(i, stats)
	}
	if n == 1 {
		return lane(0, r.addLane())
	}
	lanes := make([]*laneStats, n)
	for i := range lanes {
		lanes[i] = r.addLane()
	}
	// A lane that fails ends the run at once: the others must not work on.
	return sideBySide(n, func(i int) error { return lane(i, lanes[i]) }, r.fail)
}

// fail ends the attempt because of this stage, unless it is over already.
func (r *nodeRun) fail(err error) {
	r.attempt.fail(&StageError{Pipeline: r.attempt.p.name, Stage: r.node.name, Err: err})
}

// finish notes how the stage ended, and lets those who wait for it know.
func (r *nodeRun) finish(ctx context.Context, err error) {
	over := r.attempt.halt.stopped() != nil
	if err != nil && !over {
		// A stage that hit its own time limit tends to say only "context deadline exceeded".
		if ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
			err = context.Cause(ctx)
		}
		r.fail(err)
	}
	state := StateSucceeded
	if err != nil {
		state = StateFailed
		if r.attempt.echoes(r, err) {
			state, err = StateCancelled, nil
		}
	}
	r.mu.Lock()
	r.state, r.err, r.endedAt = state, err, time.Now()
	if r.startedAt.IsZero() {
		r.startedAt = r.endedAt
	}
	r.mu.Unlock()
	if state != StateSucceeded {
		r.logger.Debug("stage ended", "state", state, "error", err)
		return
	}
	for _, f := range r.outputs {
		f.producerDone()
	}
	close(r.done)
	r.attempt.stageSucceeded(r)
	s := r.report()
	r.logger.Debug("stage ended", "state", state, "in", s.RecordsIn, "out", s.RecordsOut, "rejects", s.Rejects,
		"working", s.Working, "waiting_in", s.WaitingIn, "waiting_out", s.WaitingOut)
}

// skip marks the stage of a run that was committed before.
func (r *nodeRun) skip() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = StateSkipped
}

func (r *nodeRun) report() StageReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := StageReport{
		Name: r.node.name, Kind: r.node.kind, Description: r.node.describe(), State: r.state, Lanes: r.node.lanes,
		Rejects: r.rejects.Load(), StartedAt: r.startedAt, EndedAt: r.endedAt,
	}
	if r.err != nil {
		s.Error = r.err.Error()
	}
	for _, l := range r.lanes {
		in, out := l.waitIn.read(l.epoch), l.waitOut.read(l.epoch)
		s.RecordsIn += l.in.Load()
		s.RecordsOut += l.out.Load()
		s.Bytes += l.bytes.Load()
		s.WaitingIn += in
		s.WaitingOut += out
		s.Working += max(0, l.elapsed()-in-out)
	}
	return s
}
