package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/pipeline"
)

// Bound fixes where a run's range ends: at the largest value of the cursor column,
// or earlier if Lag or OldestTransaction say so. The run then reads the rows with
// a value after the last committed run's and up to the bound, and a retry reads the
// same range. It is never below last. An empty source gives a bound without a value.
//
// The column must have a type with an order (a btree operator class: integers,
// numeric, date and time types, text, uuid, enums) and no null, since null is
// in no range. An index on it makes both Bound and the reading quick.
//
// # When rows are missed
//
// A row is missed if it becomes visible, with a value that is not above the bound, after
// the run has read. That happens
//
//   - to a timestamp that is set when a transaction begins or works (DEFAULT now(),
//     a trigger) if the transaction commits after a run that saw later ones. Lag,
//     longer than any writing transaction lasts, prevents it; OldestTransaction does so
//     without a guess, and lets long transactions hold the bound back;
//   - to a timestamp that a client sets, by as much as its clock is behind: add
//     that to Lag;
//   - to rows that bring old timestamps with them: copied, restored, replicated;
//   - to a serial or identity column if several transactions insert at once: numbers
//     are given out in one order, and committed in another. With one writer at a time
//     nothing is missed. Otherwise use a timestamp, or have writers take a lock;
//   - to values equal to the bound that are written after the run: use a column that
//     grows fine enough (microseconds, not days), or Lag.
//
// A deleted row is never seen, nor an update that leaves the column as it was.
func (s Postgres[T]) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	r := s.plain()
	if err := r.settings(); err != nil {
		return nil, err
	}
	conn, err := r.begin(ctx, "")
	if err != nil {
		return nil, err
	}
	defer r.end(conn)
	var bound json.RawMessage
	err = r.during(ctx, conn, func(ctx context.Context, _ func()) error {
		d, err := r.describe(ctx, conn.Conn(), pipeline.Range{}, pgPart{})
		if err != nil {
			return err
		}
		from, err := r.cursorValue(last, d.cursor)
		if err != nil {
			return err
		}
		if err := r.checkCursor(ctx, conn.Conn(), d); err != nil {
			return err
		}
		if err := r.checkNulls(ctx, conn.Conn(), d); err != nil {
			return err
		}
		value, err := r.bound(ctx, conn.Conn(), d, from)
		if err != nil {
			return err
		}
		if value == nil && last != nil {
			bound = last
			return nil
		}
		bound, err = json.Marshal(pgCursor{Column: r.cursor, Type: d.cursor.TypeName, Value: value})
		return err
	})
	return bound, err
}

// bound asks for the largest value above from, nil if there is none, in the form that
// is stored.
func (r *pgSource) bound(ctx context.Context, conn *pgx.Conn, d *pgDescription, from *string) (*string, error) {
	sql := r.boundQuery(d)
	params, formats := slices.Clone(d.params), slices.Clone(d.paramFormats)
	if r.held() {
		held, err := r.holdBack(ctx, conn, d)
		if err != nil {
			return nil, err
		}
		params, formats = append(params, held), append(formats, pgx.BinaryFormatCode)
	}
	if from != nil {
		params, formats = append(params, []byte(*from)), append(formats, pgx.TextFormatCode)
		sql = fmt.Sprintf("SELECT b FROM (%s) AS bound WHERE b > $%d", sql, len(params))
	}
	if err := r.prepareOver(ctx, conn, sql); err != nil {
		return nil, err
	}
	result := conn.PgConn().ExecPrepared(ctx, "", params, formats, []int16{pgx.BinaryFormatCode}).Read()
	if result.Err != nil || len(result.Rows) == 0 || result.Rows[0][0] == nil {
		return nil, result.Err
	}
	return textOf(ctx, conn, result.Rows[0][0], d.cursor.OID)
}

// boundQuery finds the largest value. Not by max(), which uuid and other types with
// an order do not have.
func (r *pgSource) boundQuery(d *pgDescription) string {
	column := pgx.Identifier{r.cursor}.Sanitize()
	sql := fmt.Sprintf("SELECT %s AS b FROM %s WHERE %s IS NOT NULL ORDER BY %s DESC LIMIT 1", column, r.from(d.relation), column, column)
	if r.held() {
		sql = fmt.Sprintf("SELECT LEAST(b, $%d) AS b FROM (%s) AS largest", len(d.params)+1, sql)
	}
	return sql
}

