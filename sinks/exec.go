package sinks

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// Exec returns a step for [pipeline.Do] that runs SQL in the run's transaction on the
// pool: it sees the rows that the run's sinks have loaded there before, and is
// committed or rolled back with them. It waits until no sink is using the
// connection; use [pipeline.After] for an order.
//
// Values go into args, as $1, $2 and so on. Without args sql may hold several
// statements. It must not end the transaction. An error fails the run, since it
// aborts the transaction.
func Exec(pool *pgxpool.Pool, sql string, args ...any) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if pool == nil {
			return pipeline.Permanent(errors.New("sinks.Exec: the pool is nil"))
		}
		unit, err := pgunit.Join(ctx, pool)
		if err != nil {
			return err
		}
		if unit.Done() {
			pipeline.LoggerFrom(ctx).Info("an earlier attempt has committed this database: nothing to do")
			return nil
		}
		turn, err := unit.Acquire(ctx)
		if err != nil {
			return err
		}
		defer turn.Release()
		rows, err := turn.Exec(ctx, sql, args...)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return fmt.Errorf("%s: %w", unit.Name(), err)
		}
		pipeline.LoggerFrom(ctx).Debug("statement done", "rows", rows)
		return nil
	}
}
