package runs

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// The times of watching: between two looks at the database, whatever many are watched, and
// between two looks at runs of which nothing was heard.
const (
	lookEvery = 100 * time.Millisecond
	pollEvery = 2 * time.Second
)

// watchers hands out what happens to runs. All watchers of a replica together cost one query
// each lookEvery, and only while something happens.
type watchers struct {
	mu      sync.Mutex
	changed chan struct{} // holds a token when some run is dirty
	topics  map[string]*topic
	looks   atomic.Int64 // at the database
}

// topic is a run that is watched.
type topic struct {
	dirty    bool
	latest   *Snapshot
	watchers map[chan Snapshot]struct{}
}

func newWatchers() *watchers {
	return &watchers{changed: make(chan struct{}, 1), topics: map[string]*topic{}}
}

func (w *watchers) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// dirty notes that a run has changed.
func (w *watchers) dirty(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.topics[id]; t != nil {
		t.dirty = true
		w.wake()
	}
}

func (w *watchers) dirtyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.topics {
		t.dirty = true
	}
	if len(w.topics) > 0 {
		w.wake()
	}
}

// join adds a watcher. Its channel holds the newest snapshot that it has not taken: one that is slow
// misses those between, and holds up nobody.
func (w *watchers) join(id string) chan Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan Snapshot, 1)
	t := w.topics[id]
	if t == nil {
		t = &topic{watchers: map[chan Snapshot]struct{}{}}
		w.topics[id] = t
	}
	t.watchers[c] = struct{}{}
	if t.latest != nil {
		c <- *t.latest
	} else {
		t.dirty = true
		w.wake()
	}
	return c
}

func (w *watchers) leave(id string, c chan Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.topics[id]; t != nil {
		delete(t.watchers, c)
		if len(t.watchers) == 0 {
			delete(w.topics, id)
		}
	}
}

func (w *watchers) takeDirty() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, t := range w.topics {
		if t.dirty {
			t.dirty = false
			ids = append(ids, id)
		}
	}
	return ids
}

// publish hands a snapshot to the watchers of its run. What is not newer than the last is not.
func (w *watchers) publish(snapshot Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.topics[snapshot.Record.ID]
	if t == nil || t.latest != nil && t.latest.Seq >= snapshot.Seq {
		return
	}
	t.latest = &snapshot
	for c := range t.watchers {
		select {
		case <-c: // an older one that was not taken
		default:
		}
		c <- snapshot
	}
}

// serve looks at the runs that changed, and hands them out.
func (s *Service) serveWatchers(ctx context.Context) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			s.watchers.dirtyAll()
		case <-s.watchers.changed:
		}
		ids := s.watchers.takeDirty()
		if len(ids) == 0 {
			continue
		}
		s.watchers.looks.Add(1)
		found, err := s.snapshots(ctx, ids)
		if err != nil && ctx.Err() == nil {
			s.config.Logger.Warn("runs that are watched could not be read", "runs", len(ids), "error", err)
		}
		for _, snapshot := range found {
			s.watchers.publish(snapshot)
		}
		select { // so that much that happens is seen together
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

var errNotStarted = errors.New("runs: the service is not started, or stopped")

// Watch returns what happens to a run from now on, whatever replica works it: how it
// stands, and then each change, until it has ended, ctx is done or the service stops. A watcher that is slow
// gets the newest snapshot and misses those between. after is the Seq of the last snapshot that was
// seen, 0 for none: older ones are left out, but never the end of the run.
//
// Errors, after which nothing follows: [ErrNotFound].
func (s *Service) Watch(ctx context.Context, id string, after int64) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		done := s.started()
		if done == nil {
			yield(Snapshot{}, errNotStarted)
			return
		}
		if err := s.exists(ctx, id); err != nil {
			yield(Snapshot{}, err)
			return
		}
		c := s.watchers.join(id)
		defer s.watchers.leave(id, c)
		for {
			var snapshot Snapshot
			select {
			case <-ctx.Done():
				return
			case <-done:
				return
			case snapshot = <-c:
			}
			ended := snapshot.Record.State.Ended()
			if snapshot.Seq <= after && !ended {
				continue
			}
			if !yield(snapshot, nil) || ended {
				return
			}
		}
	}
}

// exists tells whether there is such a run; watched ones are not asked for again.
func (s *Service) exists(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	s.watchers.mu.Lock()
	t := s.watchers.topics[id]
	known := t != nil && t.latest != nil
	s.watchers.mu.Unlock()
	if known {
		return nil
	}
	var there bool
	if err := s.pool.QueryRow(ctx, s.db.Of("select exists (select from {runs} where id = $1)"), id).Scan(&there); err != nil {
		return s.trouble("watch", err)
	}
	if !there {
		return notFound("there is no run %s", shown(id))
	}
	return nil
}
