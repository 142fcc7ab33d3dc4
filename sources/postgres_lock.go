package sources

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
)

// lockPatience is how long a source waits for each lock, unless the pool's own connections
// have a lock_timeout. It is long enough for most loads that empty a table first.
const lockPatience = 30 * time.Second

// setsLockTimeout tells whether whoever made the pool has said how long to wait for locks.
func setsLockTimeout(config *pgx.ConnConfig) bool {
	return config.RuntimeParams["lock_timeout"] != "" || strings.Contains(config.RuntimeParams["options"], "lock_timeout")
}

// holdersQuery finds who keeps others from reading tables of this database: sessions that
// have locked one for themselves alone, and sessions that wait to do so, whom later
// readers wait for. Those whose table is surely read come first.
const holdersQuery = `
WITH RECURSIVE tree AS (
  SELECT $1::text::oid AS oid
  UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON i.inhparent = tree.oid
), mine AS (
  SELECT c.oid, c.oid IN (SELECT oid FROM tree) OR pg_catalog.strpos(pg_catalog.lower($2::text), pg_catalog.lower(c.relname::text)) > 0 AS named
  FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT mine.named, l.relation::regclass::text, l.granted, coalesce(l.pid, 0), coalesce(a.application_name, ''), coalesce(a.state, ''),
       coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8, -1),
       pg_catalog.array_to_string(CASE WHEN l.granted THEN '{}' ELSE pg_catalog.pg_blocking_pids(l.pid) END, ', ')
FROM pg_catalog.pg_locks AS l
JOIN mine ON mine.oid = l.relation
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
ORDER BY mine.named DESC, l.granted DESC, l.relation, l.pid
LIMIT 20`

// lockProblem says for whom the wait for a lock was in vain. It ends the transaction, which
// is of no use any more.
func (r *pgSource) lockProblem(conn *pgxpool.Conn, refused error) error {
	var server *pgconn.PgError
	errors.As(refused, &server)
	cause := &pgcatalog.ServerError{Err: server}
	holders, err := r.lockHolders(conn)
	if err != nil || holders == "" {
		return fmt.Errorf("its lock could not be had in time, and who holds it is not known now; try again: %w", cause)
	}
	return fmt.Errorf("its lock could not be had in time: %s; wait until that transaction is over, or end it: %w", holders, cause)
}

func (r *pgSource) lockHolders(conn *pgxpool.Conn) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), interruptGrace)
	defer cancel()
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		return "", err
	}
	rows, err := conn.Query(ctx, holdersQuery, pgcatalog.Unnamed, pgcatalog.OIDText(r.oid), r.query)
	if err != nil {
		return "", err
	}
	var holders []string
	told := map[int32]bool{}
	var named, granted, anyNamed bool
	var relation, application, state, behind string
	var pid int32
	var age float64
	_, err = pgx.ForEachRow(rows, []any{&named, &relation, &granted, &pid, &application, &state, &age, &behind}, func() error {
		if anyNamed && !named || told[pid] || len(holders) == 3 {
			return nil
		}
		anyNamed, told[pid] = anyNamed || named, true
		var about []string
		if application != "" {
			about = append(about, "application "+strconv.Quote(application))
		}
		if state != "" {
			about = append(about, state)
		}
		if age >= 0 {
			about = append(about, fmt.Sprintf("its statement began %v ago", time.Duration(age*float64(time.Second)).Round(time.Second)))
		}
		who := fmt.Sprintf("session %d", pid)
		if pid == 0 {
			who = "a prepared transaction (see pg_prepared_xacts)"
		}
		if len(about) > 0 {
			who += " (" + strings.Join(about, ", ") + ")"
		}
		if granted {
			who += " holds " + relation + " in ACCESS EXCLUSIVE mode"
		} else {
			who += " waits to lock " + relation + " in ACCESS EXCLUSIVE mode"
			if behind != "" {
				who += ", behind session " + behind
			}
		}
		holders = append(holders, who)
		return nil
	})
	return strings.Join(holders, "; "), err
}
