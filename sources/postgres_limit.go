package sources

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// pgLimit is how far a bound may go: values for which "value operator limit" holds.
type pgLimit struct {
	operator string
	value    []byte
	format   int16
}

// clockTolerance is how far a timestamp may be ahead of the server's clock without
// a warning.
const clockTolerance = time.Minute

// startupMargin covers the moment between the start of a transaction and its
// appearance among the sessions.
const startupMargin = time.Second

func isTime(oid uint32) bool {
	return oid == pgtype.TimestampOID || oid == pgtype.TimestamptzOID || oid == pgtype.DateOID
}

// limit says how far the bound may go, nil where every value has others above it.
func (r *pgSource) limit(ctx context.Context, conn *pgx.Conn, d *pgDescription) (*pgLimit, error) {
	if isTime(d.cursor.OID) {
		value, err := r.holdBack(ctx, conn, d)
		return &pgLimit{"<=", value, pgx.BinaryFormatCode}, err
	}
	if top := topValue(d.cursor.OID, serverVersion(conn.PgConn())); top != "" {
		return &pgLimit{"<", []byte(top), pgx.TextFormatCode}, nil
	}
	return nil, nil
}

// topValue is the smallest value of a type that no later row could be above. Infinity is new
// among numerics in version 14, and among intervals in 17; NaN is above it.
func topValue(oid uint32, version int) string {
	switch oid {
	case pgtype.Int2OID:
		return "32767"
	case pgtype.Int4OID:
		return "2147483647"
	case pgtype.Int8OID:
		return "9223372036854775807"
	case pgtype.Float4OID, pgtype.Float8OID:
		return "Infinity"
	case pgtype.NumericOID:
		if version < 14 {
			return "NaN"
		}
		return "Infinity"
	case pgtype.IntervalOID:
		if version >= 17 {
			return "infinity"
		}
	case pgtype.UUIDOID:
		return "ffffffff-ffff-ffff-ffff-ffffffffffff"
	}
	return ""
}

// bottomValue is the value of a type that no other is below, of types that have one for this purpose.
func bottomValue(oid uint32, version int) string {
	switch {
	case isTime(oid), oid == pgtype.IntervalOID && version >= 17:
		return "-infinity"
	case oid == pgtype.Float4OID, oid == pgtype.Float8OID, oid == pgtype.NumericOID && version >= 14:
		return "-Infinity"
	}
	return ""
}

// warnOfUnread tells of rows that no later run reads, since every cursor is above them.
func (r *pgSource) warnOfUnread(ctx context.Context, conn *pgx.Conn, d *pgDescription, from *string, log hclog.Logger) error {
	bottom := bottomValue(d.cursor.OID, serverVersion(conn.PgConn()))
	if from == nil || bottom == "" {
		return nil
	}
	params := append(slices.Clone(d.params), []byte(bottom))
	formats := append(slices.Clone(d.paramFormats), pgx.TextFormatCode)
	sql := fmt.Sprintf("SELECT EXISTS (SELECT FROM %s WHERE %s = $%d)", r.from(d.relation), pgx.Identifier{r.cursor}.Sanitize(), len(params))
	result := conn.PgConn().ExecParams(ctx, sql, params, nil, formats, nil).Read()
	if result.Err != nil {
		return r.subqueryProblem(result.Err)
	}
	if string(result.Rows[0][0]) == "t" {
		log.Warn("rows with "+bottom+" are never read after the first run; leave them out by a Query", "column", r.cursor)
	}
	return nil
}

