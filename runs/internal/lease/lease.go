package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/queue"
	"github.com/millrace/millrace/runs/internal/tables"
)

// MaxLosses is how many times in a row the workers of one run may die before it fails.
const MaxLosses = 5

// Leases are those of the runs of a schema.
type Leases struct {
	DB      *tables.DB
	Queue   *queue.Queue
	Control *pgxpool.Pool // the replica's own connections: what must not wait for runs
	Worker  string        // the replica's name
	For     time.Duration
	Ended   func(life.Ended) // told of each end, after its commit
}

// Held is a run that this replica works.
type Held struct {
	ID      string
	Attempt int
}

// News are what a heartbeat learns of a run that is not simply to go on.
type News struct {
	Lost     bool    // it is another's, or gone
	CancelBy *string // somebody wants it cancelled
}

// Renew renews the lease of all runs that this replica works, in one statement, and
// learns which of them are to be cancelled or are no longer its own.
//
// A row that is locked is passed over: its run is committing, and whoever would take it
// away passes it over too.
func (l *Leases) Renew(ctx context.Context, held []Held) (map[string]News, error) {
	attempts, ids := map[string]int{}, make([]string, 0, len(held))
	news := map[string]News{}
	for _, h := range held {
		attempts[h.ID], news[h.ID] = h.Attempt, News{Lost: true} // unless it is found; it may be pruned
		ids = append(ids, h.ID)
	}
	rows, _ := l.Control.Query(ctx, l.DB.Of(`
with renewed as (
    update {runs} set lease_until = now() + $3::bigint * interval '1 microsecond'
     where id in (select id from {runs} where id = any($1) and worker = $2 and state = 'running'
                     for no key update skip locked))
select id, attempt, worker = $2 and state = 'running', cancel_by from {runs} where id = any($1)`),
		ids, l.Worker, l.For.Microseconds())
	var id string
	var attempt int
	var mine bool
	var cancelBy *string
	_, err := pgx.ForEachRow(rows, []any{&id, &attempt, &mine, &cancelBy}, func() error {
		switch {
		case attempt != attempts[id] || !mine:
		case cancelBy != nil:
			news[id] = News{CancelBy: cancelBy}
		default:
			delete(news, id)
		}
		return nil
	})
	return news, err
}

// Reap takes runs from workers that are not heard of any more. Every replica does it; a run that
// another is taking, or that is committing, is passed over.
func (l *Leases) Reap(ctx context.Context) error {
	for {
		ended, err := l.reapOne(ctx)
		if err != nil || ended.Run == "" {
			return err
		}
		l.Ended(ended)
	}
}

func (l *Leases) reapOne(ctx context.Context) (ended life.Ended, err error) {
	err = tables.InTx(ctx, l.Control, func(tx pgx.Tx) error {
		moves := life.Runs{DB: l.DB}
		r, err := moves.LockLost(ctx, tx)
		if tables.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.Queue.DropJob(ctx, tx, r.Job); err != nil {
			return err
		}
		l.DB.Logger.Warn("a worker died; its run is taken over",
			"pipeline", r.Pipeline, "run", r.ID, "attempt", r.Attempt, "worker", r.Worker)
		ended = life.Ended{Run: r.ID, Pipeline: r.Pipeline, State: life.Lost}
		res := life.Result{Run: r.ID}
		v := verdict(r)
		if v != nil && v.As == life.Failed {
			res.Err = fmt.Errorf("the worker of attempt %d, %s, died", r.Attempt, r.Worker)
		}
		switch {
		case v != nil && !r.Elsewhere:
			ended.State, res.Reason = v.As, v.Why
			return moves.End(ctx, tx, v.As, res)
		case v != nil:
			res.Reason = fmt.Sprintf("%s, unless it is committed, which attempt %d asks", v.Why, r.Attempt+1)
		default:
			res.Reason = fmt.Sprintf("lost: worker %s died; attempt %d takes over", r.Worker, r.Attempt+1)
		}
		if err := moves.Lose(ctx, tx, v, res); err != nil {
			return err
		}
		return l.Queue.Dispatch(ctx, tx, r.ID, r.Pipeline)
	})
	return ended, err
}

// verdict is how a run whose worker died is to end unless it is committed; nil if it is to be begun again.
func verdict(r life.Row) *life.Verdict {
	switch {
	case r.Committed || r.Doomed: // what is committed is completed; who only asks decides nothing
		return nil
	case r.CancelBy != nil:
		return &life.Verdict{As: life.Cancelled, Why: "cancelled" + life.ByWhom(*r.CancelBy)}
	case r.Losses+1 >= MaxLosses:
		return &life.Verdict{As: life.Failed, Why: fmt.Sprintf(
			"lost: its worker died %d times in a row, the last one was %s; perhaps the run is what kills them", r.Losses+1, r.Worker)}
	}
	return nil
}
