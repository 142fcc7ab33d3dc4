package transforms

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/millrace/millrace/pipeline"
)

// Misses says what [Lookup] does with a record whose key the reference lacks.
type Misses int

// What to do with misses.
const (
	RejectMisses Misses = iota // set the record aside; the default
	KeepMisses                 // pass it on as it is
	DropMisses                 // drop it
)

// Lookup enriches records with what a reference source says of them: the name
// of a product, the region of a store.
//
//	transforms.Lookup[Sale, Product, int64]{
//		Reference:    sources.CSV[Product]{Path: "products.csv"},
//		Key:          func(s *Sale) int64 { return s.ProductID },
//		ReferenceKey: func(p *Product) int64 { return p.ID },
//		Enrich: func(s *Sale, p *Product) error {
//			s.ProductName = p.Name
//			return nil
//		},
//	}
//
// The reference is read once, before the first record, also with
// pipeline.Parallel, and held in memory as a whole until the stream ends. What it
// rejects counts for this stage.
type Lookup[T, Ref any, K comparable] struct {
	// Reference is the source of what is looked up. Required.
	Reference pipeline.Source[Ref]

	// Key returns what to look for. Required.
	Key func(record *T) K

	// ReferenceKey returns what a record of the reference is found by. Required. Two of
	// one key are an error: which of them is right cannot be known here.
	ReferenceKey func(ref *Ref) K

	// Enrich changes a record by what was found for it. Required. ref is shared and must not be
	// changed. An error fails the run, unless it is made by [Reject].
	Enrich func(record *T, ref *Ref) error

	// Misses says what to do with a record whose key the reference lacks. Defaults
	// to RejectMisses, which fails the run unless its budget allows rejects.
	Misses Misses

	// Column is the name of the key's column, for rejects. Defaults to none.
	Column string
}

// Validate checks that nothing is missing, and lets the reference check itself.
func (l Lookup[T, Ref, K]) Validate(ctx context.Context) error {
	err := missing("Lookup", function{"Reference", l.Reference == nil}, function{"Key", l.Key == nil},
		function{"ReferenceKey", l.ReferenceKey == nil}, function{"Enrich", l.Enrich == nil})
	if err != nil {
		return err
	}
	if l.Misses < RejectMisses || l.Misses > DropMisses {
		return pipeline.Permanent(fmt.Errorf("transforms.Lookup: Misses is %d: use RejectMisses, KeepMisses or DropMisses", l.Misses))
	}
	if v, ok := l.Reference.(pipeline.Validator); ok {
		if err := v.Validate(ctx); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
	}
	return nil
}

// Claims are those of the reference.
func (l Lookup[T, Ref, K]) Claims() []pipeline.Claim {
	if c, ok := l.Reference.(pipeline.Claimer); ok {
		return c.Claims()
	}
	return nil
}

// Describe says where it looks things up.
func (l Lookup[T, Ref, K]) Describe() string { return "lookup in " + l.reference() }

func (l Lookup[T, Ref, K]) reference() string {
	if d, ok := l.Reference.(pipeline.Describer); ok {
		return d.Describe()
	}
	return fmt.Sprintf("a source of %v", reflect.TypeFor[Ref]())
}

// Transform enriches the whole input.
func (l Lookup[T, Ref, K]) Transform(ctx context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	refs, err := l.load(ctx)
	if err != nil {
		return err
	}
	return l.enrich(refs, in, func(batch []T) error { return passOn(in, out, batch) })
}

// TransformLanes enriches in lanes, which share one copy of the reference.
func (l Lookup[T, Ref, K]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[T], out *pipeline.Writer[T]) error {
	refs, err := l.load(ctx)
	if err != nil {
		return err
	}
	var turn sync.Mutex
	return pipeline.EachLane(ctx, ins, func(_ int, in *pipeline.Reader[T]) error {
		return l.enrich(refs, in, func(batch []T) error {
			turn.Lock()
			defer turn.Unlock()
			return passOn(in, out, batch)
		})
	})
}

// load reads the reference.
func (l Lookup[T, Ref, K]) load(ctx context.Context) (*references[K, Ref], error) {
	refs := &references[K, Ref]{places: map[K]int{}}
	for ref, err := range pipeline.Records(ctx, l.Reference) {
		if err != nil {
			return nil, fmt.Errorf("reference: %w", err)
		}
		key := l.ReferenceKey(&ref)
		if !refs.add(key, ref) {
			return nil, pipeline.Permanent(fmt.Errorf("reference: %s: the key %v is there twice", l.reference(), key))
		}
	}
	return refs, nil
}

func (l Lookup[T, Ref, K]) enrich(refs *references[K, Ref], in *pipeline.Reader[T], write func([]T) error) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			keep, err := l.one(refs, in, &batch[i])
			if err != nil {
				return err
			}
			if !keep {
				continue
			}
			if kept != i {
				batch[kept] = batch[i]
			}
			kept++
		}
		if err := write(batch[:kept]); err != nil {
			return err
		}
	}
	return nil
}

// one enriches a record and tells whether to pass it on.
func (l Lookup[T, Ref, K]) one(refs *references[K, Ref], in *pipeline.Reader[T], record *T) (keep bool, err error) {
	key := l.Key(record)
	if ref := refs.find(key); ref != nil {
		if err := l.Enrich(record, ref); err != nil {
			return false, setAside(in.Reject, err)
		}
		return true, nil
	}
	if l.Misses == RejectMisses {
		return false, in.Reject(pipeline.Reject{Column: l.Column, Value: cleanValue(fmt.Sprint(key)), Reason: "is not in the reference (" + l.reference() + ")"})
	}
	return l.Misses == KeepMisses, nil
}

// references is a reference in memory.
type references[K comparable, Ref any] struct {
	places map[K]int
	refs   []Ref
}

// add tells whether the key is new.
func (r *references[K, Ref]) add(key K, ref Ref) bool {
	if _, old := r.places[key]; old {
		return false
	}
	r.places[key] = len(r.refs)
	r.refs = append(r.refs, ref)
	return true
}

// find returns nil if there is none.
func (r *references[K, Ref]) find(key K) *Ref {
	place, ok := r.places[key]
	if !ok {
		return nil
	}
	return &r.refs[place]
}
