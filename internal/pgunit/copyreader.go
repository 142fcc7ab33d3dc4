package pgunit

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/pgcodec"
)

// idleRead is how long a Read waits for input before it returns (0, nil), upon
// which pgconn looks whether the server has refused the COPY.
const idleRead = 25 * time.Millisecond

// copyReader gives CopyFrom the bytes of one COPY stream: header, tuples, trailer. It
// ends the stream when the input ends or somebody wants the turn; when the context
// is done it fails, which makes CopyFrom send CopyFail.
type copyReader struct {
	ended   <-chan struct{} // the context's
	cause   func() error
	format  pgcodec.Format
	queue   *chunks
	wanted  <-chan struct{}
	stopped chan struct{} // nobody may read any more

	mu     sync.Mutex // held during Read: pgconn may still be in one when CopyFrom has returned
	first  []byte     // the chunk that opened the stream, until its turn
	rest   []byte     // of what is being sent
	buffer []byte     // to be recycled after rest
	left   int        // chunks to send before the turn is given up; -1 while nobody wants it
	closed bool       // the trailer is in rest
	rows   int64
	idle   *time.Timer
}

func newCopyReader(ctx context.Context, format pgcodec.Format, queue *chunks, first chunk, wanted <-chan struct{}) *copyReader {
	return &copyReader{
		ended: ctx.Done(), cause: func() error { return context.Cause(ctx) },
		queue: queue, wanted: wanted, stopped: make(chan struct{}),
		rest: format.AppendHeader(nil), first: first.data, rows: first.rows, format: format,
		left: -1, idle: time.NewTimer(idleRead),
	}
}

// newBytesReader gives one COPY stream whose tuples are all there.
func newBytesReader(ctx context.Context, format pgcodec.Format, tuples []byte) *copyReader {
	queue := newChunks()
	queue.close()
	return newCopyReader(ctx, format, queue, chunk{data: tuples}, nil)
}

var errStopped = errors.New("the COPY has ended")

// Read implements io.Reader for pgconn.
func (r *copyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		select {
		case <-r.stopped:
			return 0, errStopped
		case <-r.ended:
			return 0, r.cause()
		default:
		}
		if len(r.rest) > 0 {
			n := copy(p, r.rest)
			r.rest = r.rest[n:]
			return n, nil
		}
		if r.closed {
			return 0, io.EOF
		}
		idle, err := r.next()
		if idle || err != nil {
			return 0, err
		}
	}
}

// next makes rest what is to be sent next. It waits a little; idle says in vain.
func (r *copyReader) next() (idle bool, err error) {
	if r.first != nil {
		r.rest, r.buffer, r.first = r.first, r.first, nil
		return false, nil
	}
	if r.buffer != nil {
		r.queue.recycle(r.buffer)
		r.buffer = nil
	}
	if r.left < 0 && r.isWanted() {
		r.left = r.queue.length()
	}
	if r.left != 0 {
		c, ok, ended := r.queue.take()
		if ok {
			r.rest, r.buffer = c.data, c.data
			r.rows += c.rows
			if r.left > 0 {
				r.left--
			}
			return false, nil
		}
		if ended {
			r.left = 0
		}
	}
	if r.left == 0 {
		r.rest, r.closed = r.format.AppendTrailer(nil), true
		return false, nil
	}
	r.idle.Reset(idleRead)
	select {
	case <-r.queue.ready:
	case <-r.wanted: // seen by isWanted in the next round
	case <-r.ended:
	case <-r.stopped:
	case <-r.idle.C:
		return true, nil
	}
	return false, nil
}

func (r *copyReader) isWanted() bool {
	select {
	case <-r.wanted:
		return true
	default:
		return false
	}
}

// stop ends the reading for good, waits for a Read under way, and returns how many
// rows were given.
func (r *copyReader) stop() int64 {
	close(r.stopped)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle.Stop()
	return r.rows
}