// checkReached refuses a stored cursor that stands where no later row could be above it.
func (r *pgSource) checkReached(ctx context.Context, conn *pgx.Conn, d *pgDescription, from *string) error {
	if from == nil {
		return nil
	}
	sql := "SELECT $1 > pg_catalog.clock_timestamp() + interval '1 day'"
	params, oids := [][]byte{[]byte(*from)}, []uint32{d.cursor.OID}
	if !isTime(d.cursor.OID) {
		top := topValue(d.cursor.OID, serverVersion(conn.PgConn()))
		if top == "" {
			return nil
		}
		sql, params, oids = "SELECT $1 >= $2", append(params, []byte(top)), append(oids, d.cursor.OID)
	}
	result := conn.PgConn().ExecParams(ctx, sql, params, oids, nil, nil).Read()
	if result.Err != nil || string(result.Rows[0][0]) != "t" {
		return result.Err
	}
	return pipeline.Permanent(fmt.Errorf("the stored cursor stands at %s, and rows that come now would be passed by; %s", showCursor(from), forget))
}

// oldestQuery finds when the oldest transaction began that could still write in this database.
const oldestQuery = `
SELECT min(xact_start) - interval '1 microsecond' FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
  AND backend_type NOT IN ('autovacuum worker', 'autovacuum launcher', 'walsender', 'parallel worker')`

// limitQuery finds the moment t that a bound may reach: not above the first parameter, behind the clock by the second,
// less the third. In a column without a zone, what clocks of the session's TimeZone show from t on matters, which is
// less than at t if they are set back meanwhile. That is by 3 h at the most, and at a whole minute. The clock is read
// after the sessions: a transaction that began since is later.
const limitQuery = `
WITH now AS MATERIALIZED (SELECT LEAST($1, pg_catalog.clock_timestamp() - $2) - $3 AS t),
later AS (SELECT t, pg_catalog.min(m::timestamp) AS lowest FROM now, pg_catalog.generate_series(
  pg_catalog.date_trunc('minute', t) + interval '1 minute', t + interval '3 hours', interval '1 minute') AS m GROUP BY t)
SELECT `

// holdBack returns the latest moment that the bound may be, as a binary value of the
// column's type.
func (r *pgSource) holdBack(ctx context.Context, conn *pgx.Conn, d *pgDescription) ([]byte, error) {
	lag, rounding := r.lag, time.Duration(0)
	var oldest pgtype.Timestamptz
	if r.oldest {
		lag = max(lag, startupMargin)
		if err := conn.QueryRow(ctx, oldestQuery, pgcatalog.Unnamed).Scan(&oldest); err != nil {
			return nil, err
		}
	}
	if r.held() {
		rounding = unitOf(d.modifier)
	}
	sql := limitQuery
	switch {
	case d.cursor.OID == pgtype.TimestampOID: // below all that will be shown again
		sql += "CASE WHEN lowest < t::timestamp THEN lowest - interval '1 microsecond' ELSE t::timestamp END FROM later"
	case d.cursor.OID == pgtype.DateOID && r.held(): // the last day that has ended
		sql += "LEAST(lowest, t::timestamp)::date - 1 FROM later"
	case d.cursor.OID == pgtype.DateOID:
		sql += "LEAST(lowest, t::timestamp)::date FROM later"
	default:
		sql += "t FROM now"
	}
	var builder pgx.ExtendedQueryBuilder
	described, err := conn.PgConn().Prepare(ctx, "", sql, []uint32{pgtype.TimestamptzOID, pgtype.IntervalOID, pgtype.IntervalOID})
	if err != nil {
		return nil, err
	}
	if err := builder.Build(conn.TypeMap(), described, []any{oldest, lag, rounding}); err != nil {
		return nil, err
	}
	result := conn.PgConn().ExecPrepared(ctx, "", builder.ParamValues, builder.ParamFormats, []int16{pgx.BinaryFormatCode}).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	return result.Rows[0][0], nil
}

// held tells whether the bound is kept back from the clock.
func (r *pgSource) held() bool { return r.lag > 0 || r.oldest }

// unitOf is the unit of a timestamp's precision, to which the server rounds: a row that is stamped
// at 10.4 s in a timestamptz(0) holds 10 s. A type without a precision has microseconds, to which
// nothing is rounded.
func unitOf(modifier int32) time.Duration {
	if modifier < 0 || modifier >= 6 {
		return 0
	}
	unit := time.Second
	for range modifier {
		unit /= 10
	}
	return unit
}
