package sinks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// pgLoad is one call of Postgres.Load, from its first batch on. A nil unit stands
// for one that an earlier attempt has committed: its input is read and dropped.
type pgLoad[T any] struct {
	pgTarget
	in      *pipeline.Reader[T]
	unit    *pgunit.Unit
	encoder *pgcodec.Encoder[T]
	table   pgx.Identifier
	columns []string
	before  []pgcatalog.Trigger // that can keep rows out
	copyTo  pgunit.CopyTarget
	staging *staging                  // of Upsert
	origin  func(*T) *pipeline.Origin // of records that are staged where the run allows rejects; nil without
	origins originFiles

	portion   *portion[T]  // where the run allows rejects
	insertRow string       // what loads one row of a portion
	types     []uint32     // of its parameters
	asked     int          // rows of which the server was asked for the column
	copying   *pgunit.Copy // where it does not

	chunk   []byte
	rows    int64 // in chunk
	records int64 // that were encoded
	given   int64 // records of earlier batches, where the run allows no rejects
}

// open joins the run's unit and makes the table ready.
func (s Postgres[T]) open(ctx context.Context, in *pipeline.Reader[T], target pgTarget) (*pgLoad[T], error) {
	unit, err := pgunit.Join(ctx, s.Pool)
	if err != nil {
		return nil, err
	}
	l := &pgLoad[T]{pgTarget: target, in: in}
	if unit.Done() {
		pipeline.LoggerFrom(ctx).Info("an earlier attempt has committed this database: the input is read and dropped", "table", s.Table)
		return l, nil
	}
	l.unit = unit
	if pipeline.MaxRejectsFrom(ctx) != 0 {
		l.origin = pipeline.OriginField[T]()
	}
	turn, err := unit.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	err = l.ready(ctx, turn)
	turn.Release()
	if err != nil {
		return nil, err
	}
	l.copyTo = pgunit.CopyTarget{Label: l.label, Table: l.table, Columns: l.columns, Format: l.encoder.Format(), Before: l.keepers()}
	if l.staging != nil {
		l.copyTo.Before = nil
		l.copyTo.Table, l.copyTo.Columns = l.staging.table, slices.Concat(l.columns, l.staging.columns())
	}
	if budget := pipeline.MaxRejectsFrom(ctx); budget != 0 {
		l.portion = &portion[T]{budget: budget}
		l.planRows()
		return l, nil
	}
	l.copying = unit.StartCopy(ctx, l.copyTo)
	l.chunk = l.copying.Buffer()
	return l, nil
}

// ready plans the encoding, and does what the mode does before the first row. The table may be missing where this sink
// is inside of a stage of somebody else, which nobody opened.
func (l *pgLoad[T]) ready(ctx context.Context, turn *pgunit.Turn) error {
	var table *pgcatalog.Table
	err := turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		table, err = pgcatalog.Describe(ctx, conn, l.label, l.id)
		var missing *pgcatalog.NoTableError
		if errors.As(err, &missing) && l.create {
			if err := l.createTable(ctx, conn, reflect.TypeFor[T]()); err != nil {
				return err
			}
			table, err = pgcatalog.Describe(ctx, conn, l.label, l.id)
		}
		if err != nil {
			return err
		}
		if l.columns, err = encoderColumns[T](l.pgTarget, table, conn); err != nil {
			return err
		}
		if err := l.check(ctx, conn, table, l.columns); err != nil {
			return pipeline.Permanent(err)
		}
		if l.encoder, err = pgcodec.NewEncoder[T](table.Columns, conn.TypeMap()); err != nil {
			return pipeline.Permanent(fmt.Errorf("table %q: %w", l.label, err))
		}
		l.table, l.before = table.Name, table.Before
		return nil
	})
	if err != nil {
		return err
	}
	target := l.target(reflect.TypeFor[T]())
	target.Table = l.table
	if err := turn.Ready(ctx, target, table.OID); err != nil || l.mode != Upsert {
		return err
	}
	return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		l.staging, err = newStaging(ctx, conn, l.unit.TempName(), l.table, l.keys, l.columns, l.origin != nil)
		return err
	})
}

