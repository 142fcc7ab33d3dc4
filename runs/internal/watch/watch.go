package watch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// LookEvery is the least time between two looks at the database, however many are watched.
const LookEvery = 100 * time.Millisecond

// pollEvery is the time between two looks at runs of which nothing was heard.
const pollEvery = 2 * time.Second

// Item is a run at one moment. Seq grows with every change of it.
type Item[T any] struct {
	Seq   int64
	Value T
}

// Hub is the watchers of a replica. Its methods may be called from several goroutines.
type Hub[T any] struct {
	mu      sync.Mutex
	changed chan struct{} // holds a token when some run is dirty
	topics  map[string]*topic[T]
	looks   atomic.Int64
}

// topic is a run that is watched.
type topic[T any] struct {
	dirty    bool
	latest   *Item[T]
	watchers map[chan Item[T]]struct{}
}

// New returns a hub without watchers.
func New[T any]() *Hub[T] {
	return &Hub[T]{changed: make(chan struct{}, 1), topics: map[string]*topic[T]{}}
}

// Looks returns how often Serve has looked at the database.
func (h *Hub[T]) Looks() int64 { return h.looks.Load() }

func (h *Hub[T]) wake() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// Dirty notes that a run has changed.
func (h *Hub[T]) Dirty(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[id]; t != nil {
		t.dirty = true
		h.wake()
	}
}

// DirtyAll notes that any may have changed.
func (h *Hub[T]) DirtyAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		t.dirty = true
	}
	if len(h.topics) > 0 {
		h.wake()
	}
}

// Join adds a watcher. Its channel holds the newest item that it has not taken.
func (h *Hub[T]) Join(id string) chan Item[T] {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan Item[T], 1)
	t := h.topics[id]
	if t == nil {
		t = &topic[T]{watchers: map[chan Item[T]]struct{}{}}
		h.topics[id] = t
	}
	t.watchers[c] = struct{}{}
	if t.latest != nil {
		c <- *t.latest
	} else {
		t.dirty = true
		h.wake()
	}
	return c
}

// Leave removes a watcher.
func (h *Hub[T]) Leave(id string, c chan Item[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[id]; t != nil {
		delete(t.watchers, c)
		if len(t.watchers) == 0 {
			delete(h.topics, id)
		}
	}
}

// Knows tells whether the run is watched and was found.
func (h *Hub[T]) Knows(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[id]
	return t != nil && t.latest != nil
}

// Watching returns how many watch a run.
func (h *Hub[T]) Watching(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[id]; t != nil {
		return len(t.watchers)
	}
	return 0
}

func (h *Hub[T]) takeDirty() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, t := range h.topics {
		if t.dirty {
			t.dirty = false
			ids = append(ids, id)
		}
	}
	return ids
}

// publish hands an item to the watchers of its run. What is not newer than the last is not.
func (h *Hub[T]) publish(id string, item Item[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[id]
	if t == nil || t.latest != nil && t.latest.Seq >= item.Seq {
		return
	}
	t.latest = &item
	for c := range t.watchers {
		select {
		case <-c: // an older one that was not taken
		default:
		}
		c <- item
	}
}

// Serve looks at the runs that changed, by read, and hands them out, until ctx ends.
func (h *Hub[T]) Serve(
	ctx context.Context, logger hclog.Logger, read func(ctx context.Context, ids []string) (map[string]Item[T], error),
) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			h.DirtyAll()
		case <-h.changed:
		}
		ids := h.takeDirty()
		if len(ids) == 0 {
			continue
		}
		h.looks.Add(1)
		found, err := read(ctx, ids)
		if err != nil && ctx.Err() == nil {
			logger.Warn("runs that are watched could not be read", "runs", len(ids), "error", err)
		}
		for id, item := range found {
			h.publish(id, item)
		}
		select { // so that much that happens is seen together
		case <-ctx.Done():
			return
		case <-time.After(LookEvery):
		}
	}
}
