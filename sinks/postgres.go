package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// Mode says what a [Postgres] sink does with the rows that are in its table.
type Mode int

const (
	// Append adds to the rows that are there.
	Append Mode = iota

	// Replace takes the place of the rows that are there. Readers see the old rows
	// until the run commits; other writers wait from its first record on. It is an
	// error where that would touch more than the table's own rows: where a foreign
	// key of another table cascades or sets null, where tables inherit, where a
	// rule keeps rows; and if a trigger has kept some.
	Replace

	// Truncate does as Replace and is faster for large tables, but from the first
	// record on nobody can read the table, not even a source of the same run. All
	// tables of a run are truncated together, so that they may reference each other.
	Truncate

	// Upsert updates rows whose keys are there and inserts the others. Of several
	// records with the same keys the last one wins.
	Upsert
)

func (m Mode) String() string {
	switch m {
	case Append:
		return "append"
	case Replace:
		return "replace"
	case Truncate:
		return "truncate"
	case Upsert:
		return "upsert"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// DefaultLockTimeout is how long a [Postgres] sink waits for its lock on a table
// when LockTimeout does not say.
const DefaultLockTimeout = 5 * time.Second

// Postgres loads records into a table, by COPY in the binary format. The fields of
// T, a struct, are the columns: a field tagged `db:"name"` is column name, another
// one is the column of its own name, letter case and underscores aside;
// `db:"-"` leaves a field out. Columns without a field get their default.
//
// All Postgres sinks and [Exec] steps of a run on one pool share one connection
// and one transaction, which is committed when every stage of the run has
// succeeded. One that must be rolled back leaves nothing.
//
// An empty input is no exception: Replace and Truncate then empty the table. Tables of
// one run are emptied at the first record of any of them, those first that reference others.
//
// A record that the codec or the server refuses fails the run. Where the run allows rejects
// ([pipeline.Options].MaxRejects), rows are loaded in portions of about 1 MiB, each
// under a savepoint; of a portion that is refused, rows are loaded one by one where
// refusals are dense, and those that are to blame become rejects. A constraint that is deferred
// is checked only at the end of the run, and then fails it.
//
// A row that a BEFORE trigger keeps out, by answering NULL, is refused in the same way, though the server calls that a
// success: what it says it took is held against what it was sent. The server's suppress_redundant_updates_trigger, which
// keeps out only what is there already, is none of these.
type Postgres[T any] struct {
	// Pool is of the database. One run should use one pool for one database: two
	// pools are two transactions.
	Pool *pgxpool.Pool

	// Table is table or schema.table, in the letter case that the catalog has. A
	// name that holds a dot goes in double quotes. Without a schema the search
	// path decides.
	Table string

	// Mode defaults to Append.
	Mode Mode

	// Keys are the columns by which Upsert tells rows apart. The table needs a
	// unique index over exactly these, which is neither partial nor deferrable; null
	// is not allowed in them. The other modes take Keys only with Create.
	Keys []string

	// Create makes the table, within the transaction, if there is none: a column
	// for each field, Keys as the primary key. bool becomes boolean; int8, int16
	// and uint8 smallint; int32 and uint16 integer; int, int64 and uint32 bigint;
	// uint and uint64 numeric(20,0); float32 real; float64 double precision;
	// string text; []byte bytea; time.Time timestamptz; [16]byte uuid; a decimal
	// type numeric; json.RawMessage, maps and structs jsonb; a slice an array.
	// Columns are not null, but for pointers, slices, maps, and the types of pgtype and
	// database/sql that hold null.
	Create bool

	// LockTimeout bounds the wait for the table's lock before the first row, which
	// those hold who use it without Millrace (other runs are waited for before, see
	// [Postgres.Open]). Append and Upsert wait for those who change the table's
	// definition, Replace also for other writers, Truncate also for readers.
	// Defaults to [DefaultLockTimeout].
	LockTimeout time.Duration
}

// Describe says what it is: "Postgres in_store_sales, replace".
func (s Postgres[T]) Describe() string { return "Postgres " + s.Table + ", " + s.Mode.String() }

// Serial marks that the sink needs its whole input in one call.
func (s Postgres[T]) Serial() {}

// Claims tells the runner that the sinks of a run on one pool use one connection.
func (s Postgres[T]) Claims() []pipeline.Claim { return poolClaim(s.Pool) }

func poolClaim(pool *pgxpool.Pool) []pipeline.Claim {
	if pool == nil {
		return nil
	}
	config := pool.Config()
	return []pipeline.Claim{{
		Key: pool, Name: fmt.Sprintf("pool of database %q", config.ConnConfig.Database),
		Capacity: int(config.MaxConns), Need: 1, Shared: true,
	}}
}

// pgTarget is what of a Postgres sink does not depend on the record type.
type pgTarget struct {
	pool        *pgxpool.Pool
	label       string
	id          pgx.Identifier
	mode        Mode
	keys        []string
	create      bool
	lockTimeout time.Duration
}

// target checks what can be checked without a database.
func (s Postgres[T]) target() (pgTarget, error) {
	t := pgTarget{pool: s.Pool, label: s.Table, mode: s.Mode, keys: s.Keys, create: s.Create, lockTimeout: s.LockTimeout}
	var problems []error
	if s.Pool == nil {
		problems = append(problems, errors.New("sinks.Postgres: Pool is nil"))
	}
	var err error
	if t.id, err = pgcatalog.ParseTable(s.Table); err != nil {
		problems = append(problems, err)
	}
	if s.Mode < Append || s.Mode > Upsert {
		problems = append(problems, fmt.Errorf("table %q: there is no %v", s.Table, s.Mode))
	}
	if s.Mode == Upsert && len(s.Keys) == 0 {
		problems = append(problems, fmt.Errorf("table %q: Upsert needs Keys, the columns by which it tells rows apart", s.Table))
	}
	if s.Mode != Upsert && len(s.Keys) > 0 && !s.Create {
		problems = append(problems, fmt.Errorf("table %q: Keys are for Upsert and for Create, and %s without Create would ignore them: set Mode to sinks.Upsert, or leave Keys out", s.Table, s.Mode))
	}
	for i, k := range s.Keys {
		if slices.Contains(s.Keys[:i], k) {
			problems = append(problems, fmt.Errorf("table %q: key %q is named twice", s.Table, k))
		}
	}
	switch {
	case s.LockTimeout < 0:
		problems = append(problems, fmt.Errorf("table %q: LockTimeout is %v: it cannot be negative; leave it 0 for the default of %v", s.Table, s.LockTimeout, DefaultLockTimeout))
	case s.LockTimeout == 0:
		t.lockTimeout = DefaultLockTimeout
	}
	return t, pipeline.Permanent(errors.Join(problems...))
}

// Load implements [pipeline.Sink].
func (s Postgres[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	target, err := s.target()
	if err != nil {
		return err
	}
	var l *pgLoad[T]
	for batch, err := range in.Batches() {
		if err == nil && l == nil {
			l, err = s.open(ctx, in, target)
		}
		if err == nil {
			err = l.add(ctx, batch)
		}
		if err != nil {
			if l != nil {
				l.abort(err)
			}
			return err
		}
	}
	if l == nil {
		if target.mode == Append && !target.create {
			return nil // nothing to do, so nothing to begin
		}
		if l, err = s.open(ctx, in, target); err != nil {
			return err
		}
	}
	if err := l.finish(ctx); err != nil {
		l.abort(err)
		return err
	}
	return nil
}
