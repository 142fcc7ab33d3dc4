package pipeline

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// halt is how readers and writers learn that the attempt is over. It stands in
// for a context, which a long-lived struct should not hold.
type halt struct {
	done <-chan struct{}
	err  func() error
}

// stopped returns the reason once the attempt is over, nil before.
func (h *halt) stopped() error {
	select {
	case <-h.done:
		return h.err()
	default:
		return nil
	}
}

// queue is one edge of a running graph: a bounded queue of batches with one or
// more producers (the lanes of a stage, the streams of a merge) and one or more
// consumers (the lanes of the reading stage).
//
// It is closed only when every producer ended well. After a failure it stays
// open for ever, so that a consumer that ignores errors still cannot take a torn
// stream for a whole one.
type queue[T any] struct {
	batches   chan []T
	producers atomic.Int64
	free      *freeList[T]
	left      chan struct{} // closed when the reading stage has returned: nobody reads any more
	waiting   *backlog[T]   // in place of batches where its stage may have to wait for something else
}

func newQueue[T any](free *freeList[T], producers, buffer int) *queue[T] {
	q := &queue[T]{batches: make(chan []T, buffer), free: free, left: make(chan struct{})}
	q.producers.Store(int64(producers))
	return q
}

// feed is a queue whose record type is not known: the graph's view of it.
type feed interface {
	producerDone()
	leave()
	hasLeft() bool
	step(away int)
}

func (q *queue[T]) producerDone() {
	if q.producers.Add(-1) > 0 {
		return
	}
	if q.waiting != nil {
		q.waiting.end()
		return
	}
	close(q.batches)
}

// leave is called when the reading stage has returned, with all its lanes. What is on its
// way then, and what is still written, is dropped.
func (q *queue[T]) leave() {
	close(q.left)
	if q.waiting != nil {
		q.waiting.leave()
	}
}

// step says that the reading stage begins to wait for something else, or has ended to.
func (q *queue[T]) step(away int) {
	if q.waiting != nil {
		q.waiting.step(away)
	}
}

// idle tells whether the next batch would have to be waited for.
func (q *queue[T]) idle() bool {
	if q.waiting != nil {
		return q.waiting.idle()
	}
	return len(q.batches) == 0
}

func (q *queue[T]) hasLeft() bool {
	select {
	case <-q.left:
		return true
	default:
		return false
	}
}

// freeList keeps used batches of one record type for reuse within one attempt:
// without it each batch would be allocated, zeroed and collected, which costs
// more than the hop itself. Batches are not cleared, so what their records point
// to lives on until they are overwritten or the attempt ends; the list is short.
type freeList[T any] struct {
	batches chan []T
	size    int // records in a batch
}

func (f *freeList[T]) get() []T {
	select {
	case b := <-f.batches:
		return b[:0]
	default:
		return make([]T, 0, f.size)
	}
}

func (f *freeList[T]) put(b []T) {
	// A batch of another size came from a stage's own make; a huge one would pin memory.
	if cap(b) < f.size || cap(b) > 2*f.size {
		return
	}
	select {
	case f.batches <- b:
	default:
	}
}

// freeLists holds one freeList for each record type of an attempt.
type freeLists struct {
	mu    sync.Mutex
	size  int
	depth int
	lists map[reflect.Type]any
}

func freeListOf[T any](ls *freeLists) *freeList[T] {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	key := reflect.TypeFor[T]()
	if l, ok := ls.lists[key]; ok {
		return l.(*freeList[T])
	}
	l := &freeList[T]{batches: make(chan []T, ls.depth), size: ls.size}
	ls.lists[key] = l
	return l
}

// waitClock adds up the time that a lane waits on one side, and can be read
// while it waits. Only its lane writes it.
type waitClock struct {
	total atomic.Int64 // ns
	since atomic.Int64 // mark of when the wait began, 0 when not waiting
}

// mark is the time since epoch in ns, plus one, so that 0 can mean never.
func mark(epoch time.Time) int64 { return int64(time.Since(epoch)) + 1 }

func (c *waitClock) begin(epoch time.Time) { c.since.Store(mark(epoch)) }

func (c *waitClock) end(epoch time.Time) { c.total.Add(mark(epoch) - c.since.Swap(0)) }

func (c *waitClock) read(epoch time.Time) time.Duration {
	d := c.total.Load()
	if since := c.since.Load(); since != 0 {
		d += mark(epoch) - since
	}
	return time.Duration(d)
}

// laneStats are the counters of one lane of a stage. Records are counted by the
// batch, so that counting costs nothing.
type laneStats struct {
	input, port int // of the stage's streams, which one is counted

	epoch      time.Time // what waitClocks count from
	in, out    atomic.Int64
	bytes      atomic.Int64
	waitIn     waitClock
	waitOut    waitClock
	startedAt  atomic.Int64 // marks, 0 before
	finishedAt atomic.Int64
}

func newLaneStats() *laneStats { return &laneStats{epoch: time.Now()} }

func (s *laneStats) start()  { s.startedAt.Store(mark(s.epoch)) }
func (s *laneStats) finish() { s.finishedAt.Store(mark(s.epoch)) }

// elapsed is the time from the lane's start to its end, or to now.
func (s *laneStats) elapsed() time.Duration {
	start, end := s.startedAt.Load(), s.finishedAt.Load()
	if start == 0 {
		return 0
	}
	if end == 0 {
		end = mark(s.epoch)
	}
	return time.Duration(end - start)
}
