package sources

import (
	"context"
	"fmt"
	"reflect"

	"github.com/millrace/millrace/pipeline"
)

// Slice is a source of the records that it holds, for tests, examples and small
// reference data. The slice must not change while a run goes on; the records are
// copied, so what later stages do to them leaves it as it is (what they point to is
// shared).
type Slice[T any] []T

// Extract passes the records on in order.
func (s Slice[T]) Extract(_ context.Context, out *pipeline.Writer[T]) error {
	for len(s) > 0 {
		batch := out.NewBatch()
		n := min(len(s), cap(batch))
		if err := out.WriteBatch(append(batch, s[:n]...)); err != nil {
			return err
		}
		s = s[n:]
	}
	return nil
}

// Split cuts the slice into at most n parts of about the same length.
func (s Slice[T]) Split(_ context.Context, n int) ([]pipeline.Source[T], error) {
	n = max(1, min(n, len(s)))
	parts := make([]pipeline.Source[T], n)
	for i := range parts {
		parts[i] = s[i*len(s)/n : (i+1)*len(s)/n]
	}
	return parts, nil
}

// Describe says how many records of what type there are.
func (s Slice[T]) Describe() string {
	return fmt.Sprintf("%d × %v in memory", len(s), reflect.TypeFor[T]())
}
