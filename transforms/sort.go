package transforms

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// Sort puts records in order, and passes them on when its input has ended. It is stable: records
// that compare equal stay in the order in which they came.
//
//	transforms.Sort[Sale]{Compare: func(a, b *Sale) int {
//		return cmp.Or(cmp.Compare(a.Store, b.Store), -cmp.Compare(a.Quantity, b.Quantity))
//	}}
//
// It must see the whole stream, so it cannot run in lanes. Memory holds up to
// MaxMemory of records; when there are more they go to a temporary file as sorted runs, which
// are merged at the end.
type Sort[T any] struct {
	// Compare returns a negative number when a comes before b, a positive one when it comes
	// after b, and 0 when their order does not matter. Required. It must be a strict weak
	// order, as slices.SortFunc says, and not change the records.
	Compare func(a, b *T) int

	// MaxMemory is in bytes: what records may hold before they go to a file. Defaults to
	// [DefaultMaxMemory]. What [GroupBy] says of In holds for T.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Serial says that it cannot run in lanes.
func (s Sort[T]) Serial() {}

// Validate checks that there is a Compare.
func (s Sort[T]) Validate(context.Context) error {
	if err := missing("Sort", function{"Compare", s.Compare == nil}); err != nil {
		return err
	}
	return s.memory().validate(canSpill[T]())
}

func (s Sort[T]) memory() memory { return memory{"Sort", s.MaxMemory, s.TempDir} }

// Transform sorts the whole input.
func (s Sort[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) (err error) {
	memory := s.memory()
	folder := memory.folder()
	defer closeFolder(folder, &err)
	var (
		batches [][]T // what is not in a run yet
		records int
		held    int64
		runs    *spill.Runs[T] // nil until memory was full
		spilled uint64
		size    = spill.Sizer[T]()
		each    = int64(reflect.TypeFor[T]().Size())
		limit   = memory.limit()
	)
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		batches = append(batches, batch)
		records += len(batch)
		held += int64(cap(batch))*each + int64(len(batch))*positionSize
		if size != nil {
			for i := range batch {
				held += size(&batch[i])
			}
		}
		if held <= limit {
			continue
		}
		if runs == nil {
			codec, err := spill.NewCodec[T]()
			if err != nil {
				return memory.cannotSpill(err)
			}
			runs = spill.NewRuns(folder, codec, s.Compare)
		}
		for _, p := range s.sorted(batches, records) {
			if err := runs.Write(spilled+p.n, p.record); err != nil {
				return err
			}
		}
		if err := runs.EndRun(); err != nil {
			return err
		}
		for _, batch := range batches {
			in.Recycle(batch)
		}
		spilled += uint64(records)
		batches, records, held = nil, 0, 0
	}
	last := s.sorted(batches, records)
	if runs == nil {
		for i := range last {
			if err := out.Write(*last[i].record); err != nil {
				return err
			}
		}
		return nil
	}
	for _, p := range last {
		if err := runs.Write(spilled+p.n, p.record); err != nil {
			return err
		}
	}
	batches, last = nil, nil //nolint:ineffassign,wastedassign // lets go of them
	return runs.Merge(func(record *T) error { return out.Write(*record) })
}

// position is a record, and the how many-th it is.
type position[T any] struct {
	record *T
	n      uint64
}

const positionSize = 16

// sorted sorts pointers: moving them is cheaper than moving records, and that no two compare
// equal makes any sort a stable one.
func (s Sort[T]) sorted(batches [][]T, records int) []position[T] {
	positions := make([]position[T], 0, records)
	for _, batch := range batches {
		for i := range batch {
			positions = append(positions, position[T]{&batch[i], uint64(len(positions))})
		}
	}
	slices.SortFunc(positions, func(a, b position[T]) int {
		if c := s.Compare(a.record, b.record); c != 0 {
			return c
		}
		return cmp.Compare(a.n, b.n)
	})
	return positions
}
