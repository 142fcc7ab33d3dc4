package sinks

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

const (
	// shownRows is how many rows that break a rule are shown.
	shownRows = 5
	// shownBytes is how much is shown of each.
	shownBytes = 200
)

// Check returns a step for [pipeline.Do] that holds a rule over what the run has written. sql is a SELECT
// of the rows that break the rule, run in the run's transaction as [Query] does it. If there are any, the run
// fails before its commit, for good, with an error that shows the rule, how many rows break it, and some of them:
//
//	check "no total is negative": 2 rows break it: (product "ink", total -1); (product "pen", total -7)
//
// [pipeline.After] says which sinks it waits for.
func Check(pool *pgxpool.Pool, rule, sql string, args ...any) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var shape []pgcodec.Column
		var shown []string
		var count int64
		err := overCursor(ctx, pool, fmt.Sprintf("check %q", rule), sql, args, func(_ *pgx.Conn, columns []pgcodec.Column) error {
			shape = columns
			return nil
		}, func(cursor *pgunit.Cursor) (err error) {
			_, err = cursor.FetchRows(ctx, shownRows, nil, func(values [][]byte) error {
				shown = append(shown, showRow(shape, values))
				return nil
			})
			if err != nil {
				return err
			}
			count, err = cursor.Rest(ctx)
			return err
		})
		if err != nil {
			return err
		}
		count += int64(len(shown))
		pipeline.Checked(ctx, rule, count)
		if count == 0 {
			return nil
		}
		rows, more := "rows break", ""
		if count == 1 {
			rows = "row breaks"
		}
		if count > int64(len(shown)) {
			more = "; ..."
		}
		return pipeline.Permanent(fmt.Errorf("check %q: %d %s it: %s%s", rule, count, rows, strings.Join(shown, "; "), more))
	}
}

// plain are the types whose text needs no quotes to be told from the words around it.
var plain = map[uint32]bool{
	pgtype.Int2OID: true, pgtype.Int4OID: true, pgtype.Int8OID: true, pgtype.NumericOID: true,
	pgtype.Float4OID: true, pgtype.Float8OID: true, pgtype.BoolOID: true, pgtype.DateOID: true,
}

// showRow writes a row of values in the server's text form.
func showRow(columns []pgcodec.Column, values [][]byte) string {
	var b strings.Builder
	b.WriteString("(")
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(columns[i].Name + " ")
		switch {
		case v == nil:
			b.WriteString("NULL")
		case plain[columns[i].OID]:
			b.Write(v)
		default:
			fmt.Fprintf(&b, "%q", v)
		}
	}
	b.WriteString(")")
	return cleantext.Short(b.String(), shownBytes)
}
