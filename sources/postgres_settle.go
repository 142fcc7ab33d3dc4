package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// Not everything in Postgres obeys a snapshot. A TRUNCATE, some kinds of ALTER TABLE, and the
// exchange of a table for another of its name put a new file in the old one's place, in which
// older snapshots see no rows. A snapshot is taken by the first query, which may then
// wait for the lock of the very session that does so: it would read nothing, and nobody
// would be told.
//
// So a source takes the locks first, by having the statement planned; what it is going to
// read cannot be exchanged from then on. Then it holds what the snapshot knows of each
// relation that it has locked against what is so now. Where they differ it begins anew.

// maxSnapshots is how often a transaction is begun anew because of that.
const maxSnapshots = 10

// staleQuery finds relations that this transaction has locked, so whatever it has planned
// to read, of which its snapshot knows another file, or nothing at all, and those of which
// a part that the snapshot knows has been taken away. pg_class is read in the snapshot;
// functions of the catalog see what is so now, and lock nothing. A new index is no harm.
const staleQuery = `
SELECT coalesce(pg_catalog.min(l.relation::regclass::text), '')
FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND CASE WHEN c.oid IS NULL THEN pg_catalog.pg_get_indexdef(l.relation) IS NULL
      ELSE c.relkind IN ('r', 'm', 't') AND c.relfilenode <> 0 AND c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS part ON part.oid = i.inhrelid
          WHERE i.inhparent = c.oid AND c.relkind IN ('r', 'p') AND (part.relkind = 'r' AND pg_catalog.pg_relation_filenode(part.oid) IS NULL
            OR c.relkind = 'p' AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(part.oid) AS a WHERE a.relid = c.oid))) END`

// staleError says that the snapshot is older than the file of a table that is read in it.
type staleError struct{ relation string }

func (e *staleError) Error() string {
	return fmt.Sprintf("%s was truncated, rewritten or exchanged while it began to be read, so that its rows cannot be seen; try again", e.relation)
}

// errNoPlan says that a statement has no plan (SHOW, for example).
var errNoPlan = errors.New("the statement has no plan")

// settle takes the locks of all relations that the statement reads, and finds what else the
// server would refuse at its start. A [*staleError] says that another snapshot is needed.
func (r *pgSource) settle(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	if !r.unplanned {
		if err := r.plan(ctx, conn, d); err != nil {
			return err
		}
	}
	return r.checkFresh(ctx, conn)
}

// plan has the statement planned, which takes the locks, and finds missing rights, and Args that the
// server cannot read. Nothing is run.
func (r *pgSource) plan(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	const explain = "EXPLAIN (FORMAT JSON, COSTS OFF) "
	result := conn.PgConn().ExecParams(ctx, explain+d.sql, d.params, nil, d.paramFormats, nil).Read()
	err := result.Err
	if err == nil && len(result.Rows) == 1 {
		return r.checkReads(result.Rows[0][0])
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch {
		case d.wrapped:
			return r.subqueryProblem(err)
		case refused.Code == syntaxError:
			return errNoPlan // it was described before, so its own syntax is right
		}
		refused.Position = max(0, refused.Position-int32(len(explain)))
	}
	return err
}

// checkReads finds a plan that writes or locks rows, which the transaction refuses only when it is run. Quotes
// inside of the plan's texts are escaped, so that no text is taken for a node.
func (r *pgSource) checkReads(plan []byte) error {
	var what string
	switch {
	case bytes.Contains(plan, []byte(`"Node Type": "ModifyTable"`)):
		what = "writes"
	case bytes.Contains(plan, []byte(`"Node Type": "LockRows"`)) && !r.inRun:
		what = "locks rows"
	default:
		return nil
	}
	advice := readOnlyAdvice
	if r.inRun {
		advice = "a source only reads; use a step (pipeline.Do) for what writes"
	}
	return pipeline.Permanent(fmt.Errorf("the query %s, and %s", what, advice))
}

// checkFresh returns a [*staleError] if a relation that was locked is not as the snapshot
// knows it.
func (r *pgSource) checkFresh(ctx context.Context, conn *pgx.Conn) error {
	var relation string
	if err := conn.QueryRow(ctx, staleQuery, pgcatalog.Unnamed).Scan(&relation); err != nil {
		return err
	}
	if relation == "" {
		return nil
	}
	return pipeline.Transient(&staleError{relation})
}
