package runs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// committed tells whether the run is in the ledger of the service's database. The caller has locked the run's row in a
// statement before: who commits holds that lock, so that the answer stays true.
func (s *Service) committed(ctx context.Context, tx pgx.Tx, id, name string) (is bool, err error) {
	err = tx.QueryRow(ctx, s.db.Of("select exists (select from {commits} where pipeline = $1 and run_id = $2)"), name, id).Scan(&is)
	return is, err
}

// elsewhere returns the pools that a pipeline writes to beside the service's own. What is committed there only they
// can tell.
func (s *Service) elsewhere(p *pipeline.Pipeline) (pools []*pgxpool.Pool) {
	for _, c := range p.Claims() {
		if pool, ok := c.Key.(*pgxpool.Pool); ok && c.Shared && pool != s.pool {
			pools = append(pools, pool)
		}
	}
	return pools
}

// askTimeout bounds the asking of all databases of a run.
const askTimeout = time.Minute

var errAsked = errors.New("asked")

// ask tells whether any attempt of a run has committed, here or in one of the pools. The answer stays true: it is an
// attempt's own, so that older ones can no longer commit (the fence, and the end of their sessions), and where one is
// committing it is waited for, by its row in the ledger.
func (s *Service) ask(ctx context.Context, l *live, pools []*pgxpool.Pool) (is bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p := pipeline.New(l.definition.Name, pipeline.Options{
		RunID: l.id, Attempt: l.attempt, Logger: hclog.NewNullLogger(), State: &runState{ledger: s.db.Ledger(), service: s, live: l},
	})
	insert := s.db.Of("insert into {commits} (pipeline, run_id, attempt, rows) values ($1, $2, $3, 0) on conflict do nothing")
	pipeline.Do(p, "ask", func(ctx context.Context) error {
		for _, pool := range pools {
			unit, err := pgunit.Join(ctx, pool)
			if err != nil {
				return err
			}
			if unit.Done() {
				is = true
				continue
			}
			turn, err := unit.Acquire(ctx)
			if err != nil {
				return err
			}
			err = turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
				tag, err := conn.Exec(ctx, insert, l.definition.Name, l.id, l.attempt)
				is = is || err == nil && tag.RowsAffected() == 0
				return err
			})
			turn.Release()
			if err != nil {
				return err
			}
		}
		return errAsked // so that nothing of this stays
	})
	report, err := p.Run(ctx)
	switch {
	case err == nil:
		return report.AlreadyCommitted, nil
	case errors.Is(err, errAsked):
		return is, nil
	}
	return false, err
}

// settleAsked writes how an attempt ended that was only to ask.
func (s *Service) settleAsked(ctx context.Context, l *live, c claimed) State {
	p, err := s.build(ctx, l, c)
	if err == nil {
		l.committed, err = s.ask(ctx, l, s.elsewhere(p))
	}
	return s.trySettle(ctx, l, func(ctx context.Context, tx pgx.Tx) (State, error) {
		h, lockErr := s.lockMine(ctx, tx, l)
		if lockErr != nil || !h.mine {
			return "", lockErr
		}
		e := ending{id: l.id, pipeline: l.definition.Name}
		switch {
		case isStopped(err, errShutdown):
			return Queued, s.handBackIn(ctx, tx, l, e)
		case err != nil:
			wait := backoffFor(l.definition.Retry, h.losses)
			e.state, e.err = Retrying, err
			e.reason = fmt.Sprintf("%s; it could not be found out whether it is committed, attempt %d asks again", c.endsWhy, l.attempt+1)
			err := s.note(ctx, tx, e, ", losses = losses + 1, job_id = null, next_attempt_at = now() + $9::bigint * interval '1 microsecond'", wait.Microseconds())
			s.wakeKeeper()
			return e.state, err
		case l.committed:
			return Retrying, s.complete(ctx, tx, l, e, 0)
		}
		e.state, e.reason = State(*c.endsAs), c.endsWhy
		return e.state, s.end(ctx, tx, e)
	})
}
