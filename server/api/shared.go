package api

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// sharedRead answers many who ask the same with few reads. An answer is always that of a read which began after the
// asking, so that nobody is told what was true before: those who ask while a read is under way share the next one.
//
//	asks     a   b c d     e
//	reads    [  a  ][ b c d ][ e ]
//
// So the database sees one read at a time, however many ask.
type sharedRead struct {
	read func(ctx context.Context) ([]byte, error)

	mu      sync.Mutex
	next    *answer // that those who ask now will get; nil if nobody waits for one
	reading bool
}

// answer is that of one read. What it holds belongs to all who asked, and must not be changed.
type answer struct {
	done chan struct{}
	body []byte
	err  error
}

// sharedTimeout bounds a read. It is not any asker's: one that goes away must not take the answer from the others.
const sharedTimeout = 10 * time.Second

// get waits for the next answer, or for the end of the context.
func (s *sharedRead) get(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &answer{done: make(chan struct{})}
	}
	mine := s.next
	if !s.reading {
		s.reading = true
		go s.run()
	}
	s.mu.Unlock()
	select {
	case <-mine.done:
		return mine.body, mine.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run reads as long as somebody waits.
func (s *sharedRead) run() {
	for {
		s.mu.Lock()
		mine := s.next
		s.next = nil
		if mine == nil {
			s.reading = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		mine.body, mine.err = s.once()
		close(mine.done)
	}
}

func (s *sharedRead) once() (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			body, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), sharedTimeout)
	defer cancel()
	return s.read(ctx)
}
