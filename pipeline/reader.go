package pipeline

import (
	"iter"
	"unsafe"
)

// Reader is a stage's input. It belongs to the one call that it was given to,
// and to one goroutine at a time.
type Reader[T any] struct {
	queue   *queue[T]
	halt    *halt
	told    <-chan struct{} // closed when nobody wants what the stage writes; see ErrEnough
	stats   *laneStats
	rejects *rejectPort
	origin  int  // where in a record its Origin lies; -1 if it has none
	other   feed // of a stage with two inputs, the other one; nil for all others
	rest    []T  // what a loop over All left of its batch
	ended   bool
}

// All yields the records one by one. After an error, which is always the last
// pair, the stage should return that error. A loop that was left early can be taken
// up again by another call.
//
// A record is passed by value; for records over about 32 bytes [Reader.Batches]
// is cheaper.
func (r *Reader[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			batch, err := r.next()
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			if batch == nil {
				return
			}
			for i := range batch {
				if !yield(batch[i], nil) {
					r.rest = batch[i+1:]
					return
				}
			}
			r.queue.free.put(batch)
		}
	}
}

// Batches yields the records as they travel, some hundreds at a time. After an
// error, which is always the last pair, the stage should return that error.
//
// The batch is yours: keep it, change it, or pass it on with
// [Writer.WriteBatch]. A stage that does none of these may give it back with
// [Reader.Recycle] when it is done with it, which saves an allocation.
func (r *Reader[T]) Batches() iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		for {
			batch, err := r.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if batch == nil || !yield(batch, nil) {
				return
			}
		}
	}
}

// Recycle gives a batch back to the run, which will overwrite it. Nothing of it
// may be used afterwards: no subslice, no pointer to a record. (What a record
// points to is not touched.)
func (r *Reader[T]) Recycle(batch []T) { r.queue.free.put(batch) }

// AddBytes adds n to the bytes that the report shows for this stage. For sinks
// that know what they wrote.
func (r *Reader[T]) AddBytes(n int64) { r.stats.bytes.Add(n) }

// Reject sets a record of this input aside. It returns an error, which
// the stage must return, when the run's budget ([Options].MaxRejects) does not
// allow it. The stage's name is filled in; so are the record as it is now and, if it has an [Origin], where
// it comes from. A nil record is one that the stage does not have any more.
//
// It can block until the stream of [Rejects] takes it: never call it while
// holding something that another stage may be waiting for.
func (r *Reader[T]) Reject(record *T, reject Reject) error {
	switch kept := r.rejects.kept(); {
	case record == nil:
		reject.fitRecord(kept)
	case kept:
		// A copy, so that the variable of a loop over All stays on the stack: one of the heap costs 33 ns a record.
		copied := new(T)
		*copied = *record
		reject.Record = recordJSON(copied)
	default:
		reject.Record = nil
	}
	if record != nil && r.origin >= 0 {
		reject.from(*(*Origin)(unsafe.Add(unsafe.Pointer(record), r.origin)))
	}
	return r.rejects.reject(reject)
}

// next returns the next batch, nil at the end of the stream.
func (r *Reader[T]) next() ([]T, error) {
	if len(r.rest) > 0 {
		batch := r.rest
		r.rest = nil
		return batch, nil
	}
	for {
		if r.ended {
			return nil, nil
		}
		// Asked first, so that a cancelled run stops at once although there is input.
		if err := r.halt.stopped(); err != nil {
			return nil, err
		}
		if r.queue.hasLeft() {
			return nil, errReturned
		}
		select {
		case <-r.told:
			return nil, ErrEnough
		default:
		}
		batch, ok, err := r.receive()
		if err != nil {
			return nil, err
		}
		if !ok {
			r.ended = true
			return nil, nil
		}
		if len(batch) > 0 {
			r.stats.in.Add(int64(len(batch)))
			return batch, nil
		}
	}
}

func (r *Reader[T]) receive() (batch []T, ok bool, err error) {
	var wait <-chan struct{}
	if r.queue.waiting != nil {
		if batch, ok, wait, err = r.queue.waiting.take(); wait == nil {
			return batch, ok, err
		}
	} else {
		select {
		case batch, ok = <-r.queue.batches:
			return batch, ok, nil
		default:
		}
	}
	r.stats.waitIn.begin(r.stats.epoch)
	defer r.stats.waitIn.end(r.stats.epoch)
	if r.other != nil { // who writes to it must not be held up meanwhile
		r.other.step(1)
		defer r.other.step(-1)
	}
	for wait != nil {
		select {
		case <-wait:
		case <-r.told:
			return nil, false, ErrEnough
		case <-r.queue.left:
			return nil, false, errReturned
		case <-r.halt.done:
			return nil, false, r.halt.err()
		}
		if batch, ok, wait, err = r.queue.waiting.take(); wait == nil {
			return batch, ok, err
		}
	}
	select {
	case batch, ok = <-r.queue.batches:
		return batch, ok, nil
	case <-r.told:
		return nil, false, ErrEnough
	case <-r.queue.left:
		return nil, false, errReturned
	case <-r.halt.done:
		return nil, false, r.halt.err()
	}
}

// idle tells whether the next batch would have to be waited for.
func (r *Reader[T]) idle() bool { return len(r.rest) == 0 && r.queue.idle() }
