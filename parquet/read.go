package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/pipeline"
)

// reading is a file whose rows become records.
type reading[T any] struct {
	name    string
	at      *at
	schema  *pq.Schema
	fit     *fit
	out     *pipeline.Writer[T]
	origin  func(record *T) *pipeline.Origin
	row     int64 // of the file, before the group
	counted int64
	lines   []int64 // memory for setAside
}

// group reads the rows of a row group.
func (r *reading[T]) group(ctx context.Context, group pq.RowGroup) (err error) {
	var rows pq.Rows
	err = guarded(func() error {
		if r.fit.read != nil {
			rows = pq.ConvertRowGroup(group, r.fit.read).Rows()
		} else {
			rows = group.Rows()
		}
		return nil
	})
	if err != nil {
		return r.at.blame(r.name, err)
	}
	defer func() { _ = guarded(rows.Close) }()
	buf := make([]pq.Row, pipeline.DefaultBatchSize)
	got := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var n int
		read := guarded(func() (err error) { n, err = rows.ReadRows(buf); return err })
		if read != nil && !errors.Is(read, io.EOF) {
			return r.at.blame(r.name, read)
		}
		if err := r.pass(buf[:n], got); err != nil {
			return err
		}
		got += int64(n)
		if read != nil || n == 0 {
			break
		}
	}
	if want := group.NumRows(); got != want {
		return r.at.blame(r.name, fmt.Errorf("a row group has %d rows, and the footer says %d", got, want))
	}
	return nil
}

// pass makes records of rows, the first of which is the one behind got rows of its group.
func (r *reading[T]) pass(rows []pq.Row, got int64) error {
	r.out.AddBytes(r.at.count - r.counted)
	r.counted = r.at.count
	first := r.row + got + 1
	lines, err := r.setAside(rows, first)
	if err != nil {
		return err
	}
	rows = rows[:len(lines)]
	if r.fit.levels != nil {
		if err := guarded(func() error { _, err := r.fit.levels.Convert(rows); return err }); err != nil {
			return r.at.blame(r.name, err)
		}
	}
	for len(rows) > 0 {
		batch := r.out.NewBatch()
		batch = batch[:min(cap(batch), len(rows))]
		clear(batch)
		done := 0
		err := guarded(func() error {
			for ; done < len(batch); done++ {
				if err := r.schema.Reconstruct(&batch[done], rows[done]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return r.at.blame(r.name, fmt.Errorf("row %d: %w", lines[done], err))
		}
		if r.origin != nil {
			for i := range batch {
				*r.origin(&batch[i]) = pipeline.Origin{Source: r.name, Line: lines[i]}
			}
		}
		rows, lines = rows[done:], lines[done:]
		if err := r.out.WriteBatch(batch); err != nil {
			return err
		}
	}
	return nil
}

// setAside rejects rows with a NULL that a field cannot hold, moves the others to the front, and returns their lines.
func (r *reading[T]) setAside(rows []pq.Row, first int64) (lines []int64, err error) {
	lines = r.lines[:0]
	for i := range rows {
		line := first + int64(i)
		if column := r.unwantedNull(rows[i]); column != "" {
			err := r.out.Reject(pipeline.Reject{Source: r.name, Line: line, Column: column,
				Reason: "is NULL, which its field cannot hold; a pointer can"})
			if err != nil {
				return nil, err
			}
			continue
		}
		rows[len(lines)], rows[i] = rows[i], rows[len(lines)]
		lines = append(lines, line)
	}
	r.lines = lines
	return lines, nil
}

// unwantedNull returns the name of a column that is NULL where its field cannot be.
func (r *reading[T]) unwantedNull(row pq.Row) (name string) {
	if r.fit.columns == nil {
		return ""
	}
	for i := range row {
		v := &row[i]
		if !v.IsNull() {
			continue
		}
		column := &r.fit.columns[v.Column()]
		if slices.Contains(column.nulls, v.DefinitionLevel()) {
			return column.name
		}
	}
	return ""
}
