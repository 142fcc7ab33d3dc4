package pgunit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// DefaultSchema is where the ledger is kept when nobody says otherwise.
const DefaultSchema = "millrace"

// beginTimeout is how long an attempt waits for an older one that is committing.
func beginTimeout() time.Duration { return limits.fence + 15*time.Second }

// Ledger keeps the ledger of commits and the cursors in a schema of a database. It is
// what a [pipeline.State] is made of. It is configuration: any number of runs may
// use one.
type Ledger struct {
	Pool   *pgxpool.Pool
	Schema string // defaults to [DefaultSchema]

	// Ensured says that the caller has called [Ledger.Ensure] before, so that not each run
	// looks whether the tables are there.
	Ensured bool
}

func (l Ledger) schema() string {
	if l.Schema == "" {
		return DefaultSchema
	}
	return l.Schema
}

func (l Ledger) table(name string) string { return pgx.Identifier{l.schema(), name}.Sanitize() }

// Look runs f on a connection of the pool, outside any transaction of a run. Errors
// have the form that users see.
func Look(ctx context.Context, pool *pgxpool.Pool, f func(conn *pgx.Conn) error) error {
	if pool == nil {
		return pipeline.Permanent(errors.New("the pool is nil"))
	}
	conn, err := acquire(ctx, pool)
	if err != nil {
		return err
	}
	defer conn.Release()
	u := Unit{name: fmt.Sprintf("database %q", conn.Conn().Config().Database), conn: conn}
	return u.problem(ctx, f(conn.Conn()))
}

// Begin implements [pipeline.State]. The attempt gets the newest fence: one that began
// before can no longer commit. An attempt that is about to commit is waited for.
func (l Ledger) Begin(ctx context.Context, run pipeline.Run, sources []string) (known pipeline.Recovered, err error) {
	err = Look(ctx, l.Pool, func(conn *pgx.Conn) error {
		if !l.Ensured {
			if err := l.ensure(ctx, conn); err != nil {
				return err
			}
		}
		tx, err := l.begin(ctx, conn, run, sources, &known)
		defer tx.Rollback(ctx) // after a commit it does nothing; if ctx is done it ends the connection
		if err == nil && known.Committed == nil {
			err = stillThere(known, run, sources)
		}
		if err != nil {
			return err
		}
		return tx.Commit(ctx)
	})
	if err != nil {
		return pipeline.Recovered{}, err
	}
	return known, nil
}

// begin begins a transaction, also on an error, in the same exchange in which it asks for all there is to know.
func (l Ledger) begin(
	ctx context.Context, conn *pgx.Conn, run pipeline.Run, sources []string, known *pipeline.Recovered,
) (pgx.Tx, error) {
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted}) // each statement sees what was committed when its turn comes
	boundIdling(&b, limits.grace)
	b.Queue("select set_config('lock_timeout', $1, true)", fmt.Sprintf("%dms", beginTimeout().Milliseconds()))
	// An attempt numbered 1 is somebody who starts the run anew, perhaps after a crash
	// at a higher number; a higher number is a retry, which a still higher one fences off.
	var attempt int
	var ranges []byte
	b.Queue(`
insert into `+l.table("attempts")+` as a (pipeline, run_id, attempt) values ($1, $2, $3)
on conflict (pipeline, run_id) do update
   set attempt = case when $3 = 1 then 1 else greatest(a.attempt, $3) end,
       fence = a.fence + (case when $3 = 1 or $3 >= a.attempt then 1 else 0 end),
       started_at = case when $3 = 1 or $3 >= a.attempt then now() else a.started_at end
returning attempt, fence, ranges`, run.Pipeline, run.ID, run.Attempt).QueryRow(func(row pgx.Row) error {
		return row.Scan(&attempt, &known.Fence, &ranges)
	})
	// Asked after the row's lock was had: an attempt that held it may have committed.
	l.find(&b, run, &known.Committed)
	l.cursors(&b, run, sources, &known.Cursors)
	results := conn.SendBatch(ctx, &b)
	err := results.Close()
	switch {
	case err != nil || known.Committed != nil:
	case attempt > run.Attempt:
		err = pipeline.Permanent(fmt.Errorf("attempt %d: %w (attempt %d)", run.Attempt, pipeline.ErrFenced, attempt))
	default:
		err = json.Unmarshal(ranges, &known.Ranges)
	}
	return results.Tx(), err
}

