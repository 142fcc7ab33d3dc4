package ends

import (
	"context"
	"time"

	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/queue"
)

// Ends is what this replica does after ends that it has written.
type Ends struct {
	Queue *queue.Queue
	Wake  func() // the keeper

	// Observe tells of an end. It may ask the database, within Limit.
	Observe func(ctx context.Context, e life.Ended)
	Limit   time.Duration
}

// Follow is called after the commit of an end.
func (f *Ends) Follow(e life.Ended) {
	if e.State == life.Retrying {
		f.Wake()
	}
	f.Queue.Nudge(e.Pipeline)
	if f.Observe != nil {
		ctx, cancel := context.WithTimeout(context.Background(), f.Limit)
		defer cancel()
		f.Observe(ctx, e)
	}
}