// textOf has the server write a value, in settings that do not depend on the session.
func textOf(ctx context.Context, conn *pgx.Conn, value []byte, oid uint32) (*string, error) {
	// The transaction is the bound's own, so nothing else meets these settings.
	if _, err := conn.Exec(ctx, "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 3"); err != nil {
		return nil, err
	}
	result := conn.PgConn().ExecParams(ctx, "SELECT $1::text", [][]byte{value}, []uint32{oid}, []int16{pgx.BinaryFormatCode}, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	text := string(result.Rows[0][0])
	return &text, nil
}

// held tells whether the bound is kept back from the largest value.
func (r *pgSource) held() bool { return r.lag > 0 || r.oldest }

// startupMargin covers the moment between the start of a transaction and its
// appearance among the sessions.
const startupMargin = time.Second

// oldestQuery finds when the oldest transaction began that could still write in this database.
const oldestQuery = `
SELECT min(xact_start) - interval '1 microsecond' FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
  AND backend_type NOT IN ('autovacuum worker', 'autovacuum launcher', 'walsender', 'parallel worker')`

// holdBack returns the latest moment that the bound may be, as a binary value of the
// column's type.
func (r *pgSource) holdBack(ctx context.Context, conn *pgx.Conn, d *pgDescription) ([]byte, error) {
	lag := r.lag
	var oldest pgtype.Timestamptz
	if r.oldest {
		lag = max(lag, startupMargin)
		if err := conn.QueryRow(ctx, oldestQuery).Scan(&oldest); err != nil {
			return nil, err
		}
	}
	// The clock is read after the sessions: a transaction that began since is later.
	sql := "SELECT LEAST($1, pg_catalog.clock_timestamp() - $2)"
	switch d.cursor.OID {
	case pgtype.TimestampOID:
		sql += "::timestamp"
	case pgtype.DateOID: // the last day that has ended
		sql += "::date - 1"
	}
	var builder pgx.ExtendedQueryBuilder
	described, err := conn.PgConn().Prepare(ctx, "", sql, []uint32{pgtype.TimestamptzOID, pgtype.IntervalOID})
	if err != nil {
		return nil, err
	}
	if err := builder.Build(conn.TypeMap(), described, []any{oldest, lag}); err != nil {
		return nil, err
	}
	result := conn.PgConn().ExecPrepared(ctx, "", builder.ParamValues, builder.ParamFormats, []int16{pgx.BinaryFormatCode}).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	return result.Rows[0][0], nil
}

// checkCursor finds out whether the cursor column can be one.
func (r *pgSource) checkCursor(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	if d.cursor == nil {
		return nil
	}
	switch d.cursor.OID {
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
	case pgtype.DateOID:
		if r.oldest {
			return pipeline.Permanent(fmt.Errorf("column %q, the cursor, is %s, and OldestTransaction needs a timestamp with time zone", r.cursor, d.cursor.TypeName))
		}
	default:
		if r.held() {
			return pipeline.Permanent(fmt.Errorf("column %q, the cursor, is %s, and Lag and OldestTransaction need a timestamp", r.cursor, d.cursor.TypeName))
		}
	}
	if err := r.checkSessions(ctx, conn); err != nil {
		return err
	}
	err := r.prepareOver(ctx, conn, r.boundQuery(d))
	if isCode(err, undefinedFunction) {
		return pipeline.Permanent(fmt.Errorf("column %q, the cursor, is %s, which has no order", r.cursor, d.cursor.TypeName))
	}
	return err
}

// notNullQuery asks whether a column can be null at all. Not since version 17, where the
// planner knows, and knows better: since 18 a NOT NULL may be NOT VALID.
const notNullQuery = `
SELECT attnotnull AND pg_catalog.current_setting('server_version_num')::int < 170000
FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 AND attnum > 0`

// checkNulls looks for rows that no range would hold.
func (r *pgSource) checkNulls(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	if d.relation != nil {
		var notNull bool
		if err := conn.QueryRow(ctx, notNullQuery, d.relation.oid, r.cursor).Scan(&notNull); err != nil || notNull {
			return err
		}
	}
	sql := "SELECT EXISTS (SELECT FROM " + r.from(d.relation) + " WHERE " + pgx.Identifier{r.cursor}.Sanitize() + " IS NULL)"
	if err := r.prepareOver(ctx, conn, sql); err != nil {
		return err
	}
	result := conn.PgConn().ExecPrepared(ctx, "", d.params, d.paramFormats, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	if string(result.Rows[0][0]) == "t" {
		return pipeline.Permanent(fmt.Errorf("column %q, the cursor, is null in some rows, which no run would read; make it NOT NULL, or leave those rows out by a Query", r.cursor))
	}
	return nil
}

// sessionsQuery finds what would make the oldest transaction unknown.
const sessionsQuery = `
SELECT pg_catalog.pg_is_in_recovery(),
       pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') OR
         (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
       EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()),
       current_user::text`

// checkSessions finds out whether the oldest transaction can be known.
func (r *pgSource) checkSessions(ctx context.Context, conn *pgx.Conn) error {
	if !r.oldest {
		return nil
	}
	var standby, visible, prepared bool
	var user string
	if err := conn.QueryRow(ctx, sessionsQuery).Scan(&standby, &visible, &prepared, &user); err != nil {
		return err
	}
	switch {
	case standby:
		return pipeline.Permanent(errors.New("this server is a standby, which does not know the transactions of its primary: use Lag in place of OldestTransaction"))
	case !visible:
		return pipeline.Permanent(fmt.Errorf("role %q may not see the sessions of others, which OldestTransaction needs; allow it by GRANT pg_read_all_stats TO %s",
			user, pgx.Identifier{user}.Sanitize()))
	case prepared:
		return errors.New("the database holds a prepared transaction, whose start OldestTransaction cannot know; commit it or roll it back")
	}
	return nil
}
