package transforms

import (
	"context"

	"github.com/millrace/millrace/internal/spill"
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
// memory until the stream ends. When they exceed MaxMemory, records of
// further keys go to temporary files, and are passed on after the input's end, in their order.
type Distinct[T any, K comparable] struct {
	// Key returns what a record is known by. Required. Keys are compared by ==,
	// so that each floating-point NaN is a key of its own. The same record must have the same
	// key when asked again.
	Key func(record *T) K

	// MaxMemory is in bytes: what keys may hold before Distinct goes on in
	// temporary files. Defaults to [DefaultMaxMemory]. What [GroupBy] says of In and K
	// holds for T and K.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Serial says that it cannot run in lanes.
func (d Distinct[T, K]) Serial() {}

// Validate checks that there is a Key.
func (d Distinct[T, K]) Validate(context.Context) error {
	if err := missing("Distinct", function{"Key", d.Key == nil}); err != nil {
		return err
	}
	return d.memory().validate(spill.CheckKey[K](), canSpill[T]())
}

func (d Distinct[T, K]) memory() memory { return memory{"Distinct", d.MaxMemory, d.TempDir} }

// Transform drops the records whose key has been seen.
func (d Distinct[T, K]) Transform(ctx context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) (err error) {
	job := &distinction[T, K]{
		key: d.Key, memory: d.memory(), keys: newKeys[K](), folder: d.memory().folder(),
		check: func() error { return context.Cause(ctx) },
	}
	defer closeFolder(job.folder, &err)
	level := job.level(0)
	seen := level.seen
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			key := d.Key(&batch[i])
			hash := job.keys.hash(key)
			if seen.find(hash, key) != nil {
				continue
			}
			if isNew, err := level.add(hash, key, &batch[i], level.later); err != nil {
				return err
			} else if !isNew {
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
	if level.spilled == nil {
		return nil
	}
	seen.take()
	runs := spill.NewRuns(job.folder, job.codec, nil)
	if err := job.parts(level.spilled, 1, runs); err != nil {
		return err
	}
	return runs.Merge(func(record *T) error { return out.Write(*record) })
}

// distinction is one call of Distinct. It keeps to its memory as [grouping] does: keys are
// added as long as there is room; then records of other keys are divided by hash
// into files, and each is worked off by itself.
type distinction[T any, K comparable] struct {
	key    func(*T) K
	memory memory
	keys   *keys[K]
	folder *spill.Folder
	check  func() error
	codec  *spill.Codec[T] // nil until something is spilled
}

type distinctLevel[T any, K comparable] struct {
	job     *distinction[T, K]
	depth   int
	seen    *table[K, struct{}]
	full    bool
	spilled *spill.Partitions[T] // nil until there is something
	later   uint64               // records spilled
}

func (j *distinction[T, K]) level(depth int) *distinctLevel[T, K] {
	return &distinctLevel[T, K]{job: j, depth: depth, seen: newTable[K, struct{}](j.keys)}
}

// add takes a record whose key is not in the table. It tells whether the key is new;
// otherwise that is not known yet, and the record was spilled.
func (l *distinctLevel[T, K]) add(hash uint64, key K, record *T, ordinal uint64) (isNew bool, err error) {
	if l.depth < spill.MaxDepth && !l.full {
		l.full = !l.seen.hasRoom(key, l.job.memory.limit())
	}
	if !l.full {
		l.seen.push(key)
		l.seen.keep(hash)
		return true, nil
	}
	if l.spilled == nil {
		if err := l.job.makeCodec(); err != nil {
			return false, err
		}
		l.spilled = spill.NewPartitions(l.job.folder, l.job.codec, l.depth)
	}
	l.later++
	return false, l.spilled.Write(hash, ordinal, record)
}

func (j *distinction[T, K]) makeCodec() (err error) {
	if j.codec != nil {
		return nil
	}
	if err = spill.CheckKey[K](); err == nil {
		j.codec, err = spill.NewCodec[T]()
	}
	if err != nil {
		return j.memory.cannotSpill(err)
	}
	return nil
}

// parts makes runs of the records in files whose keys are new.
func (j *distinction[T, K]) parts(parts *spill.Partitions[T], depth int, runs *spill.Runs[T]) error {
	if err := parts.Flush(); err != nil {
		return err
	}
	for i := range spill.Fanout {
		if parts.Len(i) == 0 {
			continue
		}
		level := j.level(depth)
		read := 0
		err := parts.Read(i, func(ordinal uint64, record *T) error {
			if read++; read%chunkSize == 0 {
				if err := j.check(); err != nil {
					return err
				}
			}
			key := j.key(record)
			hash := j.keys.hash(key)
			if level.seen.find(hash, key) != nil {
				return nil
			}
			if isNew, err := level.add(hash, key, record, ordinal); err != nil || !isNew {
				return err
			}
			return runs.Write(ordinal, record)
		})
		if err != nil {
			return err
		}
		if err := runs.EndRun(); err != nil {
			return err
		}
		if level.spilled != nil {
			level.seen = nil
			if err := j.parts(level.spilled, depth+1, runs); err != nil {
				return err
			}
		}
	}
	return nil
}
