package pipeline

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/internal/spill"
)

// DefaultMaxWaiting is in bytes; see [Options].MaxWaiting.
const DefaultMaxWaiting = 64 << 20

// waitingRoom is what the records that wait in one attempt may take, all edges together.
type waitingRoom struct {
	limit  int64
	taken  atomic.Int64
	folder *spill.Folder
}

func newWaitingRoom(limit int64) *waitingRoom {
	return &waitingRoom{limit: limit, folder: spill.NewFolder("", limit)}
}

// take tells whether there is room, and takes it.
func (r *waitingRoom) take(size int64) bool {
	if r.taken.Add(size) <= r.limit {
		return true
	}
	r.taken.Add(-size)
	return false
}

// backlog is in the place of a queue's channel where the reading stage may have to wait for
// something else than this queue (see waitingInputs). While it does it is away: then nobody who
// writes is held up; batches go to memory while the attempt's waitingRoom allows it, and
// then to a file. Otherwise the backlog is as bounded as any queue.
type backlog[T any] struct {
	free     *freeList[T]
	capacity int // in batches
	room     *waitingRoom
	size     func(*T) int64 // nil when a record holds nothing but itself

	mu      sync.Mutex
	away    int               // for how many reasons the reader is away
	memory  []waitingBatch[T] // older than what is in the file
	file    *spill.Queue[T]
	ended   bool
	left    bool
	changed chan struct{} // closed at the next change; nil when nobody waits for one
}

type waitingBatch[T any] struct {
	records []T
	taken   int64 // of the waitingRoom
}

func newBacklog[T any](free *freeList[T], room *waitingRoom, capacity int) (*backlog[T], error) {
	codec, err := spill.NewCodec[T]()
	if err != nil {
		return nil, err
	}
	return &backlog[T]{
		free: free, capacity: capacity, room: room, size: spill.Sizer[T](), file: spill.NewQueue(room.folder, codec),
	}, nil
}

// step adds a reason to be away, or takes one off.
func (b *backlog[T]) step(away int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away += away
	b.wake()
}

func (b *backlog[T]) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.wake()
}

func (b *backlog[T]) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	for _, m := range b.memory {
		b.room.taken.Add(-m.taken)
	}
	b.memory = nil
	b.file.Close()
	b.wake()
}

func (b *backlog[T]) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.memory) == 0 && b.file.Len() == 0
}

// wake is called with the lock held.
func (b *backlog[T]) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// next is called with the lock held, and returns what to wait for without it.
func (b *backlog[T]) next() <-chan struct{} {
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

// put adds a batch. If it has to be waited for, put returns what to wait for.
func (b *backlog[T]) put(batch []T) (wait <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := len(b.memory) >= b.capacity || b.file.Len() > 0
	if b.left {
		b.free.put(batch)
		return nil, nil
	}
	if full && b.away == 0 {
		return b.next(), nil
	}
	defer b.wake()
	if !full {
		b.memory = append(b.memory, waitingBatch[T]{records: batch})
		return nil, nil
	}
	if size := b.sizeOf(batch); b.file.Len() == 0 && b.room.take(size) {
		b.memory = append(b.memory, waitingBatch[T]{records: batch, taken: size})
		return nil, nil
	}
	for i := range batch {
		if err := b.file.Write(&batch[i]); err != nil {
			return nil, fmt.Errorf("records that wait for their reader: %w", err)
		}
	}
	b.free.put(batch)
	return nil, nil
}

func (b *backlog[T]) sizeOf(batch []T) int64 {
	size := int64(cap(batch)) * int64(reflect.TypeFor[T]().Size())
	if b.size != nil {
		for i := range batch {
			size += b.size(&batch[i])
		}
	}
	return size
}

// take returns the oldest batch; ok is false at the end of the stream. If it has to be
// waited for, take returns what to wait for.
func (b *backlog[T]) take() (batch []T, ok bool, wait <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.memory) > 0:
		first := b.memory[0]
		b.memory[0] = waitingBatch[T]{}
		b.memory = b.memory[1:]
		b.room.taken.Add(-first.taken)
		b.wake()
		return first.records, true, nil, nil
	case b.file.Len() > 0:
		batch, err := b.read()
		b.wake()
		return batch, true, nil, err
	case b.ended:
		return nil, false, nil, nil
	}
	return nil, false, b.next(), nil
}

func (b *backlog[T]) read() ([]T, error) {
	batch := b.free.get()
	for len(batch) < b.free.size {
		var record T
		ok, err := b.file.Read(&record)
		if err != nil {
			return nil, fmt.Errorf("records that waited: %w", err)
		}
		if !ok {
			break
		}
		batch = append(batch, record)
	}
	return batch, nil
}
