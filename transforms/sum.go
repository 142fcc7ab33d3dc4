package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/pipeline"
)

// Number is what [Sum] can add up: the built-in integers and floats, and types made of
// them. For decimals, or several sums at once, use [GroupBy].
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr |
		~float32 | ~float64
}

// Total is the sum of one key.
type Total[K comparable, N Number] struct {
	Key K `json:"key" csv:"key" db:"key"`
	Sum N `json:"sum" csv:"sum" db:"sum"`
}

// Sum adds up a value over the records of each key, and writes a [Total] for each
// when its input has ended, in the order in which the keys were first seen. It is
// [GroupBy] for the commonest case, and can run in lanes.
//
//	transforms.Sum[Sale, string, int64]{
//		Key:   func(s *Sale) string { return s.Product },
//		Value: func(s *Sale) int64 { return s.Quantity },
//	}
//
// An integer sum that leaves the range of its type is an error; it never wraps around:
// let Value return a wider type.
type Sum[T any, K comparable, N Number] struct {
	Key   func(record *T) K // what to group by; required
	Value func(record *T) N // what to add up; required

	MaxMemory int64  // in bytes; as in [GroupBy]
	TempDir   string // where temporary files go; defaults to os.TempDir()
}

// Validate checks that there is a Key and a Value.
func (s Sum[T, K, N]) Validate(context.Context) error {
	if err := missing("Sum", function{"Key", s.Key == nil}, function{"Value", s.Value == nil}); err != nil {
		return err
	}
	return s.groupBy().validate("Sum")
}

// Transform adds up the whole input.
func (s Sum[T, K, N]) Transform(ctx context.Context, in *pipeline.Reader[T], out *pipeline.Writer[Total[K, N]]) error {
	return s.groupBy().transform(ctx, "Sum", in, writeGroup(out))
}

// TransformLanes adds up each lane's share.
func (s Sum[T, K, N]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[T], out *pipeline.Writer[Total[K, N]]) error {
	return s.groupBy().transformLanes(ctx, "Sum", ins, writeGroup(out))
}

func (s Sum[T, K, N]) groupBy() GroupBy[T, K, Total[K, N]] {
	return GroupBy[T, K, Total[K, N]]{
		Key:   s.Key,
		New:   func(key K) Total[K, N] { return Total[K, N]{Key: key} },
		Fold:  func(t *Total[K, N], record *T) error { return t.add(s.Value(record)) },
		Merge: func(into, from *Total[K, N]) error { return into.add(from.Sum) },

		MaxMemory: s.MaxMemory,
		TempDir:   s.TempDir,
	}
}

func (t *Total[K, N]) add(n N) error {
	sum := t.Sum + n
	// A sum of integers that grew by something negative, or shrank by something
	// positive, has wrapped. With floats neither happens.
	if n > 0 && sum < t.Sum || n < 0 && sum > t.Sum {
		return pipeline.Permanent(fmt.Errorf("key %v: %v and %v add up to more than %T can hold", t.Key, t.Sum, n, n))
	}
	t.Sum = sum
	return nil
}
