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
	ordinal string // the number's column
	keyAt   []int  // where the keys are among the columns, rising
	merge   string // the statement, for a table of records
	into    string // the part of it before the table
	onto    string // the part of it after
	newest  string // the query for the last record of each key
}

func newStaging(ctx context.Context, conn *pgx.Conn, temp, table pgx.Identifier, keys, columns []string) (*staging, error) {
	s := &staging{table: temp, ordinal: "millrace_ordinal"}
	for n := 1; slices.Contains(columns, s.ordinal); n++ {
		s.ordinal = fmt.Sprintf("millrace_ordinal_%d", n)
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
	s.merge = s.into + "(" + s.newest + ") as newest" + s.onto
	_, err := conn.Exec(ctx, fmt.Sprintf("create temporary table %s on commit drop as select %s, 0::bigint as %s from %s with no data",
		temp.Sanitize(), list, ordinal, table.Sanitize()))
	return s, err
}

// merge moves the newest record of each key into the table.
func (l *pgLoad[T]) merge(ctx context.Context) error {
	turn, err := l.unit.Acquire(ctx)
	if err != nil {
		return err
	}
	if l.portion == nil {
		_, err := turn.Exec(ctx, l.staging.merge)
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
func (l *pgLoad[T]) mergeByParts(ctx context.Context, turn *pgunit.Turn) (rejects []pipeline.Reject, err error) {
	err = turn.Try(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, l.staging.merge)
		return err
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
			_, err := conn.Exec(ctx, several, from+1, to)
			return err
		})
	}
	s.each = func(from, to int) (int, error) {
		refusals, err := turn.Each(ctx, single, []uint32{pgtype.Int8OID}, pgcodec.Binary, to-from, func(i int) [][]byte {
			return [][]byte{binary.BigEndian.AppendUint64(nil, uint64(from+i+1))}
		})
		if err != nil {
			return 0, err
		}
		var shown []string
		if shown, err = l.stagedRecords(ctx, turn, newest, from, refusals); err != nil {
			return 0, err
		}
		return l.keep(refusals, &rejects, func(i int) string { return shown[i] })
	}
	return rejects, s.run()
}

// stagedRecords shows those records as JSON that were refused, of those after the number given.
func (l *pgLoad[T]) stagedRecords(ctx context.Context, turn *pgunit.Turn, newest pgx.Identifier, after int, refusals []error) ([]string, error) {
	shown := make([]string, len(refusals))
	var numbers []int64
	for i, err := range refusals {
		if err != nil {
			numbers = append(numbers, int64(after+i+1))
		}
	}
	if len(numbers) == 0 {
		return shown, nil
	}
	ordinal := pgx.Identifier{l.staging.ordinal}.Sanitize()
	err := turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "select "+ordinal+", (to_jsonb(r) - $2)::text from "+newest.Sanitize()+" r where "+ordinal+" = any($1)", numbers, l.staging.ordinal)
		var number int64
		var document string
		_, err := pgx.ForEachRow(rows, []any{&number, &document}, func() error {
			shown[int(number)-after-1] = document
			return nil
		})
		return err
	})
	return shown, err
}

// isRowProblem tells refusals that are about the data of a row from those that are
// about everything else.
func isRowProblem(err error) bool {
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
