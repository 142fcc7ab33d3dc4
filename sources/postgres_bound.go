package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// Bound fixes where a run's range ends: at the largest value of the cursor column that
// the server's clock has reached, or earlier if Lag or OldestTransaction say so. The run then reads the rows with
// a value after the last committed run's and up to the bound, and a retry reads the
// same range. It is never below last. An empty source gives a bound without a value.
//
// The column must have a type with an order (a btree operator class: integers,
// numeric, date and time types, text, uuid, enums) and no null, since null is
// in no range. An index on it makes both Bound and the reading quick.
//
// # Values that are not followed
//
// A cursor that stood at 'infinity' or in the year 9999 would pass all later rows by. So it
// follows a timestamp or date only as far as the server's clock (as that shows in the
// TimeZone of the Pool's sessions, where the column has none), a number not to Infinity and NaN nor to the largest of
// its integer type, a UUID not to the one of all ones. Rows with such values are left to a later run,
// with a warning in the log and the report. A stored cursor that stands at such a value is an error.
//
// Nothing is below -infinity: rows with it are read by the first run, and by none after it, of which each
// run warns that finds some. Leave them out by a Query.
//
// Where clocks are set back, a timestamp without a zone shows an hour twice. The bound then waits below that hour until
// it has come again, whose rows would else be passed by.
//
// # When rows are missed
//
// A row is missed if it becomes visible, with a value that is not above the bound, after
// the run has read. That happens
//
//   - to a timestamp that is set when a transaction begins or works (DEFAULT now(),
//     a trigger) if the transaction commits after a run that saw later ones. Lag,
//     longer than any writing transaction lasts, prevents it; OldestTransaction does so
//     without a guess, and lets long transactions hold the bound back. Both allow for the rounding
//     to the column's precision, timestamptz(0) for example, and not for what an expression cuts off (date_trunc);
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
	var from *string
	check := func(ctx context.Context, conn *pgx.Conn, d *pgDescription) (err error) {
		if from, err = r.cursorValue(last, d.cursor); err != nil {
			return err
		}
		return r.checkCursor(ctx, conn, d)
	}
	o, err := r.open(ctx, "", pipeline.Range{}, pgPart{}, check)
	if err != nil {
		return nil, err
	}
	defer r.end(o.conn)
	var bound json.RawMessage
	err = r.during(ctx, o.conn, func(guarded context.Context, _ func()) error {
		conn, d := o.conn.Conn(), o.d
		if err := r.checkNulls(guarded, conn, d); err != nil {
			return err
		}
		value, err := r.bound(guarded, conn, d, from, pipeline.LoggerFrom(ctx))
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

// bound asks for the largest value above from that the cursor may stand at, nil if there is
// none, in the form that is stored.
func (r *pgSource) bound(
	ctx context.Context, conn *pgx.Conn, d *pgDescription, from *string, log hclog.Logger,
) (*string, error) {
	limit, err := r.limit(ctx, conn, d)
	if err != nil {
		return nil, err
	}
	if err := r.checkReached(ctx, conn, d, from); err != nil {
		return nil, err
	}
	if err := r.warnOfUnread(ctx, conn, d, from, log); err != nil {
		return nil, err
	}
	largest, within, odd, err := r.largest(ctx, conn, d, limit, false)
	if err != nil || largest == nil {
		return nil, err
	}
	if odd {
		text, err := textOf(ctx, conn, largest, d.cursor.OID)
		if err != nil {
			return nil, err
		}
		log.Warn("rows are left to a later run: no cursor can follow a value that no later row could be above",
			"column", r.cursor, "largest", *text)
	}
	if !within {
		if largest, _, _, err = r.largest(ctx, conn, d, limit, true); err != nil || largest == nil {
			return nil, err
		}
	}
	value, err := textOf(ctx, conn, largest, d.cursor.OID)
	if err != nil || from == nil {
		return value, err
	}
	result := conn.PgConn().ExecParams(ctx, "SELECT $1 > $2", [][]byte{largest, []byte(*from)},
		[]uint32{d.cursor.OID, d.cursor.OID}, []int16{pgx.BinaryFormatCode, pgx.TextFormatCode}, nil).Read()
	if result.Err != nil || string(result.Rows[0][0]) != "t" {
		return nil, result.Err
	}
	return value, nil
}

// largest finds the largest value, in binary form, nil if there is no row. Unless only those below
// the limit are wanted, it tells whether the value is, and whether it is
// odd: one that a cursor should not wait for without a word.
func (r *pgSource) largest(
	ctx context.Context, conn *pgx.Conn, d *pgDescription, limit *pgLimit, limited bool,
) (value []byte, within, odd bool, err error) {
	params, formats := d.params, d.paramFormats
	condition := "true"
	if limit != nil {
		params, formats = append(slices.Clone(params), limit.value), append(slices.Clone(formats), limit.format)
		condition = fmt.Sprintf("%s $%d", limit.operator, len(params))
	}
	column := pgx.Identifier{r.cursor}.Sanitize()
	sql := r.boundQuery(d)
	switch {
	case limited:
		sql = fmt.Sprintf("SELECT %s AS b, true, false FROM %s WHERE %s %s ORDER BY %s DESC LIMIT 1",
			column, r.from(d.relation), column, condition, column)
	case limit == nil:
		sql = "SELECT b, true, false FROM (" + sql + ") AS largest"
	case isTime(d.cursor.OID):
		sql = fmt.Sprintf("SELECT b, b %s, b > pg_catalog.clock_timestamp() + interval '%d seconds' FROM (%s) AS largest",
			condition, int(clockTolerance.Seconds()), sql)
	default:
		sql = fmt.Sprintf("SELECT b, b %s, NOT b %s FROM (%s) AS largest", condition, condition, sql)
	}
	results := []int16{pgx.BinaryFormatCode, pgx.TextFormatCode, pgx.TextFormatCode}
	result := conn.PgConn().ExecParams(ctx, sql, params, nil, formats, results).Read()
	if result.Err != nil || len(result.Rows) == 0 || result.Rows[0][0] == nil {
		return nil, false, false, r.subqueryProblem(result.Err)
	}
	row := result.Rows[0]
	return row[0], string(row[1]) == "t", string(row[2]) == "t", nil
}

// boundQuery finds the largest value. Not by max(), which uuid and other types with
// an order do not have.
func (r *pgSource) boundQuery(d *pgDescription) string {
	column := pgx.Identifier{r.cursor}.Sanitize()
	return fmt.Sprintf("SELECT %s AS b FROM %s WHERE %s IS NOT NULL ORDER BY %s DESC LIMIT 1",
		column, r.from(d.relation), column, column)
}

// textOf has the server write a value, in settings that do not depend on the session.
func textOf(ctx context.Context, conn *pgx.Conn, value []byte, oid uint32) (*string, error) {
	const settings = "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; " +
		"SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 3"
	// The savepoint takes them back, since the user's query and the clock depend on them.
	if _, err := conn.Exec(ctx, "SAVEPOINT millrace_text; "+settings); err != nil {
		return nil, err
	}
	binary := []int16{pgx.BinaryFormatCode}
	result := conn.PgConn().ExecParams(ctx, "SELECT $1::text", [][]byte{value}, []uint32{oid}, binary, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	text := string(result.Rows[0][0])
	_, err := conn.Exec(ctx, "ROLLBACK TO SAVEPOINT millrace_text")
	return &text, err
}

// checkCursor finds out whether the cursor column can be one.
func (r *pgSource) checkCursor(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	if d.cursor == nil {
		return nil
	}
	switch d.cursor.OID {
	case pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.DateOID:
	default:
		if r.held() {
			return pipeline.Permanent(fmt.Errorf("column %q, the cursor, is %s, "+
				"and Lag and OldestTransaction need a timestamp or a date", r.cursor, d.cursor.TypeName))
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
FROM pg_catalog.pg_attribute WHERE attrelid = $1::text::oid AND attname = $2 AND attnum > 0`

// checkNulls looks for rows that no range would hold.
func (r *pgSource) checkNulls(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	if d.relation != nil {
		var notNull bool
		row := conn.QueryRow(ctx, notNullQuery, pgcatalog.Unnamed, pgcatalog.OIDText(d.relation.oid), r.cursor)
		if err := row.Scan(&notNull); err != nil || notNull {
			return err
		}
	}
	column := pgx.Identifier{r.cursor}.Sanitize()
	sql := "SELECT EXISTS (SELECT FROM " + r.from(d.relation) + " WHERE " + column + " IS NULL)"
	result := conn.PgConn().ExecParams(ctx, sql, d.params, nil, d.paramFormats, nil).Read()
	if result.Err != nil {
		return r.subqueryProblem(result.Err)
	}
	if string(result.Rows[0][0]) == "t" {
		return pipeline.Permanent(fmt.Errorf("column %q, the cursor, is null in some rows, which no run would read; "+
			"make it NOT NULL, or leave those rows out by a Query", r.cursor))
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
	if err := conn.QueryRow(ctx, sessionsQuery, pgcatalog.Unnamed).Scan(&standby, &visible, &prepared, &user); err != nil {
		return err
	}
	switch {
	case standby:
		return pipeline.Permanent(errors.New("this server is a standby, which does not know " +
			"the transactions of its primary: use Lag in place of OldestTransaction"))
	case !visible:
		return pipeline.Permanent(fmt.Errorf("role %q may not see the sessions of others, which OldestTransaction needs; "+
			"allow it by GRANT pg_read_all_stats TO %s", user, pgx.Identifier{user}.Sanitize()))
	case prepared:
		return errors.New("the database holds a prepared transaction, whose start OldestTransaction cannot know; " +
			"commit it or roll it back")
	}
	return nil
}
