//go:build !race

package pipelinetest_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// These liars use memory that is not theirs any more. The race detector finds them too,
// and fails the test for it; here the checks have to find them without its help.

func TestTransformsThatAbuseBatchesAreFoundOut(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  liar
		want string
	}{
		{"it changes a batch after it passed it on", func(_ context.Context, in intIn, out intOut) error {
			return each(in, func(b ints) error {
				err := out.WriteBatch(b)
				b[0] = -1
				return err
			})
		}, "it changed a batch after it had passed it on"},

		{"it writes one slice over and over", func(_ context.Context, in intIn, out intOut) error {
			var mine ints
			return each(in, func(b ints) error {
				mine = append(mine[:0], b...)
				return out.WriteBatch(mine)
			})
		}, "it changed a batch after it had passed it on"},

		{"it recycles a batch and passes it on", func(_ context.Context, in intIn, out intOut) error {
			return each(in, func(b ints) error {
				in.Recycle(b)
				return out.WriteBatch(b)
			})
		}, "or recycled it before"},

		{"it reads a batch that it passed on", func(_ context.Context, in intIn, out intOut) error {
			var before ints
			return each(in, func(b ints) error {
				if before != nil {
					b[0] = before[0] + len(before)
				}
				before = b
				return out.WriteBatch(b)
			})
		}, "it read a batch after it had passed it on"},

		{"it keeps a pointer into a batch that it recycled", func(_ context.Context, in intIn, out intOut) error {
			var first *int
			return each(in, func(b ints) error {
				if first == nil {
					first = &b[0]
				}
				for _, n := range b {
					if err := out.Write(n + *first); err != nil {
						return err
					}
				}
				in.Recycle(b)
				return nil
			})
		}, "with batches of 2: other than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustComplain(t, c.want, complaints(t, func(t testing.TB) { pipelinetest.CheckTransform(t, c.lie, numbers(40)) }))
		})
	}
}

func TestSourcesThatAbuseBatchesAreFoundOut(t *testing.T) {
	shared := numbers(600)
	for _, c := range []struct {
		name string
		lie  badSrc
		want string
	}{
		{"it gives away a slice that is not its own", func(_ context.Context, out intOut) error {
			for at := 0; at < len(shared); at += 100 {
				if err := out.WriteBatch(shared[at : at+100]); err != nil {
					return err
				}
			}
			return nil
		}, "4 runs at once: other than"},

		{"it writes one slice over and over", func(_ context.Context, out intOut) error {
			mine := make(ints, 3)
			for i := range 20 {
				mine[0], mine[1], mine[2] = i, i, i
				if err := out.WriteBatch(mine); err != nil {
					return err
				}
			}
			return nil
		}, "it changed a batch after it had passed it on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustComplain(t, c.want, complaints(t, func(t testing.TB) { pipelinetest.CheckSource(t, c.lie) }))
		})
	}
}

func TestSinksThatAbuseBatchesAreFoundOut(t *testing.T) {
	var loaded ints
	take := func() any {
		rows := loaded
		loaded = nil
		return rows
	}
	keeper := badSink(func(_ context.Context, in intIn) error {
		var held []ints
		err := each(in, func(b ints) error {
			held = append(held, b)
			in.Recycle(b)
			return nil
		})
		for _, b := range held {
			loaded = append(loaded, b...)
		}
		return err
	})
	mustComplain(t, "with batches of 2: other than", complaints(t, func(t testing.TB) {
		pipelinetest.CheckSink(t, keeper, numbers(40), pipelinetest.OneRunAtATime(), pipelinetest.Loaded(take))
	}))
}
