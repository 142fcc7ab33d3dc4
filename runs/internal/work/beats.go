package work

import (
	"context"
	"time"

	"github.com/millrace/millrace/runs/internal/lease"
)

// beats renews leases until ctx ends. A replica that cannot for as long as a lease stops
// its runs: others will have taken them.
func (w *Work) beats(ctx context.Context) {
	ticker := time.NewTicker(w.Heartbeat)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-w.beatNow:
		}
		all := w.working()
		if len(all) == 0 {
			renewed = time.Now()
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, w.Lease/2)
		asked := time.Now()
		err := w.beat(bounded, all)
		cancel()
		if err == nil {
			renewed = asked
			continue
		}
		if ctx.Err() != nil {
			return
		}
		w.DB.Logger.Warn("the lease could not be renewed", "runs", len(all), "error", err)
		if time.Since(renewed) > w.Lease {
			for _, l := range all {
				l.stop(errLost)
			}
		}
	}
}

// beat renews the leases of runs, and stops those that are to be stopped.
func (w *Work) beat(ctx context.Context, all []*live) error {
	held := make([]lease.Held, len(all))
	for i, l := range all {
		held[i] = lease.Held{ID: l.id, Attempt: l.attempt}
	}
	news, err := w.leases.Renew(ctx, held)
	if err != nil {
		return err
	}
	for _, l := range all {
		n, ok := news[l.id]
		switch {
		case !ok || l.committing.Load(): // too late for anything; the commit looks for itself
		case n.Lost:
			l.stop(errLost)
		case n.CancelBy != nil:
			l.stop(&cancelledByError{*n.CancelBy})
		}
	}
	return nil
}

// BeatSoon asks for a heartbeat at once, by which a run that this replica works learns that it
// is cancelled.
func (w *Work) BeatSoon(id string) {
	w.mu.Lock()
	_, here := w.live[id]
	w.mu.Unlock()
	if !here {
		return
	}
	select {
	case w.beatNow <- struct{}{}:
	default:
	}
}
