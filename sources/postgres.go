package sources

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// Postgres reads a table, or the result of a query, from PostgreSQL 13 to 18.
//
// The fields of T, a struct or a pointer to one, are matched to columns by their
// db tag, otherwise by name without regard to letter case and underscores; a field
// tagged `db:"-"` is left out. Of a table only the columns that T has are read.
// Columns of a query's result that T lacks are ignored. Values travel in the binary
// protocol and are decoded into the batch, by a plan that is made once.
//
// # What it sees
//
// Everything is read in one read-only transaction of isolation level repeatable
// read: one state of the database, however long it takes and whatever is written
// meanwhile. A Query therefore cannot write. Rows come in the order in which
// the server gives them. Limits that a role has on the time of statements and transactions
// are off meanwhile; [pipeline.Timeout] bounds a stage.
//
// A table that is truncated, rewritten or exchanged while the source begins to read it has
// no rows that an older snapshot could see. The locks are therefore taken first, and the
// snapshot is taken anew until it is as new as all that is read.
//
// # What it waits for
//
// For a connection of the pool 30 seconds; for the lock of a table, which only those hold up who
// change its definition or truncate it, 30 seconds, or the lock_timeout among
// the Pool's own connection parameters. The error names the table and the session that holds the lock.
//
// # Rejects
//
// A value that its field cannot hold (null in an int64, a number out of
// range) makes its row a reject, with table or query, column, value and reason.
//
// # Cancelling
//
// When the run is over before the source is, the server is asked to cancel what it
// is doing, and the connection goes back to the pool. A server that does not answer
// within five seconds is left: the connection is closed.
//
// # Lanes
//
// With [pipeline.Parallel] a Table is read in parts of its pages, by as many
// connections, all of which see the same state. See [Postgres.Split].
//
// # Incremental
//
// With Cursor each run reads the rows after the last committed one's. See
// [Postgres.Bound] for what a cursor column must be, and when it can miss rows.
type Postgres[T any] struct {
	// Pool is where connections come from: one for each lane, for as long as it reads.
	Pool *pgxpool.Pool

	// Table names a table, view or foreign table: name or schema.name, with the
	// catalog's letter case; it is quoted for you. A name that holds a dot is put in
	// double quotes. Without a schema the server's search_path decides.
	// Exactly one of Table and Query must be set.
	Table string

	// Query is a statement that returns rows, with $1, $2, ... for Args.
	Query string

	// Args are the values of the Query's parameters, in pgx's mapping of types.
	Args []any

	// Cursor names the column, exactly as in the catalog or in the Query's result, by
	// which the source reads incrementally. It needs [pipeline.Options].State.
	// Defaults to none: each run reads everything.
	Cursor string

	// Lag keeps each run's bound this far behind the server's clock, for
	// transactions that commit late: a row that is younger is left to a later run. For a Cursor
	// of type timestamp or timestamptz; for a date, days are read that ended this
	// long ago. Defaults to 0.
	Lag time.Duration

	// OldestTransaction keeps each run's bound below the start of the oldest transaction
	// that is still open in the database, so that no row can be committed later with a
	// timestamp that has been passed, provided that rows are stamped by the server
	// (now() or later in their transaction). For a Cursor of type timestamptz,
	// or timestamp or date if writers and Pool have the same TimeZone; of a date, days are read that ended
	// before. Not on a standby. The role must see all sessions: GRANT pg_read_all_stats.
	OldestTransaction bool

	// InRun has the source read in the run's own transaction on the Pool, through its one connection:
	// it sees what the run's sinks and steps have written there before it begins, which
	// [pipeline.After] is to say. Without a sink of the run on the same Pool, with Cursor, and in lanes it
	// is an error. Rows are fetched by about 1 MiB, between which sinks go on loading.
	//
	// Without InRun a table is read as it was before the run. So "read a table, clean the records,
	// Replace the same table" works in one run.
	InRun bool
}

var (
	_ pipeline.Source[struct{}]   = Postgres[struct{}]{}
	_ pipeline.Validator          = Postgres[struct{}]{}
	_ pipeline.Splitter[struct{}] = Postgres[struct{}]{}
	_ pipeline.Cursored           = Postgres[struct{}]{}
	_ pipeline.Claimer            = Postgres[struct{}]{}
	_ pipeline.Describer          = Postgres[struct{}]{}
)

// pgSource is a Postgres source without its type of record, so that most of the code
// is compiled once.
type pgSource struct {
	pool   *pgxpool.Pool
	table  string
	query  string
	args   []any
	cursor string
	lag    time.Duration
	oldest bool
	inRun  bool
	record reflect.Type
	user   string // the role that reads, once known
	oid    uint32 // of the table, once known

	unplanned bool // the query has no plan, which is known once that was tried
}

func (s Postgres[T]) plain() *pgSource {
	return &pgSource{
		pool: s.Pool, table: s.Table, query: s.Query, args: s.Args,
		cursor: s.Cursor, lag: s.Lag, oldest: s.OldestTransaction, inRun: s.InRun, record: reflect.TypeFor[T](),
	}
}

// Describe says what is read: "Postgres table online_sales", "Postgres query".
func (s Postgres[T]) Describe() string {
	if s.Table != "" {
		return "Postgres table " + s.Table
	}
	return "Postgres query"
}

