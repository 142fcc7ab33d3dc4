package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// reports writes how the runs of this replica are going, all in one statement a few times a
// second, for the watchers of every replica. A run that is over before its first
// report is never written; one that stands still is not written again.
func (s *Service) reports(ctx context.Context) {
	ticker := time.NewTicker(s.config.Progress)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, s.config.Lease)
		err := s.report(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			s.config.Logger.Warn("the progress of runs could not be written", "error", err)
		}
	}
}

func (s *Service) report(ctx context.Context) error {
	if gone := s.forgotten(); len(gone) > 0 {
		if _, err := s.control.Exec(ctx, s.db.Of("delete from {run_progress} where run_id = any($1)"), gone); err != nil {
			return err
		}
	}
	var ids, documents []string
	var attempts []int32
	var ticks []int64
	for _, l := range s.working() {
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
	_, err := s.control.Exec(ctx, s.db.Of(`
with written as (
    insert into {run_progress} as p (run_id, attempt, tick, report)
    select * from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::json[])
    on conflict (run_id) do update set attempt = excluded.attempt, tick = excluded.tick, report = excluded.report
     where p.attempt <= excluded.attempt
    returning run_id)
select pg_notify($5, run_id || ' progress') from written`), ids, attempts, ticks, documents, s.db.Channel())
	return err
}

// forget lets the next report remove what was written of a run that is over.
func (s *Service) forget(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = append(s.over, l.id)
}

func (s *Service) forgotten() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.over
	s.over = nil
	return gone
}