// boundIdling has a batch tell the server to end the session if its transaction, until its end, waits
// that long for the client. It comes before a lock that others wait for: a
// process that is stopped (SIGSTOP, a suspended machine) would hold it for ever.
func boundIdling(b *pgx.Batch, d time.Duration) {
	b.Queue("select set_config('idle_in_transaction_session_timeout', $1, true)", fmt.Sprintf("%dms", d.Milliseconds()))
}

// find has a batch look for the run's row; it leaves nil if the run has not committed.
func (l Ledger) find(b *pgx.Batch, run pipeline.Run, found **pipeline.Commit) {
	sql := "select attempt, rows, ranges from " + l.table("commits") + " where pipeline = $1 and run_id = $2"
	b.Queue(sql, run.Pipeline, run.ID).QueryRow(func(row pgx.Row) error {
		var c pipeline.Commit
		var ranges []byte
		err := row.Scan(&c.Attempt, &c.Rows, &ranges)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(ranges, &c.Ranges)
		}
		*found = &c
		return err
	})
}

// cursors has a batch read the cursors of the sources.
func (l Ledger) cursors(b *pgx.Batch, run pipeline.Run, sources []string, found *map[string]json.RawMessage) {
	if len(sources) == 0 {
		return
	}
	sql := "select source, value::text from " + l.table("cursors") + " where pipeline = $1 and source = any($2)"
	b.Queue(sql, run.Pipeline, sources).Query(func(rows pgx.Rows) error {
		*found = map[string]json.RawMessage{}
		var source, value string
		_, err := pgx.ForEachRow(rows, []any{&source, &value}, func() error {
			(*found)[source] = json.RawMessage(value)
			return nil
		})
		return err
	})
}

// stillThere checks that the ranges which an earlier attempt recorded still begin at
// the cursors: another run may have moved them since.
func stillThere(known pipeline.Recovered, run pipeline.Run, sources []string) error {
	for _, source := range sources {
		recorded, ok := known.Ranges[source]
		if cursor := known.Cursors[source]; ok && !sameJSON(recorded.From, cursor) {
			return pipeline.Permanent(fmt.Errorf("source %q: an earlier attempt of run %q was to read on from %s, "+
				"but another run has moved the cursor to %s: start a new run",
				source, run.ID, orNothing(recorded.From), orNothing(cursor)))
		}
	}
	return nil
}

func orNothing(value json.RawMessage) string {
	if value == nil {
		return "the beginning"
	}
	return string(value)
}

// Fix implements [pipeline.State].
func (l Ledger) Fix(ctx context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	wanted, err := json.Marshal(ranges)
	if err != nil {
		return err
	}
	return Look(ctx, l.Pool, func(conn *pgx.Conn) error {
		var kept []byte
		// What was recorded first stays.
		err := conn.QueryRow(ctx, "update "+l.table("attempts")+
			" set ranges = $3::text::jsonb || ranges where pipeline = $1 and run_id = $2 returning ranges",
			run.Pipeline, run.ID, string(wanted)).Scan(&kept)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("the run was never begun")
		}
		if err != nil {
			return err
		}
		var recorded map[string]pipeline.Range
		if err := json.Unmarshal(kept, &recorded); err != nil {
			return err
		}
		for source, r := range ranges {
			if !sameJSON(recorded[source].From, r.From) || !sameJSON(recorded[source].To, r.To) {
				return pipeline.Transient(fmt.Errorf("source %q: another attempt of this run "+
					"has recorded what it reads at the same time", source))
			}
		}
		return nil
	})
}

