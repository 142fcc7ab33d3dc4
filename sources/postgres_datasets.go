package sources

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// lockedQuery finds the tables and views that this transaction has planned to read.
const lockedQuery = `
SELECT DISTINCT n.nspname::text, c.relname::text
FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2`

// Datasets says which tables are read: those that the server names when it plans the statement, with
// the partitions and the tables behind views, without those that only functions of a Query read.
func (s Postgres[T]) Datasets(ctx context.Context) (all []pipeline.Dataset, err error) {
	r := s.plain()
	if err := r.settings(); err != nil {
		return nil, err
	}
	o, err := r.open(ctx, "", pipeline.Range{}, pgPart{}, nil)
	if err != nil {
		return nil, err
	}
	defer r.end(o.conn)
	err = r.during(ctx, o.conn, func(ctx context.Context, _ func()) error {
		rows, err := o.conn.Query(ctx, lockedQuery, pgcatalog.Unnamed)
		if err != nil {
			return err
		}
		var schema, name string
		_, err = pgx.ForEachRow(rows, []any{&schema, &name}, func() error {
			d := pgcatalog.Dataset(r.pool, schema, name)
			d.InRun = s.InRun
			all = append(all, d)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("which tables it reads: %w", err)
	}
	return all, nil
}
