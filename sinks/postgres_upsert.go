package sinks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// staging is where Upsert collects the records before it merges them: a temporary
// table with the columns that the records supply and the number of each record.
type staging struct {
	table   pgx.Identifier
	ordinal string   // the number's column
	origin  []string // the columns of where a record comes from: the file's number, line and offset; nil without
	keyAt   []int    // where the keys are among the columns, rising
	merge   string   // the statement, for a table of records
	into    string   // the part of it before the table
	onto    string   // the part of it after
	newest  string   // the query for the last record of each key
	absent  string   // the condition for those of newest whose keys the table has not
	updates bool     // rows that are there are updated
}

func newStaging(ctx context.Context, conn *pgx.Conn, temp, table pgx.Identifier, keys, columns []string, origin bool) (*staging, error) {
	free := func(name string) string {
		taken := name
		for n := 1; slices.Contains(columns, taken); n++ {
			taken = fmt.Sprintf("%s_%d", name, n)
		}
		return taken
	}
	s := &staging{table: temp, ordinal: free("millrace_ordinal")}
	if origin {
		s.origin = []string{free("millrace_file"), free("millrace_line"), free("millrace_offset")}
	}
	var updates []string
	for i, c := range columns {
		if slices.Contains(keys, c) {
			s.keyAt = append(s.keyAt, i)
			continue
		}
		name := pgx.Identifier{c}.Sanitize()
		updates = append(updates, name+" = excluded."+name)
	}
	list, keyList, ordinal := pgcatalog.ColumnList(columns), pgcatalog.ColumnList(keys), pgx.Identifier{s.ordinal}.Sanitize()
	s.newest = fmt.Sprintf("select distinct on (%s) %s, %s from %s order by %s, %s desc", keyList, list, ordinal, temp.Sanitize(), keyList, ordinal)
	s.into = fmt.Sprintf("insert into %s (%s) overriding system value select %s from ", table.Sanitize(), list, list)
	s.onto = fmt.Sprintf(" on conflict (%s) do nothing", keyList)
	if len(updates) > 0 {
		s.onto = fmt.Sprintf(" on conflict (%s) do update set %s", keyList, strings.Join(updates, ", "))
	}
	s.updates = len(updates) > 0
	s.absent = fmt.Sprintf("not exists (select from %s as there where (%s) = (%s))", table.Sanitize(), qualified("there", keys), qualified("newest", keys))
	s.merge = s.into + "(" + s.newest + ") as newest" + s.onto
	var own strings.Builder
	for _, c := range s.columns() {
		own.WriteString(", 0::bigint as " + pgx.Identifier{c}.Sanitize())
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("create temporary table %s on commit drop as select %s%s from %s with no data",
		temp.Sanitize(), list, own.String(), table.Sanitize()))
	return s, err
}

// columns are those that the records do not have.
func (s *staging) columns() []string { return append([]string{s.ordinal}, s.origin...) }

func qualified(table string, columns []string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = pgx.Identifier{table, c}.Sanitize()
	}
	return strings.Join(names, ", ")
}

// merge moves the newest record of each key into the table.
func (l *pgLoad[T]) merge(ctx context.Context) error {
	turn, err := l.unit.Acquire(ctx)
	if err != nil {
		return err
	}
	if l.portion == nil {
		err := turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return l.mergeFrom(ctx, conn, l.staging.merge, "("+l.staging.newest+") as newest")
		})
		turn.Release()
		return l.mergeProblem(ctx, err)
	}
	rejects, err := l.mergeByParts(ctx, turn)
	turn.Release()
	if err != nil {
		return l.mergeProblem(ctx, err)
	}
	return l.rejectAll(rejects)
}

func (l *pgLoad[T]) mergeProblem(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("table %q: upsert: %w", l.label, err)
}

