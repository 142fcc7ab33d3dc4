package pipeline

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Writer is a stage's output. It belongs to the one call that it was given to,
// and to one goroutine at a time.
type Writer[T any] struct {
	buf     []T // never full between calls
	queues  []*queue[T]
	halt    *halt
	stats   *laneStats
	rejects *rejectPort
	free    *freeList[T]

	sending sync.Mutex    // held while a batch is on its way to the readers; Write fills buf without it
	over    chan struct{} // closed when the call has returned
	enough  *atomic.Bool  // see ErrEnough
}

// errReturned is for a goroutine that a stage left behind.
var errReturned = errors.New("the stage has returned: a goroutine that uses its reader or writer must end before it does")

// Write passes one record on. It blocks while the stages behind are busy, and
// returns an error, which the stage should return, when the run is over or when
// nobody reads any more ([ErrEnough]).
//
// Records travel in batches: one that was written may wait until its batch is
// full, [Writer.Flush] is called, or the stage returns.
func (w *Writer[T]) Write(record T) (err error) {
	// Append first and look after, rather than the other way round: the record need not
	// be passed on to what makes room for it. Measured, that is a third of the cost.
	if w.buf = append(w.buf, record); len(w.buf) == cap(w.buf) {
		err = w.Flush()
	}
	return err
}

// WriteBatch passes many records on at once and takes ownership of the slice, to
// its capacity: the caller must touch neither afterwards. A stage that forwards a batch in two
// parts therefore cuts the first one off from the second: b[:k:k], then b[k:]. Order
// against Write is kept.
func (w *Writer[T]) WriteBatch(batch []T) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	if len(w.buf) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return w.send(batch)
}

// NewBatch returns an empty batch, with room for as many records as the run puts
// in a batch, to be filled and passed to [Writer.WriteBatch]. Its memory may have
// been used before: beyond its length lie old records, so a stage that decodes
// in place must set every field.
func (w *Writer[T]) NewBatch() []T { return w.free.get() }

// Flush passes on what was written and waits for its batch to fill. Sources that are
// about to wait for their own input call it, so that no record is held up meanwhile;
// nobody else needs to.
func (w *Writer[T]) Flush() error {
	w.sending.Lock()
	defer w.sending.Unlock()
	return w.flush()
}

func (w *Writer[T]) flush() error {
	if w.returned() {
		w.buf = w.buf[:0] // so that each Write looks
		return errReturned
	}
	if len(w.buf) == 0 {
		return w.send(nil)
	}
	batch := w.buf
	w.buf = w.free.get()
	return w.send(batch)
}

// end passes on what is left when the stage's call has returned err. If that is good, the
// writer refuses from then on, because the queues behind it may be closed at any time.
func (w *Writer[T]) end(err error) error {
	if err == nil {
		err = w.Flush()
	}
	if err != nil && !w.enough.Load() {
		return err
	}
	close(w.over)
	w.sending.Lock() // whoever is sending still must be gone
	defer w.sending.Unlock()
	w.buf = make([]T, 0, 1)
	return err
}

func (w *Writer[T]) returned() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// AddBytes adds n to the bytes that the report shows for this stage. For sources
// that know what they read.
func (w *Writer[T]) AddBytes(n int64) { w.stats.bytes.Add(n) }

// Reject sets a record aside that cannot be read or converted. See
// [Reader.Reject].
func (w *Writer[T]) Reject(reject Reject) error {
	reject.fitRecord(w.rejects.kept())
	return w.rejects.reject(reject)
}

// send gives the batch to every reader that is still there; all but the last get a copy.
func (w *Writer[T]) send(batch []T) error {
	// Asked first, so that a cancelled run stops at once although there is room.
	if err := w.halt.stopped(); err != nil {
		return err
	}
	if w.returned() {
		return errReturned
	}
	if w.enough.Load() {
		return ErrEnough
	}
	if len(batch) == 0 {
		return nil
	}
	n := int64(len(batch))
	last := len(w.queues) - 1
	for i, q := range w.queues {
		b := batch
		if i < last {
			if q.hasLeft() {
				continue
			}
			b = append(w.free.get(), batch...)
		}
		if err := w.sendTo(q, b); err != nil {
			return err
		}
	}
	w.stats.out.Add(n)
	return nil
}

func (w *Writer[T]) sendTo(q *queue[T], batch []T) error {
	if q.hasLeft() {
		w.free.put(batch)
		return nil
	}
	if q.waiting != nil {
		return w.sendToBacklog(q.waiting, batch)
	}
	select {
	case q.batches <- batch:
		return nil
	default:
	}
	w.stats.waitOut.begin(w.stats.epoch)
	defer w.stats.waitOut.end(w.stats.epoch)
	select {
	case q.batches <- batch:
		return nil
	case <-q.left:
		w.free.put(batch)
		return nil
	case <-w.over:
		return errReturned
	case <-w.halt.done:
		return w.halt.err()
	}
}

func (w *Writer[T]) sendToBacklog(b *backlog[T], batch []T) error {
	wait, err := b.put(batch)
	if wait == nil {
		return err
	}
	w.stats.waitOut.begin(w.stats.epoch)
	defer w.stats.waitOut.end(w.stats.epoch)
	for wait != nil {
		select {
		case <-wait:
		case <-w.over:
			return errReturned
		case <-w.halt.done:
			return w.halt.err()
		}
		wait, err = b.put(batch)
	}
	return err
}

// put is Write without a copy on the way.
func (w *Writer[T]) put(record *T) (err error) {
	if w.buf = append(w.buf, *record); len(w.buf) == cap(w.buf) {
		err = w.Flush()
	}
	return err
}
