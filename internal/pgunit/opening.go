package pgunit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// Empty says how a table is emptied before the first row.
type Empty int

// The ways to empty a table.
const (
	Keep     Empty = iota // it is not
	Delete                // readers see the old rows until the commit
	Truncate              // nobody can read it until the commit
)

// Target is a table that a run writes to.
type Target struct {
	Label       string         // as the user wrote it
	Table       pgx.Identifier // by the search path if it has no schema
	Shared      bool           // other runs may write to it at the same time, if they share it too
	Empty       Empty
	LockTimeout time.Duration // for the table's own lock

	// Create makes the table if there is none; nil if that is an error.
	Create func(ctx context.Context, conn *pgx.Conn) error
	// Refused gives an error of the table's own lock or of emptying it the form that users see.
	Refused func(err error) error

	oid     uint32
	emptied bool
}

// Open joins the run's unit on the pool, as [Join] does, and puts the run in order among those that write to the same
// tables: by a lock for each table, taken in the order of their OIDs and held to the end of the transaction. A lock is
// shared or exclusive as the target says; the wait for it is bounded by the run's own time. Whoever writes
// without Millrace knows nothing of these locks. Targets are all of the run's on this pool.
//
// Runs of one process wait for each other before they take a connection: those that wait could otherwise hold all of a
// pool, and the one that they wait for could get none for its sources.
func Open(ctx context.Context, pool *pgxpool.Pool, targets []Target) (*Unit, error) {
	return pipeline.Join(ctx, pool, func(ctx context.Context) (*Unit, error) {
		passed, err := pass(ctx, pool, targets)
		if err != nil {
			return nil, err
		}
		u, err := begin(ctx, pool)
		if err != nil {
			passed()
			return nil, err
		}
		if u.done {
			passed()
			return u, nil
		}
		u.leave = passed
		if err := u.problem(ctx, u.order(ctx, targets)); err != nil {
			u.discard(context.WithoutCancel(ctx))
			return nil, err
		}
		return u, nil
	})
}

// lockSpace is the first half of the key of an advisory lock on a table; the OID is the second.
const lockSpace = 0x4d696c6c

// order takes the locks.
func (u *Unit) order(ctx context.Context, targets []Target) error {
	if len(targets) == 0 {
		return nil
	}
	labels := make([]string, len(targets)) // targets are written to below, while the timer may run
	for i, t := range targets {
		labels[i] = t.Label
	}
	waiting := time.AfterFunc(time.Second, func() {
		pipeline.LoggerFrom(ctx).Info("waits for another run that writes to the same tables", "tables", strings.Join(labels, ", "))
	})
	defer waiting.Stop()
	guarded, release := u.guard(ctx, 0)
	defer release()
	conn := u.conn.Conn()
	// Tables that are made have no OID yet. Their own locks, by name, come first, in the order of the names.
	byName := slices.SortedFunc(slices.Values(targets), func(a, b Target) int { return slices.Compare(a.Table, b.Table) })
	for _, t := range byName {
		if t.Create == nil {
			continue
		}
		if err := t.Create(guarded, conn); err != nil {
			return err
		}
	}
	held := map[uint32]bool{} // exclusively
	wanted, err := find(guarded, conn, targets)
	if err != nil {
		return err
	}
	for {
		var oids []int32
		var exclusive []bool
		for _, oid := range sortedKeys(wanted) {
			if alone, ok := held[oid]; !ok || wanted[oid] && !alone {
				oids, exclusive = append(oids, int32(oid)), append(exclusive, wanted[oid])
			}
			held[oid] = held[oid] || wanted[oid]
		}
		if len(oids) == 0 {
			break
		}
		var b pgx.Batch
		b.Queue("select set_config('millrace.lock_timeout', current_setting('lock_timeout'), true), set_config('lock_timeout', '0', true)")
		b.Queue(`
select case when alone then pg_advisory_xact_lock($1, oid) else pg_advisory_xact_lock_shared($1, oid) end
  from unnest($2::int4[], $3::bool[]) as t (oid, alone)`, lockSpace, oids, exclusive)
		b.Queue("select set_config('lock_timeout', current_setting('millrace.lock_timeout'), true)")
		// A name may be another table's by now: the run that was waited for may have put a new one in its place.
		queueFind(&b, targets, &wanted)
		if err := conn.SendBatch(guarded, &b).Close(); err != nil {
			return err
		}
	}
	return u.enter(targets)
}

// find resolves the targets: which tables are to be locked, and whether exclusively. The tables that a partition
// is part of are shared.
func find(ctx context.Context, conn *pgx.Conn, targets []Target) (wanted map[uint32]bool, err error) {
	var b pgx.Batch
	queueFind(&b, targets, &wanted)
	return wanted, conn.SendBatch(ctx, &b).Close()
}

func queueFind(b *pgx.Batch, targets []Target, wanted *map[uint32]bool) {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Table.Sanitize()
	}
	b.Queue(`
select t.n - 1, c.oid, coalesce(a.relid::oid, c.oid)
  from unnest($1::text[]) with ordinality t (name, n)
  join pg_catalog.pg_class c on c.oid = to_regclass(t.name)
  left join lateral pg_partition_ancestors(c.oid) a on true`, names).Query(func(rows pgx.Rows) error {
		*wanted = map[uint32]bool{}
		var n int
		var own, oid uint32
		_, err := pgx.ForEachRow(rows, []any{&n, &own, &oid}, func() error {
			targets[n].oid = own
			(*wanted)[oid] = (*wanted)[oid] || oid == own && !targets[n].Shared
			return nil
		})
		return err
	})
}