// Claims says that each lane holds one connection of the pool, or, with InRun, the run's.
func (s Postgres[T]) Claims() []pipeline.Claim {
	if s.Pool == nil {
		return nil
	}
	config := s.Pool.Config()
	return []pipeline.Claim{{
		Key:      s.Pool,
		Name:     fmt.Sprintf("pool of database %q", config.ConnConfig.Database),
		Capacity: int(config.MaxConns),
		Need:     1,
		Shared:   s.InRun, // it is the one that the run's sinks have
	}}
}

// Validate connects, looks the table up or has the query described, without
// running it, and holds the type of each column against its field. What is
// missing is named, with the nearest spelling; a right that the role has not, with the
// GRANT that gives it. All problems come together.
func (s Postgres[T]) Validate(ctx context.Context) error {
	r := s.plain()
	if err := r.settings(); err != nil {
		return err
	}
	var problems []error
	o, err := r.open(ctx, "", pipeline.Range{}, pgPart{}, func(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
		problems = nil // of an earlier try
		// All columns of a table are held against the fields, so that what is missing is
		// told from what is there.
		pgcodec.ReadAsText(r.record, d.present, conn.TypeMap())
		if _, err := pgcodec.NewDecoder[T](d.present, conn.TypeMap()); err != nil {
			problems = append(problems, r.misfit(err))
		}
		if err := r.checkCursor(ctx, conn, d); err != nil {
			if conn.PgConn().TxStatus() != 'T' { // an error of the server ends what can be asked
				return err
			}
			problems = append(problems, r.explain(ctx, err))
		}
		return r.checkAccess(ctx, conn, d)
	})
	if err == nil {
		r.end(o.conn)
		if r.inRun && r.unplanned {
			err = pipeline.Permanent(r.at(errNoCursor))
		}
	}
	return errors.Join(append(problems, err)...)
}

// settings finds what is wrong with the settings by themselves.
func (r *pgSource) settings() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if r.pool == nil {
		problem("Pool is nil: a pgxpool.Pool is needed to connect")
	}
	switch {
	case r.table == "" && r.query == "":
		problem("neither Table nor Query is set: one of them says what to read")
	case r.table != "" && r.query != "":
		problem("Table and Query are both set: only one of them can say what to read")
	}
	if r.query == "" && len(r.args) > 0 {
		problem("Args are the parameters of Query, and there is none")
	}
	if r.lag < 0 {
		problem("Lag is %v: it cannot be negative", r.lag)
	}
	if r.cursor == "" && r.lag > 0 {
		problem("Lag is set and Cursor is not: it is a margin below the cursor's bound")
	}
	if r.cursor == "" && r.oldest {
		problem("OldestTransaction is set and Cursor is not: it keeps the cursor's bound back")
	}
	if r.inRun && r.cursor != "" {
		problem("InRun and Cursor are both set: what the run itself has written is not read incrementally; leave one of them out")
	}
	if _, err := pgcodec.Fields(r.record); err != nil {
		problems = append(problems, err)
	}
	if len(problems) == 0 {
		return nil
	}
	return pipeline.Permanent(r.at(errors.Join(problems...)))
}

// Extract reads everything, or, with Cursor, the range of the run.
func (s Postgres[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	r := s.plain()
	if err := r.settings(); err != nil {
		return err
	}
	if r.inRun {
		return extractInRun(ctx, r, out)
	}
	return extractOutside(ctx, r, out)
}

// extractOutside reads in a transaction of the source's own.
func extractOutside[T any](ctx context.Context, r *pgSource, out *pipeline.Writer[T]) error {
	span, err := r.span(ctx)
	if err != nil {
		return err
	}
	o, err := r.open(ctx, "", span, pgPart{}, nil)
	if err != nil {
		return err
	}
	defer r.end(o.conn)
	return extract(ctx, r, o, out)
}

// extract reads what is described, in the transaction that was opened for it.
func extract[T any](ctx context.Context, r *pgSource, o opened, out *pipeline.Writer[T]) error {
	if o.d.empty {
		return nil
	}
	return r.during(ctx, o.conn, func(guarded context.Context, stop func()) error {
		conn := o.conn.Conn()
		decoder, err := pgcodec.NewDecoder[T](o.d.columns, conn.TypeMap())
		if err != nil {
			return r.misfit(err)
		}
		rows := conn.PgConn().ExecParams(guarded, o.d.sql, o.d.params, nil, o.d.paramFormats, o.d.resultFormats)
		if err := stream(r.place(), rows, decoder, out, stop); err != nil {
			return err
		}
		// What functions of the query have read is known, and locked, only now.
		if r.query != "" {
			return r.checkFresh(guarded, conn)
		}
		return nil
	})
}

// misfit says that columns and fields do not go together.
func (r *pgSource) misfit(err error) error { return pipeline.Permanent(r.at(err)) }

// place is what messages begin with.
func (r *pgSource) place() string {
	if r.table != "" {
		return fmt.Sprintf("table %q", r.table)
	}
	return "query"
}

// from is the relation to read, as SQL.
func (r *pgSource) from(rel *pgRelation) string {
	if rel != nil {
		return pgx.Identifier{rel.schema, rel.name}.Sanitize()
	}
	return "(\n" + trimQuery(r.query) + "\n) AS " + pgx.Identifier{"query"}.Sanitize()
}
