package transforms

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// TopN keeps the first N records in the order of Compare, and writes them in that
// order when its input has ended. With a Key it does so for each key.
//
//	transforms.TopN[Sale, string]{
//		N:       3,
//		Key:     func(s *Sale) string { return s.Store },
//		Compare: func(a, b *Sale) int { return cmp.Compare(b.Amount, a.Amount) }, // largest first
//	}
//
// Of records that compare equal, those that came first are kept, and written first.
// Keys come in the order in which they were first seen. With pipeline.Parallel neither is
// defined; the records of a key still come in the order of Compare.
//
// Memory holds N records for each key, whatever the length of the input. When that
// exceeds MaxMemory, the records of further keys go to temporary files, with the same result.
// The records of one key must fit: to put a whole stream in order use [Sort].
type TopN[T any, K comparable] struct {
	// N is how many records are kept, of each key. Required.
	N int

	// Compare returns a negative number when a comes before b, a positive one when it comes
	// after b, and 0 when their order does not matter. Required. It must be a strict weak
	// order, as slices.SortFunc says, and not change the records.
	Compare func(a, b *T) int

	// Key returns what a record is grouped by, as in [GroupBy]. Defaults to one group for
	// all records; K may then be struct{}.
	Key func(record *T) K

	// MaxMemory is in bytes: what keys and records may hold, for all lanes together, before
	// TopN goes on in temporary files. Defaults to [DefaultMaxMemory]. What [GroupBy] says of
	// In and K holds for T and K.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Describe says how many records it keeps.
func (t TopN[T, K]) Describe() string {
	if t.Key == nil {
		return fmt.Sprintf("top %d", t.N)
	}
	return fmt.Sprintf("top %d of each key", t.N)
}

// Validate checks that N is positive and that there is a Compare.
func (t TopN[T, K]) Validate(context.Context) error {
	if err := missing("TopN", function{"Compare", t.Compare == nil}); err != nil {
		return err
	}
	if t.N <= 0 {
		return pipeline.Permanent(fmt.Errorf("transforms.TopN: N is %d: say how many records to keep, from 1", t.N))
	}
	return memory{"TopN", t.MaxMemory, t.TempDir}.validate(spill.CheckKey[K](), canSpill[T]())
}

// Transform keeps the first records of the whole input.
func (t TopN[T, K]) Transform(ctx context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	return t.groupBy().transform(ctx, "TopN", in, t.write(out))
}

// TransformLanes keeps the first records of each lane, and then those of all.
func (t TopN[T, K]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[T], out *pipeline.Writer[T]) error {
	return t.groupBy().transformLanes(ctx, "TopN", ins, t.write(out))
}

func (t TopN[T, K]) groupBy() GroupBy[T, K, top[T]] {
	clone := keyClone[T]() // a record that is kept for long must not keep the text of its batch
	return GroupBy[T, K, top[T]]{
		Key: orOneKey(t.Key),
		Fold: func(g *top[T], record *T) error {
			g.Seen++
			if len(g.First) == t.N && t.Compare(record, &g.First[0].Record) >= 0 {
				return nil
			}
			kept := ranked[T]{g.Seen, *record}
			if clone != nil {
				kept.Record = clone(kept.Record)
			}
			t.push(g, kept)
			return nil
		},
		Merge: func(into, from *top[T]) error {
			for _, kept := range from.First {
				t.push(into, kept)
			}
			return nil
		},
		MaxMemory: t.MaxMemory,
		TempDir:   t.TempDir,
	}
}

// orOneKey makes one group of all records where there is no key.
func orOneKey[T any, K comparable](key func(*T) K) func(*T) K {
	if key != nil {
		return key
	}
	return func(*T) (one K) { return one }
}

func (t TopN[T, K]) write(out *pipeline.Writer[T]) func(*top[T]) error {
	return func(g *top[T]) error {
		slices.SortFunc(g.First, func(a, b ranked[T]) int { return t.compare(&a, &b) })
		for i := range g.First {
			if err := out.Write(g.First[i].Record); err != nil {
				return err
			}
		}
		return nil
	}
}

// top is what is kept of one key. Its fields are exported for the sake of temporary files.
type top[T any] struct {
	Seen  uint64      // records
	First []ranked[T] // a heap: the one to go next is at its top
}

// ranked is a record, and the how many-th of its key it is.
type ranked[T any] struct {
	N      uint64
	Record T
}

func (t TopN[T, K]) compare(a, b *ranked[T]) int {
	if c := t.Compare(&a.Record, &b.Record); c != 0 {
		return c
	}
	return cmp.Compare(a.N, b.N)
}

// push adds a record, and lets the last one go when there are more than N.
func (t TopN[T, K]) push(g *top[T], record ranked[T]) {
	if h := g.First; len(h) == t.N {
		if t.compare(&record, &h[0]) < 0 {
			h[0] = record
			t.down(h)
		}
		return
	}
	g.First = append(g.First, record)
	for i := len(g.First) - 1; i > 0; {
		parent := (i - 1) / 2
		if t.compare(&g.First[i], &g.First[parent]) <= 0 {
			return
		}
		g.First[i], g.First[parent] = g.First[parent], g.First[i]
		i = parent
	}
}

// down restores the heap after its top was replaced.
func (t TopN[T, K]) down(h []ranked[T]) {
	for i := 0; ; {
		last := 2*i + 1
		if last >= len(h) {
			return
		}
		if right := last + 1; right < len(h) && t.compare(&h[right], &h[last]) > 0 {
			last = right
		}
		if t.compare(&h[last], &h[i]) <= 0 {
			return
		}
		h[i], h[last] = h[last], h[i]
		i = last
	}
}
