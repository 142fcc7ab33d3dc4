package transforms

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/pipeline"
)

// GroupBy folds the records of each key into one, and writes those when its
// input has ended, in the order in which the keys were first seen.
//
//	transforms.GroupBy[Sale, string, Total]{
//		Key: func(s *Sale) string { return s.Product },
//		New: func(product string) Total { return Total{Product: product} },
//		Fold: func(t *Total, s *Sale) error {
//			t.Quantity += s.Quantity
//			return nil
//		},
//	}
//
// Memory holds one Out and one key for each group, until the stream ends.
//
// With pipeline.Parallel each lane folds its share of the records, and the lanes
// are merged at the end: Merge is then needed, the order of the output is not defined,
// and neither is the order in which records are folded.
type GroupBy[In any, K comparable, Out any] struct {
	// Key returns what a record is grouped by. Required. Keys are compared by
	// ==, so that each floating-point NaN makes a group of its own. For several
	// columns return an array, or a struct.
	Key func(record *In) K

	// New starts a group. Defaults to the zero value of Out. The key it is given
	// is a copy that may be kept: it pins no other text.
	New func(key K) Out

	// Fold adds a record to its group. Required. An error fails the run, unless it
	// is made by [Reject]; return that before the group is changed.
	Fold func(group *Out, record *In) error

	// Merge adds a group of one lane to that of the same key in another, and need
	// not leave from as it was. Only needed with pipeline.Parallel; without it
	// GroupBy refuses to run in lanes. An error fails the run, always: a group is
	// no record that could be set aside.
	Merge func(into, from *Out) error
}

// Validate checks that there is a Key and a Fold.
func (g GroupBy[In, K, Out]) Validate(context.Context) error {
	return missing("GroupBy", function{"Key", g.Key == nil}, function{"Fold", g.Fold == nil})
}

// Transform folds the whole input into one table.
func (g GroupBy[In, K, Out]) Transform(_ context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	table := newGroupTable(g.New)
	if err := g.fold(in, table); err != nil {
		return err
	}
	return writeGroups(table, out)
}

// TransformLanes folds each lane's share into a table of its own, and merges them.
func (g GroupBy[In, K, Out]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	if g.Merge == nil && len(ins) > 1 {
		return pipeline.Permanent(fmt.Errorf("transforms.GroupBy: Merge is nil: without it the sums of %d lanes cannot be put together; set Merge, or leave Parallel out", len(ins)))
	}
	tables := make([]*groupTable[K, Out], len(ins))
	err := pipeline.EachLane(ctx, ins, func(lane int, in *pipeline.Reader[In]) error {
		tables[lane] = newGroupTable(g.New)
		return g.fold(in, tables[lane])
	})
	if err != nil {
		return err
	}
	slices.SortFunc(tables, func(a, b *groupTable[K, Out]) int { return b.len() - a.len() }) // the largest need not move
	for i, other := range tables[1:] {
		if err := tables[0].merge(other, g.Merge, func() error { return context.Cause(ctx) }); err != nil {
			return err
		}
		tables[i+1] = nil
	}
	return writeGroups(tables[0], out)
}

func (g GroupBy[In, K, Out]) fold(in *pipeline.Reader[In], table *groupTable[K, Out]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			if err := g.add(table, &batch[i]); err != nil {
				if err := setAside(in.Reject, err); err != nil {
					return err
				}
			}
		}
		in.Recycle(batch)
	}
	return nil
}

// add folds one record into its group.
func (g *GroupBy[In, K, Out]) add(table *groupTable[K, Out], record *In) error {
	key := g.Key(record)
	if group := table.find(key); group != nil {
		return g.Fold(group, record)
	}
	key, group := table.begin(key)
	if err := g.Fold(group, record); err != nil {
		table.drop() // a group needs a record
		return err
	}
	table.keep(key)
	return nil
}

// writeGroups empties the table. Groups are let go as they are written.
func writeGroups[K comparable, Out any](table *groupTable[K, Out], out *pipeline.Writer[Out]) error {
	chunks := table.take()
	for i, chunk := range chunks {
		chunks[i] = nil
		if err := out.WriteBatch(chunk); err != nil {
			return err
		}
	}
	return nil
}
