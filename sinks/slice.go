package sinks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/millrace/millrace/pipeline"
)

// Slice takes all records into memory, for tests, examples and small results. When
// the run commits, after the databases, *Into is set to them; when it fails, *Into stays as it was.
//
// With [pipeline.Parallel], and when several sinks of a run have one Into, the
// records of all are there, in no order. Runs that go on at the same time need slices of their own.
// A run that [pipeline.Options].State knows to be committed does not run again, and
// leaves *Into alone.
type Slice[T any] struct {
	// Into is where the records go. It must be set.
	Into *[]T
}

// Validate checks that Into is set.
func (s Slice[T]) Validate(context.Context) error {
	if s.Into == nil {
		return pipeline.Permanent(errors.New("sinks.Slice: Into is not set"))
	}
	return nil
}

// Describe says what it keeps.
func (s Slice[T]) Describe() string { return fmt.Sprintf("%v in memory", reflect.TypeFor[[]T]()) }

// Load keeps the records.
func (s Slice[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	if err := s.Validate(ctx); err != nil {
		return err
	}
	unit, err := pipeline.Join(ctx, sliceKey[T]{s.Into}, func(context.Context) (*sliceUnit[T], error) {
		return &sliceUnit[T]{into: s.Into, records: []T{}}, nil
	})
	if err != nil {
		return err
	}
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		unit.add(batch)
		in.Recycle(batch)
	}
	return nil
}

// sliceKey is the key of a slice's unit.
type sliceKey[T any] struct{ into *[]T }

// sliceUnit is the records of a run until it commits.
type sliceUnit[T any] struct {
	into    *[]T
	mu      sync.Mutex
	records []T
}

func (u *sliceUnit[T]) add(batch []T) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.records = append(u.records, batch...)
}

// Name implements pipeline.Unit.
func (u *sliceUnit[T]) Name() string { return "a slice in memory" }

// Phase puts the slice behind everything whose commit can fail.
func (u *sliceUnit[T]) Phase() pipeline.Phase { return pipeline.PhaseFiles + 1 }

// Prepare implements pipeline.Unit.
func (u *sliceUnit[T]) Prepare(context.Context) error { return nil }

// Commit sets the slice.
func (u *sliceUnit[T]) Commit(context.Context) error {
	*u.into = u.records
	return nil
}

// Rollback implements pipeline.Unit.
func (u *sliceUnit[T]) Rollback(context.Context) error { return nil }
