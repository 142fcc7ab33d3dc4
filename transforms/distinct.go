package transforms

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// Distinct passes on the first record of each key, and drops the others.
//
//	transforms.Distinct[Sale, int64]{Key: func(s *Sale) int64 { return s.ID }}
//
// For records that are equal as a whole the record is the key:
//
//	transforms.Distinct[Sale, Sale]{Key: func(s *Sale) Sale { return *s }}
//
// It must see the whole stream, so it cannot run in lanes. Every key is kept in
// memory until the stream ends.
type Distinct[T any, K comparable] struct {
	// Key returns what a record is known by. Required. Keys are compared by ==,
	// so that a floating-point NaN differs from itself.
	Key func(record *T) K
}

// Serial says that it cannot run in lanes.
func (d Distinct[T, K]) Serial() {}

// Validate checks that there is a Key.
func (d Distinct[T, K]) Validate(context.Context) error {
	return missing("Distinct", function{"Key", d.Key == nil})
}

// Transform drops the records whose key has been seen.
func (d Distinct[T, K]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	seen := newKeySet[K]()
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			if !seen.add(d.Key(&batch[i])) {
				continue
			}
			if kept != i {
				batch[kept] = batch[i]
			}
			kept++
		}
		if err := passOn(in, out, batch[:kept]); err != nil {
			return err
		}
	}
	return nil
}

// keySet is the keys that Distinct has seen.
type keySet[K comparable] struct {
	keys  map[K]struct{}
	clone func(K) K // nil when keys need none
}

func newKeySet[K comparable]() *keySet[K] {
	return &keySet[K]{keys: map[K]struct{}{}, clone: keyClone[K]()}
}

// add tells whether the key is new.
func (s *keySet[K]) add(key K) bool {
	if _, old := s.keys[key]; old {
		return false
	}
	if s.clone != nil {
		key = s.clone(key)
	}
	s.keys[key] = struct{}{}
	return true
}