// planRows makes the statement that loads one row as the COPY does.
func (l *pgLoad[T]) planRows() {
	values := make([]string, 0, len(l.copyTo.Columns))
	for _, c := range l.encoder.Columns() {
		l.types = append(l.types, c.OID)
	}
	if l.staging != nil {
		for range l.staging.columns() {
			l.types = append(l.types, pgtype.Int8OID)
		}
	}
	for i := range l.types {
		values = append(values, "$"+strconv.Itoa(i+1))
	}
	l.insertRow = fmt.Sprintf("insert into %s (%s) overriding system value values (%s)",
		l.copyTo.Table.Sanitize(), pgcatalog.ColumnList(l.copyTo.Columns), strings.Join(values, ", "))
}

// add encodes a batch.
func (l *pgLoad[T]) add(ctx context.Context, batch []T) error {
	if l.unit == nil {
		l.in.Recycle(batch)
		return nil
	}
	if l.portion != nil {
		return l.addPortion(ctx, batch)
	}
	for i := range batch {
		tuple, err := l.append(l.chunk, &batch[i])
		if err != nil {
			// It ends the run, and so it can say which record it was.
			reject := l.refusedRecord(err, &batch[i])
			reject.Source += fmt.Sprintf(": record %d", l.given+int64(i)+1)
			if err = l.in.Reject(&batch[i], reject); err != nil {
				return err
			}
			continue
		}
		l.chunk = tuple
		l.rows++
		if len(l.chunk) >= pgunit.ChunkSize {
			if err := l.pass(ctx); err != nil {
				return err
			}
			l.chunk = l.copying.Buffer()
		}
	}
	l.given += int64(len(batch))
	l.in.Recycle(batch)
	return nil
}

// pass gives the chunk to the COPY.
func (l *pgLoad[T]) pass(ctx context.Context) error {
	l.in.AddBytes(int64(len(l.chunk)))
	chunk, rows := l.chunk, l.rows
	l.chunk, l.rows = nil, 0
	return l.copying.Put(ctx, chunk, rows)
}

// nullKeyError says which key is null; the codec has no opinion on that.
type nullKeyError struct{ column string }

func (e *nullKeyError) Error() string { return fmt.Sprintf("column %q: %s", e.column, nullKeyReason) }

const nullKeyReason = "a key of an upsert cannot be null"

// append encodes one record.
func (l *pgLoad[T]) append(dst []byte, record *T) ([]byte, error) {
	start := len(dst)
	out, err := l.encoder.Append(dst, record)
	if err != nil || l.staging == nil {
		return out, err
	}
	format := l.encoder.Format()
	if k := format.FirstNull(out[start:], l.staging.keyAt); k >= 0 {
		return dst, &nullKeyError{column: l.columns[k]}
	}
	// What the encoder does not know of: the record's number, and where it comes from.
	l.records++
	out = format.AppendInt8(out, start, len(l.columns), l.records)
	if l.staging.origin != nil {
		at := l.origin(record)
		for i, v := range []int64{l.origins.number(at.Source), at.Line, at.Offset} {
			out = format.AppendInt8(out, start, len(l.columns)+1+i, v)
		}
	}
	return out, nil
}

// finish loads what is left; for Upsert it merges too.
func (l *pgLoad[T]) finish(ctx context.Context) error {
	if l.unit == nil {
		return nil
	}
	if l.portion != nil {
		if err := l.flush(ctx, len(l.portion.batches)); err != nil {
			return err
		}
	} else {
		if err := l.pass(ctx); err != nil {
			return err
		}
		err := l.copying.Close()
		l.copying = nil
		if err != nil {
			return err
		}
	}
	if l.staging == nil {
		return nil
	}
	return l.merge(ctx)
}

// abort stops the COPY, if there is one.
func (l *pgLoad[T]) abort(cause error) {
	if l.copying != nil {
		l.copying.Abort(cause)
		l.copying = nil
	}
}
