package sinks

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// Query returns the rows of a SELECT in the run's transaction on the pool: it sees what the run's sinks and
// steps have written there before. It is for the code of a step ([pipeline.Do]) or of another stage, which
// gives it its own context; [pipeline.After] says after whom. To read such rows as a stream, use sources.Postgres with
// InRun.
//
// The columns are matched to the fields of T, a struct, as sources.Postgres does it. Values go into args,
// as $1, $2 and so on. Rows come in fetches of about 1 MiB, between which the run's sinks can load, so
// that a result may be large. An error of the statement aborts the run's transaction, and so fails the run. In a retry
// that finds the database committed by an earlier attempt, the rows are those of now.
func Query[T any](ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := query(ctx, pool, sql, args, yield); err != nil {
			var none T
			yield(none, err)
		}
	}
}

func query[T any](ctx context.Context, pool *pgxpool.Pool, sql string, args []any, yield func(T, error) bool) error {
	var decoder *pgcodec.Decoder[T]
	var formats []int16
	return overCursor(ctx, pool, "sinks.Query", sql, args, func(conn *pgx.Conn, columns []pgcodec.Column) (err error) {
		pgcodec.ReadAsText(reflect.TypeFor[T](), columns, conn.TypeMap())
		for _, c := range columns {
			format := int16(pgx.BinaryFormatCode)
			if c.Text {
				format = pgx.TextFormatCode
			}
			formats = append(formats, format)
		}
		decoder, err = pgcodec.NewDecoder[T](columns, conn.TypeMap())
		return pipeline.Permanent(err)
	}, func(cursor *pgunit.Cursor) error {
		for more := true; more; {
			var rows []T
			var err error
			more, err = cursor.Fetch(ctx, formats, func(values [][]byte) error {
				var row T
				err := decoder.Decode(values, &row)
				rows = append(rows, row)
				return pipeline.Permanent(err)
			})
			if err != nil {
				return err
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return nil
				}
			}
		}
		return nil
	})
}

// overCursor declares a cursor for a statement in the run's transaction, after fit has seen its columns, and closes it when
// read has returned. Where an earlier attempt has committed that transaction, another one takes its place.
func overCursor(ctx context.Context, pool *pgxpool.Pool, who, sql string, args []any,
	fit func(*pgx.Conn, []pgcodec.Column) error, read func(*pgunit.Cursor) error,
) error {
	if pool == nil {
		return pipeline.Permanent(fmt.Errorf("%s: the pool is nil", who))
	}
	unit, err := pgunit.Join(ctx, pool)
	if err != nil {
		return err
	}
	place := func(err error) error {
		if err == nil || ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%s: %s: %w", unit.Name(), who, err)
	}
	if unit.Done() {
		reader, err := pgunit.Reader(ctx, pool)
		if err != nil {
			return err
		}
		defer func() { _ = reader.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
		unit = reader
	}
	cursor := unit.NewCursor()
	if err := declare(ctx, unit, cursor, sql, args, fit); err != nil {
		return place(err)
	}
	if err := read(cursor); err != nil {
		return place(err)
	}
	return place(cursor.Close(ctx))
}

func declare(ctx context.Context, unit *pgunit.Unit, cursor *pgunit.Cursor, sql string, args []any, fit func(*pgx.Conn, []pgcodec.Column) error) error {
	turn, err := unit.Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.Release()
	return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		described, err := conn.PgConn().Prepare(ctx, "", sql, nil)
		if err != nil {
			return err
		}
		if len(described.Fields) == 0 {
			return pipeline.Permanent(errors.New("the statement returns no rows; use Exec for what writes"))
		}
		if want, have := len(described.ParamOIDs), len(args); want != have {
			return pipeline.Permanent(fmt.Errorf("the statement has %d parameters, and there are %d values", want, have))
		}
		var builder pgx.ExtendedQueryBuilder
		if err := builder.Build(conn.TypeMap(), described, args); err != nil {
			return pipeline.Permanent(err)
		}
		columns, err := pgcatalog.ResultColumns(ctx, conn, described.Fields)
		if err != nil {
			return err
		}
		if err := fit(conn, columns); err != nil {
			return err
		}
		return cursor.Declare(ctx, conn, strings.TrimRight(sql, "; \t\r\n"), builder.ParamValues, builder.ParamFormats)
	})
}