// mergeByParts merges everything at once if that works, and otherwise takes the
// records apart until those that are refused stand alone.
func (l *pgLoad[T]) mergeByParts(ctx context.Context, turn *pgunit.Turn) (rejects []refusal[T], err error) {
	err = turn.Try(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return l.mergeFrom(ctx, conn, l.staging.merge, "("+l.staging.newest+") as newest")
	})
	if err == nil || !isRowProblem(err) {
		return nil, err
	}
	newest := l.unit.TempName()
	var last int64
	ordinal := pgx.Identifier{l.staging.ordinal}.Sanitize()
	err = turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "create temporary table "+newest.Sanitize()+" on commit drop as "+l.staging.newest); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "create unique index on "+newest.Sanitize()+" ("+ordinal+")"); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "analyze "+newest.Sanitize()); err != nil {
			return err
		}
		if l.staging.origin != nil { // looked up by the number
			if _, err := conn.Exec(ctx, "create index on "+l.staging.table.Sanitize()+" ("+ordinal+")"); err != nil {
				return err
			}
		}
		return conn.QueryRow(ctx, "select coalesce(max("+ordinal+"), 0) from "+newest.Sanitize()).Scan(&last)
	})
	if err != nil {
		return nil, err
	}
	from := l.staging.into + newest.Sanitize() + " where " + ordinal
	several, single := from+" between $1 and $2"+l.staging.onto, from+" = $1"+l.staging.onto
	s := sifter{rows: int(last), enough: func() bool { return l.portion.enough(len(rejects)) }}
	s.load = func(from, to int) error {
		return turn.Try(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return l.mergeFrom(ctx, conn, several, newest.Sanitize()+" as newest where "+ordinal+" between $1 and $2", from+1, to)
		})
	}
	s.each = func(from, to int) (int, error) {
		refusals, err := turn.Each(ctx, single, []uint32{pgtype.Int8OID}, pgcodec.Binary, to-from, func(i int) [][]byte {
			return [][]byte{binary.BigEndian.AppendUint64(nil, uint64(from+i+1))}
		})
		if err != nil {
			return 0, err
		}
		if err := l.checkKept(ctx, turn, newest, from, refusals); err != nil {
			return 0, err
		}
		var staged []pipeline.Reject
		if staged, err = l.stagedRecords(ctx, turn, newest, from, refusals); err != nil {
			return 0, err
		}
		return l.keep(refusals, &rejects, func(i int, r *refusal[T]) {
			if r.Value == "" {
				r.Value = string(staged[i].Record)
			}
			r.Record = staged[i].Record
			if staged[i].Line > 0 {
				r.Source, r.Line, r.Offset = staged[i].Source, staged[i].Line, staged[i].Offset
			}
		})
	}
	return rejects, s.run()
}

// stagedRecords returns those records that were refused, of those after the number given, as JSON by column, with where they
// come from.
func (l *pgLoad[T]) stagedRecords(ctx context.Context, turn *pgunit.Turn, newest pgx.Identifier, after int, refusals []error) ([]pipeline.Reject, error) {
	staged := make([]pipeline.Reject, len(refusals))
	var numbers []int64
	for i, err := range refusals {
		if err != nil {
			numbers = append(numbers, int64(after+i+1))
		}
	}
	if len(numbers) == 0 {
		return staged, nil
	}
	ordinal := pgx.Identifier{l.staging.ordinal}.Sanitize()
	origin, from := "0, 0, 0", newest.Sanitize()+" r"
	if l.staging.origin != nil {
		origin, from = pgcatalog.ColumnList(l.staging.origin), from+" join "+l.staging.table.Sanitize()+" s using ("+ordinal+")"
	}
	err := turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "select "+ordinal+", to_jsonb(r) - $2, "+origin+" from "+from+" where "+ordinal+" = any($1)", numbers, l.staging.ordinal)
		var number, file int64
		var r pipeline.Reject
		_, err := pgx.ForEachRow(rows, []any{&number, &r.Record, &file, &r.Line, &r.Offset}, func() error {
			if file > 0 {
				r.Source = l.origins.names[file-1]
			}
			staged[int(number)-after-1] = r
			r.Record = nil
			return nil
		})
		return err
	})
	return staged, err
}

// originFiles numbers the files that records come from, since each record is staged with one.
type originFiles struct {
	numbers map[string]int64
	names   []string
}

// number is a file's number, from 1; 0 for no file.
func (o *originFiles) number(name string) int64 {
	if name == "" {
		return 0
	}
	n, ok := o.numbers[name]
	if !ok {
		if o.numbers == nil {
			o.numbers = map[string]int64{}
		}
		o.names = append(o.names, name)
		n = int64(len(o.names))
		o.numbers[name] = n
	}
	return n
}

// isRowProblem tells refusals that are about the data of a row from those that are
// about everything else.
func isRowProblem(err error) bool {
	if isKept(err) {
		return true
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || len(refused.Code) != 5 {
		return false
	}
	switch refused.Code[:2] {
	case "22", // data exception
		"23", // integrity constraint violation
		"44": // a view's check option
		return true
	}
	return refused.Code == "42501" && refused.Routine == "ExecWithCheckOptions" || // a policy of row-level security
		refused.Code == "P0001" || // raised by a trigger
		refused.Code == "54000" // a key too long for its index
}
