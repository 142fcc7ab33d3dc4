package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/pipeline"
)

// Chunk makes one slice of every n records, in their order: for a service that takes a
// hundred at a time, say. The last one may be shorter; none is empty. An n that is
// not positive is an error at the start.
//
//	pages := pipeline.Via(orders, "pages", transforms.Chunk[Order](100))
//
// The slice belongs to the stage that reads it; behind a tee all branches share it. A chunk
// is written when it is full or the stream ends: while a source waits, a chunk that is not full
// waits too.
// With pipeline.Parallel each lane makes chunks of its own, so that several may be shorter.
func Chunk[T any](n int) pipeline.Transform[T, []T] { return chunker[T]{n} }

type chunker[T any] struct{ n int }

func (c chunker[T]) Describe() string { return fmt.Sprintf("chunks of %d", c.n) }

func (c chunker[T]) Validate(context.Context) error {
	if c.n <= 0 {
		return pipeline.Permanent(fmt.Errorf("transforms.Chunk: %d: say how many records make a chunk, from 1", c.n))
	}
	return nil
}

func (c chunker[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[[]T]) error {
	var chunk []T
	room := min(c.n, pipeline.DefaultBatchSize) // n may be a number beyond all memory
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for rest := batch; len(rest) > 0; {
			if chunk == nil {
				chunk = make([]T, 0, room)
			}
			n := min(c.n-len(chunk), len(rest))
			chunk = append(chunk, rest[:n]...)
			rest = rest[n:]
			if len(chunk) < c.n {
				break
			}
			if err := out.Write(chunk); err != nil {
				return err
			}
			chunk, room = nil, c.n
		}
		in.Recycle(batch)
	}
	if len(chunk) == 0 {
		return nil
	}
	return out.Write(chunk)
}
