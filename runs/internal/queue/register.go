package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// Pipeline is a definition as the database knows it.
type Pipeline struct {
	Name, Description string
	Schedule          string // the cron line, empty for none
	MaxActive         int
	Next              *time.Time // the next due date, nil for none
}

// Register tells the database of the definitions, which are sorted by name: one order for all replicas, so that there
// is no deadlock.
func (q *Queue) Register(ctx context.Context, pipelines []Pipeline) error {
	return tables.InTx(ctx, q.db.Pool, func(tx pgx.Tx) error {
		for _, p := range pipelines {
			// A new cron line begins anew; the same one goes on where it was.
			_, err := tx.Exec(ctx, q.db.Of(`
insert into {pipelines} as p (name, description, schedule, max_active, next_due) values ($1, $2, $3, $4, $5)
on conflict (name) do update
   set description = $2, schedule = $3, max_active = $4, registered_at = now(),
       next_due = case when p.schedule = $3 then coalesce(p.next_due, $5) else $5 end`),
				p.Name, p.Description, p.Schedule, p.MaxActive, p.Next)
			if err != nil {
				return err
			}
			// There may be more places than there were.
			if err := q.Admit(ctx, tx, p.Name); err != nil {
				return err
			}
		}
		return nil
	})
}
