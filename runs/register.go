package runs

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// register tells the database of the definitions.
func (s *Service) register(ctx context.Context) error {
	return tables.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		for _, name := range slices.Sorted(mapsKeys(s.definitions)) { // one order for all replicas: no deadlock
			d := s.definitions[name]
			// A new cron line begins anew; the same one goes on where it was.
			_, err := tx.Exec(ctx, s.db.Of(`
insert into {pipelines} as p (name, description, schedule, max_active, next_due) values ($1, $2, $3, $4, $5)
on conflict (name) do update
   set description = $2, schedule = $3, max_active = $4, registered_at = now(),
       next_due = case when p.schedule = $3 then coalesce(p.next_due, $5) else $5 end`),
				name, d.Description, d.Schedule, d.MaxActive, d.next(s.config.now()))
			if err != nil {
				return err
			}
			// There may be more places than there were.
			if err := s.admit(ctx, tx, name); err != nil {
				return err
			}
		}
		return nil
	})
}
