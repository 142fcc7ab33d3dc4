package pgunit

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// backend identifies a session of the server, also from another connection. The
// process number alone would not do: it comes back after a restart. (pgx's own PID
// is the pooler's when there is one between.)
type backend struct {
	pid     int32
	started time.Time
}

// find adds to a batch the query that finds the session which executes it.
func (b *backend) find(batch *pgx.Batch) {
	batch.Queue("select pid, backend_start from pg_stat_get_activity(pg_backend_pid())").QueryRow(func(row pgx.Row) error {
		return row.Scan(&b.pid, &b.started)
	})
}

// end terminates the session. idleOnly leaves one alone that is at work.
func (b *backend) end(ctx context.Context, conn *pgx.Conn, idleOnly bool) error {
	_, err := conn.Exec(ctx, `
select pg_terminate_backend(pid)
  from pg_stat_activity
 where pid = $1 and backend_start = $2 and (not $3 or state like 'idle in transaction%')`, b.pid, b.started, idleOnly)
	return err
}

// fresh opens a connection outside the pool, whose own may all have failed together.
func fresh(ctx context.Context, pool *pgxpool.Pool) (*pgx.Conn, error) {
	config := pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}
