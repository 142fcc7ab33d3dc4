package runs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/schedule"
	"github.com/millrace/millrace/runs/internal/tables"
)

// next returns the first due date after t, nil without one.
func (d *definition) next(t time.Time) *time.Time {
	if d.schedule == nil {
		return nil
	}
	return orNull(d.schedule.Next(t))
}

// due returns the dates for which runs are to be made at the moment now, when the one that was due first is known, and
// the due date after that.
func (d *definition) due(first, now time.Time) (dates []time.Time, next time.Time) {
	return d.schedule.Due(first.UTC(), now, schedule.CatchUp(d.CatchUp), d.MaxCatchUp)
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// schedule makes the runs that are due. The row of the pipeline is locked meanwhile, so that
// one replica does it; another passes it over.
func (s *Service) schedule(ctx context.Context) error {
	for _, name := range s.scheduled {
		d := s.definitions[name]
		now, made := s.config.now(), false
		err := tables.InTx(ctx, s.control, func(tx pgx.Tx) error {
			var first time.Time
			// By the cron line of the newest replica only: an older one leaves it alone.
			err := tx.QueryRow(ctx, s.db.Of(`
select next_due from {pipelines}
 where name = $1 and schedule = $2 and not paused and next_due <= $3
   for no key update skip locked`), name, d.Schedule, now).Scan(&first)
			if tables.IsNoRows(err) {
				return nil
			}
			if err != nil {
				return err
			}
			dates, next := d.due(first, now)
			values, err := d.values(nil)
			if err != nil {
				return err
			}
			var due []newRun
			for _, date := range dates {
				due = append(due, newRun{id: s.ids.next(), pipeline: name, date: date, params: values, cause: CauseSchedule, by: "schedule"})
			}
			if err := s.enqueue(ctx, tx, due); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, s.db.Of("update {pipelines} set next_due = $2 where name = $1"), name, orNull(next)); err != nil {
				return err
			}
			made = len(dates) > 0
			return s.admit(ctx, tx, name)
		})
		if err != nil {
			return err
		}
		if made {
			s.nudge(name)
		}
	}
	return nil
}

// nextWake returns how long there is nothing to do for the keeper, at most limit.
func (s *Service) nextWake(ctx context.Context, limit time.Duration) time.Duration {
	var due *time.Time
	var seconds *float64
	err := s.control.QueryRow(ctx, s.db.Of(`
select (select min(next_due) from {pipelines} where name = any($1) and not paused),
       (select extract(epoch from min(next_attempt_at) - now())::float8 from {runs} where state = 'retrying' and job_id is null)`), s.scheduled).
		Scan(&due, &seconds)
	if err != nil {
		return limit
	}
	wait := limit
	if due != nil {
		wait = min(wait, due.Sub(s.config.now()))
	}
	if seconds != nil {
		wait = min(wait, time.Duration(*seconds*float64(time.Second)))
	}
	return max(wait, 5*time.Millisecond)
}

// duty is something that the keeper does.
type duty struct {
	name string
	do   func(context.Context) error
}

// keep does what must be done by somebody: due dates, attempts whose wait is over, runs of dead
// workers. Every replica does it; locks make it happen once.
func (s *Service) keep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastReap := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.keepNow:
		}
		duties := []duty{{"due dates", s.schedule}, {"attempts", s.retryDue}}
		if time.Since(lastReap) >= s.config.Heartbeat {
			lastReap = time.Now()
			duties = append(duties, duty{"lost runs", s.reap}, duty{"lost jobs", s.redispatch}, duty{"free places", s.admitAll})
		}
		for _, d := range duties {
			if err := d.do(ctx); err != nil && ctx.Err() == nil {
				s.config.Logger.Warn("the keeper failed, it tries again", "at", d.name, "error", err)
			}
		}
		timer.Reset(s.nextWake(ctx, s.config.Heartbeat))
	}
}

// wakeKeeper lets the keeper look again.
func (s *Service) wakeKeeper() {
	select {
	case s.keepNow <- struct{}{}:
	default:
	}
}
