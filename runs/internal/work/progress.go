package work

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// reports writes how the runs of this replica are going, all in one statement a few times a
// second, for the watchers of every replica. A run that is over before its first
// report is never written; one that stands still is not written again.
func (w *Work) reports(ctx context.Context) {
	ticker := time.NewTicker(w.Progress)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, w.Lease)
		err := w.report(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			w.DB.Logger.Warn("the progress of runs could not be written", "error", err)
		}
	}
}

func (w *Work) report(ctx context.Context) error {
	if gone := w.forgotten(); len(gone) > 0 {
		if _, err := w.control.Exec(ctx, w.DB.Of("delete from {run_progress} where run_id = any($1)"), gone); err != nil {
			return err
		}
	}
	var ids, documents []string
	var attempts []int32
	var ticks []int64
	for _, l := range w.working() {
		select {
		case <-l.started:
		default:
			continue // it is being built
		}
		if l.committing.Load() {
			continue
		}
		document, err := json.Marshal(l.progress())
		if err != nil {
			return err
		}
		if bytes.Equal(document, l.reported) {
			continue
		}
		l.reported = document
		l.tick++
		ids, documents = append(ids, l.id), append(documents, string(document))
		attempts, ticks = append(attempts, int32(l.attempt)), append(ticks, l.tick)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := w.control.Exec(ctx, w.DB.Of(`
with written as (
    insert into {run_progress} as p (run_id, attempt, tick, report)
    select * from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::json[])
    on conflict (run_id) do update set attempt = excluded.attempt, tick = excluded.tick, report = excluded.report
     where p.attempt <= excluded.attempt
    returning run_id)
select pg_notify($5, run_id || ' progress') from written`), ids, attempts, ticks, documents, w.DB.Channel())
	return err
}

// forgotten returns the runs that are over, whose progress the next report removes.
func (w *Work) forgotten() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := w.over
	w.over = nil
	return gone
}
