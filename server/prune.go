package main

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/runs"
)

// pruneEvery is the time between two prunings of the history. Replicas do not agree on who prunes: the second finds
// nothing to do.
const pruneEvery = time.Hour

// prune removes old runs from the history until the context ends.
func prune(ctx context.Context, c config, service *runs.Service, log hclog.Logger) {
	if c.keepRuns == 0 && c.keepDays == 0 {
		return
	}
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		p := runs.Prune{Keep: c.keepRuns}
		if c.keepDays > 0 {
			p.OlderThan = time.Now().AddDate(0, 0, -c.keepDays)
		}
		n, err := service.Prune(ctx, p)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("removing old runs from the history", "error", oneLine(err))
		case n > 0:
			log.Info("removed old runs from the history", "runs", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