// Commit implements [pipeline.State]: the fence, the ledger's row and the cursors, in
// the run's transaction on the ledger's pool.
func (l Ledger) Commit(ctx context.Context, run pipeline.Run, commit pipeline.Commit) error {
	u, err := Join(ctx, l.Pool)
	if err != nil {
		return err
	}
	turn, err := u.Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.Release()
	return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := l.fence(ctx, conn, run, commit.Fence); err != nil {
			return err
		}
		if err := l.record(ctx, conn, run, commit); err != nil {
			return err
		}
		u.home = &l
		return l.move(ctx, conn, run, commit.Ranges)
	})
}

// fence locks the row of the run's newest attempt until the end of the transaction.
func (l Ledger) fence(ctx context.Context, conn *pgx.Conn, run pipeline.Run, mine int64) error {
	var newest int64
	var b pgx.Batch
	boundIdling(&b, limits.fence)
	sql := "select fence from " + l.table("attempts") + " where pipeline = $1 and run_id = $2 for update"
	b.Queue(sql, run.Pipeline, run.ID).QueryRow(func(row pgx.Row) error {
		return row.Scan(&newest)
	})
	err := conn.SendBatch(ctx, &b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return errors.New("the run was never begun")
	}
	if err != nil {
		return err
	}
	if newest == mine {
		return nil
	}
	done, err := l.found(ctx, conn, run)
	switch {
	case err != nil:
		return err
	case done != nil:
		return pipeline.ErrAlreadyCommitted
	}
	return pipeline.ErrFenced
}

// found looks for the run's row; nil if it has not committed.
func (l Ledger) found(ctx context.Context, conn *pgx.Conn, run pipeline.Run) (commit *pipeline.Commit, err error) {
	var b pgx.Batch
	l.find(&b, run, &commit)
	return commit, conn.SendBatch(ctx, &b).Close()
}

// record inserts the run's row.
func (l Ledger) record(ctx context.Context, conn *pgx.Conn, run pipeline.Run, commit pipeline.Commit) error {
	ranges := commit.Ranges
	if ranges == nil {
		ranges = map[string]pipeline.Range{}
	}
	document, err := json.Marshal(ranges)
	if err != nil {
		return err
	}
	tag, err := conn.Exec(ctx, "insert into "+l.table("commits")+
		" (pipeline, run_id, attempt, rows, ranges) values ($1, $2, $3, $4, $5::text::jsonb) on conflict do nothing",
		run.Pipeline, run.ID, commit.Attempt, commit.Rows, string(document))
	if err == nil && tag.RowsAffected() == 0 {
		return pipeline.ErrAlreadyCommitted
	}
	return err
}

// move moves the cursors, each only if it stands where the run began to read.
func (l Ledger) move(ctx context.Context, conn *pgx.Conn, run pipeline.Run, ranges map[string]pipeline.Range) error {
	for _, source := range slices.Sorted(maps.Keys(ranges)) { // one order for all runs: no deadlock
		r := ranges[source]
		if r.To == nil {
			continue
		}
		sql := "insert into " + l.table("cursors") +
			" (pipeline, source, value, run_id) values ($1, $2, $3::text::jsonb, $4) on conflict do nothing"
		args := []any{run.Pipeline, source, string(r.To), run.ID}
		if r.From != nil {
			sql = "update " + l.table("cursors") + " set value = $3::text::jsonb, run_id = $4, updated_at = now() " +
				"where pipeline = $1 and source = $2 and value = $5::text::jsonb"
			args = append(args, string(r.From))
		}
		tag, err := conn.Exec(ctx, sql, args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return pipeline.Permanent(fmt.Errorf("source %q: its cursor is no longer at %s, where this run began to read: "+
				"another run of this pipeline has committed meanwhile; start a new run", source, orNothing(r.From)))
		}
	}
	return nil
}

// committed is for a unit beside the ledger's: whether it was committed by an earlier
// attempt.
func (l Ledger) committed(ctx context.Context, conn *pgx.Conn, run pipeline.Run) (bool, error) {
	if err := l.ensure(ctx, conn); err != nil {
		return false, err
	}
	found, err := l.found(ctx, conn, run)
	return found != nil, err
}
