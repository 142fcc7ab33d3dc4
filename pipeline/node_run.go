package pipeline

import (
	"context"
	"errors"
	"reflect"
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
	inputs        []feed   // what it reads: as many as the node has
	outputs       [][]feed // the inputs of its readers, by port
	behindRejects bool     // it reads, directly or not, the stream of rejects
	logger        hclog.Logger
	halt          *halt
	done          chan struct{} // closed when it has ended well
	warnings      warnings      // what its logger was told
	rejects       atomic.Int64
	enough        atomic.Bool             // every reader has left, and the stage is told so
	told          chan struct{}           // closed then
	stop          context.CancelCauseFunc // ends a source's context then; nil for all others

	mu        sync.Mutex
	lanes     []*laneStats
	state     RunState
	err       error
	startedAt time.Time
	endedAt   time.Time
}

// newFeed makes the queue of an input. waits says that its stage may have to wait for something
// else meanwhile.
func newFeed[T any](a *attempt, producers int, waits bool) feed {
	q := newQueue(freeListOf[T](a.free), producers, a.p.options.Buffer)
	if waits {
		if b, err := newBacklog(q.free, a.waiting, a.p.options.Buffer); err == nil { // or else the validation says so
			q.waiting = b
		}
	}
	return q
}

func newReader[T any](r *nodeRun, input int, stats *laneStats) *Reader[T] {
	origin := -1
	if offset, ok := originOffset(reflect.TypeFor[T]()); ok {
		origin = int(offset)
	}
	return &Reader[T]{origin: origin, queue: r.inputs[input].(*queue[T]), halt: r.halt, told: r.told, stats: stats, rejects: &rejectPort{run: r, book: r.attempt.rejects}}
}

func newWriter[T any](r *nodeRun, port int, stats *laneStats) *Writer[T] {
	w := &Writer[T]{
		halt: r.halt, stats: stats, free: freeListOf[T](r.attempt.free), over: make(chan struct{}), enough: &r.enough,
		rejects: &rejectPort{run: r, book: r.attempt.rejects},
	}
	w.buf = w.free.get()
	for _, f := range r.outputs[port] {
		w.queues = append(w.queues, f.(*queue[T]))
	}
	return w
}

func (r *nodeRun) addLane() *laneStats { return r.addStats(0, 0) }

// addStats adds counters for one input and one port. A lane counts its first ones with
// its own, which alone also have a beginning and an end.
func (r *nodeRun) addStats(input, port int) *laneStats {
	s := newLaneStats()
	s.input, s.port = input, port
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes = append(r.lanes, s)
	return s
}

// run is the stage's goroutine.
func (r *nodeRun) run(ctx, workCtx context.Context, cancel context.CancelFunc) {
	err := errGoexit // what is left if the stage ends the goroutine
	defer func() {
		if v := recover(); v != nil {
			err = Permanent(&PanicError{Value: v, Stack: debug.Stack()})
		}
		r.finish(ctx, err)
		if r.stop != nil {
			r.stop(nil)
		}
		cancel()
	}()
	err = r.work(workCtx)
}

func (r *nodeRun) work(ctx context.Context) error {
	for _, o := range r.node.after {
		select {
		case <-r.attempt.byNode[o].done:
		case <-ctx.Done(): // nil when nobody wants what it would write
			return r.halt.stopped()
		}
	}
	if len(r.node.after) > 0 {
		for _, f := range r.inputs {
			f.step(-1)
		}
	}
	r.mu.Lock()
	r.state, r.startedAt = StateRunning, time.Now()
	r.mu.Unlock()
	r.attempt.event(Event{Kind: EventStageStarted, Stage: r.node.name})
	if err := r.node.work(ctx, r); err != nil && !r.hadEnough(err) {
		return err
	}
	if len(r.inputs) == 0 {
		return nil
	}
	if err := r.halt.stopped(); err != nil { // it swallowed the error of its reader
		return err
	}
	for _, f := range r.inputs { // a stage may stop reading early; whoever writes to it must not wait for ever
		f.leave()
	}
	for _, n := range r.node.upstream() {
		r.attempt.byNode[n].tellEnough()
	}
	return nil
}

// lanesOf runs f in n lanes and returns the first error.
func (r *nodeRun) lanesOf(n int, f func(i int, stats *laneStats) error) error {
	lane := func(i int, stats *laneStats) error {
		stats.start()
		defer stats.finish()
		if err := f(i, stats); !r.hadEnough(err) {
			return err
		}
		return nil
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
	if r.hadEnough(err) {
		return
	}
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
	r.attempt.event(Event{Kind: EventStageEnded, Stage: r.node.name, State: state, Err: err})
	if state != StateSucceeded {
		r.logger.Debug("stage ended", "state", state, "error", err)
		return
	}
	for _, port := range r.outputs {
		for _, f := range port {
			f.producerDone()
		}
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
		Rejects: r.rejects.Load(), StartedAt: r.startedAt, EndedAt: r.endedAt, Warnings: r.warnings.list(),
	}
	if r.err != nil {
		s.Error = r.err.Error()
	}
	if len(r.node.inputs) > 1 {
		for _, in := range r.node.inputs {
			s.Inputs = append(s.Inputs, StreamReport{Name: in.name})
		}
	}
	for _, name := range r.node.ports {
		s.Outputs = append(s.Outputs, StreamReport{Name: name})
	}
	for _, l := range r.lanes {
		in, out := l.in.Load(), l.out.Load()
		if len(s.Inputs) > 0 {
			s.Inputs[l.input].Records += in
		}
		if len(s.Outputs) > 0 {
			s.Outputs[l.port].Records += out
		}
		s.RecordsIn += in
		s.RecordsOut += out
		s.Bytes += l.bytes.Load()
		s.WaitingIn += l.waitIn.read(l.epoch)
		s.WaitingOut += l.waitOut.read(l.epoch)
		s.Working += l.elapsed()
	}
	s.Working = max(0, s.Working-s.WaitingIn-s.WaitingOut)
	return s
}
