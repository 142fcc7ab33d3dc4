package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/spill"
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
// Memory holds one Out and one key for each group, until the stream ends. When
// that exceeds MaxMemory, the records of further keys go to temporary files, and are
// folded after the input's end; the result, its order and the order in which the records of a key are
// folded stay the same. What Fold refuses of them is set aside only then.
//
// With pipeline.Parallel each lane folds its share of the records, and the lanes
// are merged at the end: Merge is then needed, the order of the output is not defined,
// and neither is the order in which records are folded.
type GroupBy[In any, K comparable, Out any] struct {
	// Key returns what a record is grouped by. Required. Keys are compared by
	// ==, so that each floating-point NaN makes a group of its own. For several
	// columns return an array, or a struct. The same record must have the same
	// key when asked again.
	Key func(record *In) K

	// New starts a group. Defaults to the zero value of Out. The key it is given
	// is a copy that may be kept: it holds no other text in memory.
	New func(key K) Out

	// Fold adds a record to its group. Required. An error fails the run, unless it
	// is made by [Reject]; return that before the group is changed.
	Fold func(group *Out, record *In) error

	// Merge adds a group of one lane to that of the same key in another, and need
	// not leave from as it was. Only needed with pipeline.Parallel; without it
	// GroupBy refuses to run in lanes. An error fails the run, always: a group is
	// no record that could be set aside.
	Merge func(into, from *Out) error

	// MaxMemory is in bytes, for all lanes together: what keys and groups may
	// hold, by estimate, before GroupBy goes on in temporary files. Buffers for these come
	// on top, up to half as much, and so does what Go's collector has not freed yet. Defaults
	// to [DefaultMaxMemory]. In, K and Out must then be types that can be written
	// to a file: no functions, channels or interfaces, no pointers in K, no unexported
	// fields in types that cannot marshal themselves. One that is not fails the run
	// when memory runs out, or at the start if MaxMemory is set.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Validate checks that there is a Key and a Fold.
func (g GroupBy[In, K, Out]) Validate(context.Context) error { return g.validate("GroupBy") }

func (g GroupBy[In, K, Out]) validate(stage string) error {
	if err := missing(stage, function{"Key", g.Key == nil}, function{"Fold", g.Fold == nil}); err != nil {
		return err
	}
	return memory{stage, g.MaxMemory, g.TempDir}.validate(spill.CheckKey[K](), canSpill[In](), canSpill[Out]())
}

// Transform folds the whole input into one table.
func (g GroupBy[In, K, Out]) Transform(ctx context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	return g.transform(ctx, "GroupBy", in, writeGroup(out))
}

// writeGroup writes groups as they are.
func writeGroup[Out any](out *pipeline.Writer[Out]) func(*Out) error {
	return func(group *Out) error { return out.Write(*group) }
}

func (g GroupBy[In, K, Out]) transform(
	ctx context.Context, stage string, in *pipeline.Reader[In], write func(*Out) error,
) (err error) {
	job := newGrouping(ctx, g, stage, 1)
	defer closeFolder(job.folder, &err)
	level := job.level(0)
	if err := level.fold(in); err != nil {
		return err
	}
	job.reject = in.Reject
	return job.finish(level, write)
}

// TransformLanes folds each lane's share into a table of its own, and merges them.
func (g GroupBy[In, K, Out]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	return g.transformLanes(ctx, "GroupBy", ins, writeGroup(out))
}

func (g GroupBy[In, K, Out]) transformLanes(
	ctx context.Context, stage string, ins []*pipeline.Reader[In], write func(*Out) error,
) (err error) {
	if err := needsMerge(stage, g.Merge == nil, len(ins)); err != nil {
		return err
	}
	job := newGrouping(ctx, g, stage, len(ins))
	defer closeFolder(job.folder, &err)
	levels := make([]*groupLevel[In, K, Out], len(ins))
	err = pipeline.EachLane(ctx, ins, func(lane int, in *pipeline.Reader[In]) error {
		levels[lane] = job.level(0)
		return levels[lane].fold(in)
	})
	if err != nil {
		return err
	}
	job.reject = ins[0].Reject
	return job.finishLanes(levels, write)
}

func needsMerge(stage string, missing bool, lanes int) error {
	if !missing || lanes == 1 {
		return nil
	}
	return pipeline.Permanent(fmt.Errorf("transforms.%s: Merge is nil: "+
		"without it the groups of %d lanes cannot be put together; set Merge, or leave Parallel out", stage, lanes))
}
