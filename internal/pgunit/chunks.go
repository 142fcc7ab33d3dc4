package pgunit

import (
	"context"
	"sync"
)

// ChunkSize is the size in bytes at which a stage passes on what it has encoded.
const ChunkSize = 128 << 10

// chunk is a run of whole tuples.
type chunk struct {
	data []byte
	rows int64
}

// chunks is a queue of chunks from one stage to the driver of its COPY, bounded in
// bytes. One goroutine puts, one takes.
type chunks struct {
	mu     sync.Mutex
	queue  []chunk
	bytes  int
	closed bool
	free   [][]byte
	ready  chan struct{} // a chunk came, or the end: 1 signal at most
	space  chan struct{} // a chunk was taken: 1 signal at most
}

func newChunks() *chunks {
	return &chunks{ready: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put waits for room. done ends the wait; it is the driver's.
func (q *chunks) put(ctx context.Context, c chunk, done <-chan struct{}) error {
	for {
		q.mu.Lock()
		if q.bytes == 0 || q.bytes+len(c.data) <= limits.queue {
			q.queue = append(q.queue, c)
			q.bytes += len(c.data)
			q.mu.Unlock()
			signal(q.ready)
			return nil
		}
		q.mu.Unlock()
		select {
		case <-q.space:
		case <-done:
			return nil // the driver's own error is what counts
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close says that no more will come.
func (q *chunks) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.ready)
}

// take returns the next chunk; ended says that none will come any more.
func (q *chunks) take() (c chunk, ok, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return chunk{}, false, q.closed
	}
	c = q.queue[0]
	q.queue[0] = chunk{}
	q.queue = q.queue[1:]
	q.bytes -= len(c.data)
	signal(q.space)
	return c, true, false
}

// length is the number of chunks that wait.
func (q *chunks) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}

// buffer returns an empty buffer with room for a chunk.
func (q *chunks) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.free); n > 0 {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b[:0]
	}
	return make([]byte, 0, ChunkSize+ChunkSize/8)
}

// recycle takes a buffer back. One that a huge row has grown is let go.
func (q *chunks) recycle(b []byte) {
	if cap(b) > 2*ChunkSize {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.free) < QueueBytes/ChunkSize {
		q.free = append(q.free, b)
	}
}
