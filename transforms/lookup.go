package transforms

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// Misses says what [Lookup] does with a record whose key the reference lacks, and [Join]
// with one whose key the other stream lacks.
type Misses int

// What to do with misses.
const (
	RejectMisses Misses = iota // set the record aside; the default
	KeepMisses                 // pass it on; Lookup leaves it as it is
	DropMisses                 // drop it
)

func (m Misses) validate(stage, name string) error {
	if m < RejectMisses || m > DropMisses {
		return pipeline.Permanent(fmt.Errorf("transforms.%s: %s is %d: use RejectMisses, KeepMisses or DropMisses", stage, name, m))
	}
	return nil
}

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
// pipeline.Parallel, and held in memory until the stream ends. What it
// rejects counts for this stage. The part of it that exceeds MaxMemory goes to temporary
// files, and so do the records whose key may be there: these are looked up
// after the input's end, and still come out in their order.
type Lookup[T, Ref any, K comparable] struct {
	// Reference is the source of what is looked up. Required.
	Reference pipeline.Source[Ref]

	// Key returns what to look for. Required.
	Key func(record *T) K

	// ReferenceKey returns what a record of the reference is found by. Required. A key that
	// comes twice is an error: which of the two is right cannot be known here.
	ReferenceKey func(ref *Ref) K

	// Enrich changes a record by what was found for it. Required. ref is shared and must not be
	// changed. An error fails the run, unless it is made by [Reject].
	Enrich func(record *T, ref *Ref) error

	// Misses says what to do with a record whose key the reference lacks. Defaults
	// to RejectMisses, which fails the run unless its budget allows rejects.
	Misses Misses

	// Column is the name of the key's column, for rejects. Defaults to none.
	Column string

	// MaxMemory is in bytes: what the reference may hold before Lookup goes on in
	// temporary files. Defaults to [DefaultMaxMemory]. What [GroupBy] says of In and K holds for
	// T, Ref and K.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Validate checks that nothing is missing, and lets the reference check itself.
func (l Lookup[T, Ref, K]) Validate(ctx context.Context) error {
	err := missing("Lookup", function{"Reference", l.Reference == nil}, function{"Key", l.Key == nil},
		function{"ReferenceKey", l.ReferenceKey == nil}, function{"Enrich", l.Enrich == nil})
	if err != nil {
		return err
	}
	if err := l.Misses.validate("Lookup", "Misses"); err != nil {
		return err
	}
	if err := l.memory().validate(spill.CheckKey[K](), canSpill[T](), canSpill[Ref]()); err != nil {
		return err
	}
	if v, ok := l.Reference.(pipeline.Validator); ok {
		if err := v.Validate(ctx); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
	}
	return nil
}

func (l Lookup[T, Ref, K]) memory() memory { return memory{"Lookup", l.MaxMemory, l.TempDir} }

// Claims are those of the reference, which is read once however many lanes there are.
func (l Lookup[T, Ref, K]) Claims() []pipeline.Claim {
	if c, ok := l.Reference.(pipeline.Claimer); ok {
		claims := slices.Clone(c.Claims())
		for i := range claims {
			claims[i].Once = true
		}
		return claims
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
func (l Lookup[T, Ref, K]) Transform(ctx context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) (err error) {
	job := l.job(ctx)
	defer closeFolder(job.folder, &err)
	refs, err := job.load(ctx)
	if err != nil {
		return err
	}
	if refs.spilled != nil {
		return job.inOrder(refs, in, out)
	}
	return job.enrich(refs, in, func(batch []T) error { return passOn(in, out, batch) })
}

// TransformLanes enriches in lanes, which share one copy of the reference.
func (l Lookup[T, Ref, K]) TransformLanes(ctx context.Context, ins []*pipeline.Reader[T], out *pipeline.Writer[T]) (err error) {
	job := l.job(ctx)
	defer closeFolder(job.folder, &err)
	refs, err := job.load(ctx)
	if err != nil {
		return err
	}
	var turn sync.Mutex
	err = pipeline.EachLane(ctx, ins, func(_ int, in *pipeline.Reader[T]) error {
		return job.enrich(refs, in, func(batch []T) error {
			turn.Lock()
			defer turn.Unlock()
			return passOn(in, out, batch)
		})
	})
	if err != nil || refs.spilled == nil {
		return err
	}
	job.reject = ins[0].Reject
	return job.parts(refs, func(_ uint64, record *T) error { return out.Write(*record) }, func() error { return nil })
}

// enrich works on batches in place. Records that have to wait for a part of the reference leave
// their batch.
func (j *looking[T, Ref, K]) enrich(refs *references[T, Ref, K], in *pipeline.Reader[T], write func([]T) error) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			keep := true
			key := j.Key(&batch[i])
			hash := j.keys.hash(key)
			if ref := refs.table.find(hash, key); ref != nil {
				if err := j.Enrich(&batch[i], &ref.value); err != nil {
					if err := setAside(in.Reject, &batch[i], err); err != nil {
						return err
					}
					keep = false
				}
			} else if refs.mayHave(hash) {
				if err := refs.waiting.Write(hash, 0, &batch[i]); err != nil {
					return err
				}
				keep = false
			} else if keep, err = j.miss(&batch[i], key, in.Reject); err != nil {
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

// miss tells whether to keep a record whose key the reference lacks.
func (l *Lookup[T, Ref, K]) miss(record *T, key K, reject func(*T, pipeline.Reject) error) (keep bool, err error) {
	if l.Misses == RejectMisses {
		return false, reject(record, pipeline.Reject{Column: l.Column, Value: fmt.Sprint(key), Reason: "is not in the reference (" + l.reference() + ")"})
	}
	return l.Misses == KeepMisses, nil
}
