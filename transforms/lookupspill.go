package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// How Lookup keeps to its memory: a table takes references as long as there is
// room. The others are divided by hash into files. A record whose key is not in the table,
// but may be in a file, waits in a file of the same number. After the end of
// the input each pair of files is worked off like reference and input were, with a table of its own.

// looking is one call of Lookup.
type looking[T, Ref any, K comparable] struct {
	Lookup[T, Ref, K]
	limit  int64
	keys   *keys[K]
	size   func(*Ref) int64 // nil when references hold nothing
	folder *spill.Folder
	check  func() error                    // tells whether the run is over
	reject func(*T, pipeline.Reject) error // for records that waited

	refs    *spill.Codec[Ref] // nil until something is spilled
	records *spill.Codec[T]
}

func (l Lookup[T, Ref, K]) job(ctx context.Context) *looking[T, Ref, K] {
	keys := newKeys[K]()
	keys.clone, keys.size = nil, nil // the reference itself holds the text
	return &looking[T, Ref, K]{
		Lookup: l, limit: l.memory().limit(), keys: keys, size: spill.Sizer[Ref](), folder: l.memory().folder(),
		check: func() error { return context.Cause(ctx) },
	}
}

// references is a reference, or a part of it.
type references[T, Ref any, K comparable] struct {
	job     *looking[T, Ref, K]
	depth   int
	table   *table[K, Ref]
	full    bool                   // no more are added to the table
	spilled *spill.Partitions[Ref] // what it had no room for; nil if nothing
	waiting *spill.Partitions[T]   // records that may be found there; nil if spilled is
}

func (j *looking[T, Ref, K]) references(depth int) *references[T, Ref, K] {
	return &references[T, Ref, K]{job: j, depth: depth, table: newTable[K, Ref](j.keys)}
}

// load reads the reference.
func (j *looking[T, Ref, K]) load(ctx context.Context) (*references[T, Ref, K], error) {
	refs := j.references(0)
	var ref Ref // one for all, since it escapes
	for next, err := range pipeline.Records(ctx, j.Reference) {
		if err != nil {
			return nil, fmt.Errorf("reference: %w", err)
		}
		ref = next
		if err := refs.add(&ref); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

func (r *references[T, Ref, K]) add(ref *Ref) error {
	key := r.job.ReferenceKey(ref)
	hash := r.job.keys.hash(key)
	if r.table.find(hash, key) != nil {
		return pipeline.Permanent(fmt.Errorf("reference: %s: the key %v is there twice", r.job.reference(), key))
	}
	if r.depth < spill.MaxDepth && !r.full {
		r.full = !r.table.hasRoom(key, r.job.limit)
	}
	if r.full {
		if err := r.makeFiles(); err != nil {
			return err
		}
		return r.spilled.Write(hash, 0, ref)
	}
	r.table.push(key).value = *ref
	r.table.keep(hash)
	if r.job.size != nil {
		r.table.held += r.job.size(ref)
	}
	return nil
}

func (r *references[T, Ref, K]) makeFiles() (err error) {
	if r.spilled != nil {
		return nil
	}
	j := r.job
	if j.refs == nil {
		if err = spill.CheckKey[K](); err == nil {
			j.refs, err = spill.NewCodec[Ref]()
		}
		if err == nil {
			j.records, err = spill.NewCodec[T]()
		}
		if err != nil {
			return j.memory().cannotSpill(err)
		}
	}
	r.spilled = spill.NewPartitions(j.folder, j.refs, r.depth)
	r.waiting = spill.NewPartitions(j.folder, j.records, r.depth)
	return nil
}

// mayHave tells whether a key that is not in the table may be in a file.
func (r *references[T, Ref, K]) mayHave(hash uint64) bool {
	return r.spilled != nil && r.spilled.Len(r.spilled.Part(hash)) > 0
}

// inOrder enriches the whole input where not all of the reference is in memory. From the
// first record that has to wait on, those that need not wait for it too.
func (j *looking[T, Ref, K]) inOrder(refs *references[T, Ref, K], in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	j.reject = in.Reject
	runs := spill.NewRuns(j.folder, j.records, nil)
	var ordinal, waiting uint64
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			ordinal++
			waits, err := j.one(refs, ordinal, &batch[i], func(ordinal uint64, record *T) error {
				if waiting == 0 {
					return out.Write(*record)
				}
				return runs.Write(ordinal, record)
			})
			if err != nil {
				return err
			}
			if waits {
				waiting++
			}
		}
		in.Recycle(batch)
	}
	if err := runs.EndRun(); err != nil {
		return err
	}
	if err := j.parts(refs, runs.Write, runs.EndRun); err != nil {
		return err
	}
	return runs.Merge(func(record *T) error { return out.Write(*record) })
}

// one enriches a record and passes it to write, unless it waits.
func (j *looking[T, Ref, K]) one(refs *references[T, Ref, K], ordinal uint64, record *T, write func(ordinal uint64, record *T) error) (waits bool, err error) {
	key := j.Key(record)
	hash := j.keys.hash(key)
	if ref := refs.table.find(hash, key); ref != nil {
		if err := j.Enrich(record, &ref.value); err != nil {
			return false, setAside(j.reject, record, err)
		}
		return false, write(ordinal, record)
	}
	if refs.mayHave(hash) {
		return true, refs.waiting.Write(hash, ordinal, record)
	}
	keep, err := j.miss(record, key, j.reject)
	if err != nil || !keep {
		return false, err
	}
	return false, write(ordinal, record)
}

// parts works off what refs had no room for, part by part. Each part's records are written in their
// order; ended is called after them.
func (j *looking[T, Ref, K]) parts(refs *references[T, Ref, K], write func(ordinal uint64, record *T) error, ended func() error) error {
	if err := refs.spilled.Flush(); err != nil {
		return err
	}
	if err := refs.waiting.Flush(); err != nil {
		return err
	}
	refs.table = nil
	for i := range spill.Fanout {
		// A part that nobody waits for is read too: a key may be there twice.
		part := j.references(refs.depth + 1)
		read := 0
		stopped := func() error {
			if read++; read%chunkSize == 0 {
				return j.check()
			}
			return nil
		}
		err := refs.spilled.Read(i, func(_ uint64, ref *Ref) error {
			if err := stopped(); err != nil {
				return err
			}
			return part.add(ref)
		})
		if err != nil {
			return err
		}
		err = refs.waiting.Read(i, func(ordinal uint64, record *T) error {
			if err := stopped(); err != nil {
				return err
			}
			_, err := j.one(part, ordinal, record, write)
			return err
		})
		if err != nil {
			return err
		}
		if err := ended(); err != nil {
			return err
		}
		if part.spilled != nil {
			if err := j.parts(part, write, ended); err != nil {
				return err
			}
		}
	}
	return nil
}