func sortedKeys(m map[uint32]bool) []uint32 {
	keys := make([]uint32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// enter notes the targets. Two sinks may write to one table, unless one of them empties it first: what it
// removes would depend on who came first.
func (u *Unit) enter(targets []Target) error {
	for _, t := range targets {
		for _, other := range u.targets {
			if t.oid == other.oid && t.oid != 0 && (t.Empty != Keep || other.Empty != Keep) {
				return pipeline.Permanent(fmt.Errorf("table %q: two stages of this run write to it, and one of them empties it first, "+
					"which could remove what the other wrote; merge their streams into one sink", t.Label))
			}
		}
		u.targets = append(u.targets, &t)
	}
	return nil
}

// Ready prepares a table for its first row. Its own lock is taken, as weak as what is to be done allows; if it is to be
// emptied, all tables of the run are that are: truncated by one statement, since one may reference another, and then
// deleted from, those that reference others first. oid is the table's.
func (t *Turn) Ready(ctx context.Context, target Target, oid uint32) error {
	u := t.unit
	known := slices.ContainsFunc(u.targets, func(o *Target) bool { return o.oid == oid && o.Empty == target.Empty })
	return t.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if !known { // a stage that nobody knew of, inside of another
			late := []Target{target}
			if _, err := find(ctx, conn, late); err != nil {
				return err
			}
			if err := u.enter(late); err != nil {
				return err
			}
		}
		if target.Empty == Keep {
			return lock(ctx, conn, &target)
		}
		return u.empty(ctx, conn)
	})
}

// lock takes a table's own lock.
func lock(ctx context.Context, conn *pgx.Conn, t *Target) error {
	mode := map[Empty]string{
		Keep:     "row exclusive",
		Delete:   "share row exclusive", // against other writers, not against readers
		Truncate: "access exclusive",
	}[t.Empty]
	var b pgx.Batch
	b.Queue("select set_config('millrace.lock_timeout', current_setting('lock_timeout'), true), set_config('lock_timeout', $1, true)",
		fmt.Sprintf("%dms", max(t.LockTimeout.Milliseconds(), 1)))
	b.Queue("lock table " + t.Table.Sanitize() + " in " + mode + " mode")
	b.Queue("select set_config('lock_timeout', current_setting('millrace.lock_timeout'), true)")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return t.Refused(err)
	}
	return nil
}

func (u *Unit) empty(ctx context.Context, conn *pgx.Conn) error {
	var all []*Target
	for _, t := range u.targets {
		if t.Empty != Keep && !t.emptied {
			all = append(all, t)
			t.emptied = true
		}
	}
	slices.SortFunc(all, func(a, b *Target) int { return cmp.Compare(a.oid, b.oid) })
	for _, t := range all {
		if err := lock(ctx, conn, t); err != nil {
			return err
		}
	}
	var truncated []string
	var deleted []*Target
	var last *Target
	for _, t := range all {
		if t.Empty == Truncate {
			truncated, last = append(truncated, t.Table.Sanitize()), t
		} else {
			deleted = append(deleted, t)
		}
	}
	if len(truncated) > 0 {
		if _, err := conn.Exec(ctx, "truncate table "+strings.Join(truncated, ", ")); err != nil {
			return last.Refused(err)
		}
	}
	deleted, err := childrenFirst(ctx, conn, deleted)
	if err != nil {
		return err
	}
	for _, t := range deleted {
		if err := t.deleteAll(ctx, conn); err != nil {
			return t.Refused(err)
		}
	}
	return nil
}

// deleteAll deletes all rows, and sees that none is kept: a trigger can keep some, and a rule.
func (t *Target) deleteAll(ctx context.Context, conn *pgx.Conn) error {
	var kept bool
	var b pgx.Batch
	b.Queue("delete from " + t.Table.Sanitize())
	b.Queue(`
select exists (select from pg_catalog.pg_trigger where tgrelid = $1 and not tgisinternal and tgtype & 11 = 11
               union all select from pg_catalog.pg_inherits where inhparent = $1)`, t.oid).
		QueryRow(func(row pgx.Row) error { return row.Scan(&kept) })
	if err := conn.SendBatch(ctx, &b).Close(); err != nil || !kept {
		return err
	}
	if err := conn.QueryRow(ctx, "select exists (select from "+t.Table.Sanitize()+")").Scan(&kept); err != nil || !kept {
		return err
	}
	return pipeline.Permanent(fmt.Errorf("table %q: rows are left after a DELETE of all of them: "+
		"a BEFORE DELETE trigger keeps them, and they would be there beside the new ones", t.Label))
}

// childrenFirst orders tables so that those which reference others by a foreign key come before these.
func childrenFirst(ctx context.Context, conn *pgx.Conn, tables []*Target) ([]*Target, error) {
	if len(tables) < 2 {
		return tables, nil
	}
	oids := make([]uint32, len(tables))
	for i, t := range tables {
		oids[i] = t.oid
	}
	children := map[uint32][]uint32{}
	rows, _ := conn.Query(ctx, `
select confrelid, conrelid
  from pg_catalog.pg_constraint
 where contype = 'f' and confrelid = any($1::oid[]) and conrelid = any($1::oid[]) and confrelid <> conrelid`, oids)
	var parent, child uint32
	if _, err := pgx.ForEachRow(rows, []any{&parent, &child}, func() error {
		children[parent] = append(children[parent], child)
		return nil
	}); err != nil {
		return nil, err
	}
	var ordered []*Target
	seen := map[uint32]bool{}
	var visit func(t *Target)
	visit = func(t *Target) {
		if seen[t.oid] {
			return
		}
		seen[t.oid] = true
		for _, c := range children[t.oid] {
			visit(tables[slices.Index(oids, c)])
		}
		ordered = append(ordered, t)
	}
	for _, t := range tables {
		visit(t)
	}
	return ordered, nil
}
