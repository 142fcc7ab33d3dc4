package work

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
	"github.com/millrace/millrace/runs/internal/life"
)

// elsewhere returns the pools that a pipeline writes to beside that of the history. What is committed there only they
// can tell.
func (l *live) elsewhere(p *pipeline.Pipeline) (pools []*pgxpool.Pool) {
	for _, c := range p.Claims() {
		if pool, ok := c.Key.(*pgxpool.Pool); ok && c.Shared && pool != l.work.DB.Pool {
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
func (l *live) ask(ctx context.Context, pools []*pgxpool.Pool) (is bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p := pipeline.New(l.definition.Name, pipeline.Options{
		RunID: l.id, Attempt: l.attempt, Logger: hclog.NewNullLogger(), State: &state{ledger: l.work.DB.Ledger(), live: l},
	})
	insert := l.work.DB.Of("insert into {commits} (pipeline, run_id, attempt, rows) values ($1, $2, $3, 0) on conflict do nothing")
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
func (l *live) settleAsked(ctx context.Context, c life.Claimed) life.State {
	p, failed := l.build(ctx, c)
	if failed == nil {
		l.committed, failed = l.ask(ctx, l.elsewhere(p))
	}
	return l.trySettle(ctx, func(ctx context.Context, tx pgx.Tx) (life.State, error) {
		r, err := l.work.runs.LockMine(ctx, tx, l.id, l.hold())
		if err != nil {
			return "", err
		}
		o := outcome{state: c.Ask.As, reason: c.Ask.Why}
		switch {
		case isStopped(failed, errShutdown):
			o = l.handedBack()
		case failed != nil:
			o = outcome{state: life.Retrying, again: life.AfterAsking, wait: Backoff(l.definition.Retry, r.Losses), reason: fmt.Sprintf(
				"%s; it could not be found out whether it is committed, attempt %d asks again", c.Ask.Why, l.attempt+1)}
		case r.Committed || l.committed:
			o = completed(l.attempt+1, 0)
		}
		return o.state, l.write(ctx, tx, o, life.Result{Run: l.id, Reason: o.reason, Err: failed})
	})
}
