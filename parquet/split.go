package parquet

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// Split makes at most n parts with about the same number of rows. A row group stays whole.
func (s Source[T]) Split(ctx context.Context, n int) ([]pipeline.Source[T], error) {
	found, err := s.input().Files(ctx)
	if err != nil {
		return nil, err
	}
	var groups []piece
	total := int64(0)
	for _, f := range found {
		o, err := open(ctx, s.input(), f)
		if err != nil {
			return nil, err
		}
		for i, g := range o.RowGroups() {
			groups = append(groups, piece{f, i, i + 1, g.NumRows()})
			total += g.NumRows()
		}
		o.close()
	}
	lanes := make([]lane[T], n)
	for i := range lanes {
		lanes[i].source = s
	}
	// Each lane takes row groups that follow one another, up to its share of all rows.
	before := int64(0)
	for _, g := range groups {
		to := &lanes[min(int64(n)-1, (before+g.rows/2)*int64(n)/max(1, total))]
		if k := len(to.pieces) - 1; k >= 0 && to.pieces[k].file.Name == g.file.Name && to.pieces[k].to == g.from {
			to.pieces[k].to = g.to
		} else {
			to.pieces = append(to.pieces, g)
		}
		before += g.rows
	}
	var parts []pipeline.Source[T]
	for _, l := range lanes {
		if len(l.pieces) > 0 {
			parts = append(parts, l)
		}
	}
	if len(parts) == 0 { // no row
		parts = append(parts, lanes[0])
	}
	return parts, nil
}

// lane is what one lane reads.
type lane[T any] struct {
	source Source[T]
	pieces []piece
}

func (l lane[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	for _, p := range l.pieces {
		if err := l.source.extract(ctx, p, out); err != nil {
			return err
		}
	}
	return nil
}
