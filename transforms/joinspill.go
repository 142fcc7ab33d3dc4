package transforms

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// How Join keeps to its memory: a table holds the records of the right. When there is
// no more room, all that share some bits of their hash move to a file, and those that
// come later with these bits follow them, so that the records of one key are always together. A record
// of the left with these bits waits in a file of the same number. After the end of both inputs each pair of files
// is joined like the inputs were, with a table of its own.

// joining is one call of Join.
type joining[A, B any, K comparable, Out any] struct {
	Join[A, B, K, Out]
	left  *pipeline.Reader[A]
	right *pipeline.Reader[B]
	out   *pipeline.Writer[Out]
	check func() error // tells whether the run is over

	limit  int64
	keys   *keys[K]
	each   int64          // bytes of a record of the right
	size   func(*B) int64 // nil when it holds nothing beyond
	folder *spill.Folder

	lefts, rights uint64 // records of the inputs

	made  []Out // a batch that is being filled
	one   Out   // for what goes to runs, since it escapes
	waits bool  // what is made now has to wait in runs for what comes before it

	lefties *spill.Codec[A] // nil until something is spilled, and so are the next two
	righter *spill.Codec[B]
	runs    *spill.Runs[Out]
}

func (j Join[A, B, K, Out]) job(
	ctx context.Context, left *pipeline.Reader[A], right *pipeline.Reader[B], out *pipeline.Writer[Out],
) *joining[A, B, K, Out] {
	keys := newKeys[K]()
	keys.clone, keys.size = nil, nil // the record itself holds the text
	return &joining[A, B, K, Out]{
		Join: j, left: left, right: right, out: out, check: func() error { return context.Cause(ctx) },
		limit: j.memory().limit(), keys: keys, folder: j.memory().folder(),
		each: int64(reflect.TypeFor[B]().Size()), size: spill.Sizer[B](),
	}
}

// partners are the records of the right that have one key. Most keys have one.
type partners[B any] struct {
	first   B
	more    *[]B
	ordinal uint64 // of the first
	matched bool
}

// joinLevel is the right input, or a part of it.
type joinLevel[A, B any, K comparable, Out any] struct {
	job   *joining[A, B, K, Out]
	depth int
	table *table[K, partners[B]]

	// What is in files; nil if nothing is.
	rights *spill.Partitions[B]
	lefts  *spill.Partitions[A]
	moved  [spill.Fanout]bool
}

func (j *joining[A, B, K, Out]) level(depth int) *joinLevel[A, B, K, Out] {
	return &joinLevel[A, B, K, Out]{job: j, depth: depth, table: newTable[K, partners[B]](j.keys)}
}

// inFile tells whether what has this hash is in a file.
func (l *joinLevel[A, B, K, Out]) inFile(hash uint64) bool {
	return l.rights != nil && l.moved[l.rights.Part(hash)]
}

// add takes a record of the right.
func (l *joinLevel[A, B, K, Out]) add(ordinal uint64, record *B) error {
	key := l.job.RightKey(record)
	hash := l.job.keys.hash(key)
	if l.inFile(hash) {
		return l.rights.Write(hash, ordinal, record)
	}
	found := l.table.find(hash, key)
	if found == nil {
		if !l.table.hasRoom(key, l.job.limit) && l.depth < spill.MaxDepth {
			if err := l.makeRoom(); err != nil {
				return err
			}
			if l.inFile(hash) {
				return l.rights.Write(hash, ordinal, record)
			}
		}
		e := l.table.push(key)
		e.value.first, e.value.ordinal = *record, ordinal
		l.table.keep(hash)
	} else {
		l.table.held += found.value.add(record, l.job.each)
	}
	if l.job.size != nil {
		l.table.held += l.job.size(record)
	}
	if found == nil && l.depth < spill.MaxDepth {
		return nil
	}
	return l.checkRoom(key)
}

// sliceHead is what a slice itself takes.
const sliceHead = 24

// add adds one more record, and returns by how much the memory has grown.
func (p *partners[B]) add(record *B, each int64) (bytes int64) {
	if p.more == nil {
		p.more = new([]B)
		bytes = sliceHead
	}
	before := cap(*p.more)
	*p.more = append(*p.more, *record)
	return bytes + int64(cap(*p.more)-before)*each
}

// checkRoom is asked where a key can outgrow the memory.
func (l *joinLevel[A, B, K, Out]) checkRoom(key K) error {
	bytes := l.table.bytes()
	if bytes <= l.job.limit || l.table.n == 1 && bytes <= leastTooLarge {
		return nil
	}
	if l.depth < spill.MaxDepth {
		return l.makeRoom()
	}
	if bytes <= max(l.job.limit, leastTooLarge) {
		return nil
	}
	return pipeline.Permanent(fmt.Errorf("transforms.Join: the records of the right stream with key %s hold more than MaxMemory (%d): "+
		"they must fit into memory; let the other stream be the right one", cleantext.Short(fmt.Sprint(key), 200), l.job.limit))
}

// makeRoom moves parts to files, the largest first, until at most half of the memory is taken.
func (l *joinLevel[A, B, K, Out]) makeRoom() error {
	if err := l.makeFiles(); err != nil {
		return err
	}
	var bytes [spill.Fanout]int64
	for _, chunk := range l.table.chunks {
		for i := range chunk {
			bytes[l.rights.Part(l.job.keys.hash(chunk[i].key))] += l.entryBytes(&chunk[i])
		}
	}
	var order [spill.Fanout]int
	for part := range order {
		order[part] = part
	}
	slices.SortFunc(order[:], func(a, b int) int { return cmp.Compare(bytes[b], bytes[a]) })
	left := l.table.bytes()
	for _, part := range order {
		if left <= l.job.limit/2 || bytes[part] == 0 {
			break
		}
		l.moved[part] = true
		left -= bytes[part]
	}
	chunks := l.table.take()
	for c, chunk := range chunks {
		chunks[c] = nil
		if err := l.job.check(); err != nil {
			return err
		}
		for i := range chunk {
			if err := l.moveOrKeep(&chunk[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// entryBytes is what a key and its records take, with their slots.
func (l *joinLevel[A, B, K, Out]) entryBytes(e *entry[K, partners[B]]) int64 {
	return l.table.entry + 2*8 + e.value.held(l.job.size, l.job.each)
}

// held is what the records hold beyond the entry.
func (p *partners[B]) held(size func(*B) int64, each int64) (bytes int64) {
	if size != nil {
		bytes += size(&p.first)
	}
	if p.more == nil {
		return bytes
	}
	bytes += sliceHead + int64(cap(*p.more))*each
	if size != nil {
		for i := range *p.more {
			bytes += size(&(*p.more)[i])
		}
	}
	return bytes
}

// moveOrKeep puts an entry of the table that was into a file or into the new table.
func (l *joinLevel[A, B, K, Out]) moveOrKeep(e *entry[K, partners[B]]) error {
	hash := l.job.keys.hash(e.key)
	if !l.inFile(hash) {
		kept := l.table.push(e.key)
		kept.value = e.value
		l.table.keep(hash)
		l.table.held += e.value.held(l.job.size, l.job.each)
		return nil
	}
	if err := l.rights.Write(hash, e.value.ordinal, &e.value.first); err != nil || e.value.more == nil {
		return err
	}
	more := *e.value.more
	for i := range more {
		if err := l.rights.Write(hash, e.value.ordinal, &more[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *joinLevel[A, B, K, Out]) makeFiles() (err error) {
	j := l.job
	if j.runs == nil {
		var outs *spill.Codec[Out]
		if err = spill.CheckKey[K](); err == nil {
			j.lefties, err = spill.NewCodec[A]()
		}
		if err == nil {
			j.righter, err = spill.NewCodec[B]()
		}
		if err == nil {
			outs, err = spill.NewCodec[Out]()
		}
		if err != nil {
			return j.memory().cannotSpill(err)
		}
		j.runs = spill.NewRuns(j.folder, outs, nil)
	}
	if l.rights == nil {
		l.rights = spill.NewPartitions(j.folder, j.righter, l.depth)
		l.lefts = spill.NewPartitions(j.folder, j.lefties, l.depth)
	}
	return nil
}

// probe takes a batch of the left.
func (l *joinLevel[A, B, K, Out]) probe(batch []A) error {
	for i := range batch {
		if err := l.find(l.job.lefts, &batch[i]); err != nil {
			return err
		}
		l.job.lefts++
	}
	return nil
}

// find joins one record of the left, or has it wait in a file.
func (l *joinLevel[A, B, K, Out]) find(ordinal uint64, record *A) error {
	key := l.job.LeftKey(record)
	hash := l.job.keys.hash(key)
	found := l.table.find(hash, key)
	if found == nil {
		if !l.inFile(hash) {
			return l.job.leftMiss(ordinal, key, record)
		}
		l.job.waits = true
		return l.lefts.Write(hash, ordinal, record)
	}
	return l.join(ordinal, record, &found.value)
}

// join makes a record of each pair.
func (l *joinLevel[A, B, K, Out]) join(ordinal uint64, left *A, right *partners[B]) error {
	right.matched = true
	if err := l.job.combine(ordinal, left, &right.first); err != nil || right.more == nil {
		return err
	}
	for i := range *right.more {
		if err := l.job.combine(ordinal, left, &(*right.more)[i]); err != nil {
			return err
		}
	}
	return nil
}

// misses passes on the records of the right without a partner, and lets the table go.
func (l *joinLevel[A, B, K, Out]) misses() error {
	if l.job.RightMisses == DropMisses {
		l.table = nil
		return nil
	}
	chunks := l.table.take()
	for c, chunk := range chunks {
		chunks[c] = nil
		if err := l.job.check(); err != nil {
			return err
		}
		for i := range chunk {
			p := &chunk[i].value
			if p.matched {
				continue
			}
			if err := l.job.rightMiss(p.ordinal, chunk[i].key, &p.first); err != nil {
				return err
			}
			if p.more == nil {
				continue
			}
			for m := range *p.more {
				if err := l.job.rightMiss(p.ordinal, chunk[i].key, &(*p.more)[m]); err != nil {
					return err
				}
			}
		}
	}
	l.table = nil
	return nil
}

// finish writes what is left when both inputs have ended.
func (j *joining[A, B, K, Out]) finish(top *joinLevel[A, B, K, Out]) error {
	if top.rights != nil {
		j.waits = true
	}
	if err := top.misses(); err != nil {
		return err
	}
	if err := j.flush(); err != nil || top.rights == nil {
		return err
	}
	if err := j.runs.EndRun(); err != nil {
		return err
	}
	if err := j.parts(top); err != nil {
		return err
	}
	return j.runs.Merge(func(record *Out) error { return j.out.Write(*record) })
}

// parts joins what a level has in files, pair by pair. Each makes a run.
func (j *joining[A, B, K, Out]) parts(l *joinLevel[A, B, K, Out]) error {
	if err := l.rights.Flush(); err != nil {
		return err
	}
	if err := l.lefts.Flush(); err != nil {
		return err
	}
	for i := range spill.Fanout {
		if l.lefts.Len(i) == 0 && (l.rights.Len(i) == 0 || j.RightMisses == DropMisses) {
			continue
		}
		part := j.level(l.depth + 1)
		if err := l.rights.Read(i, counted(j.check, part.add)); err != nil {
			return err
		}
		if err := l.lefts.Read(i, counted(j.check, part.find)); err != nil {
			return err
		}
		if err := part.misses(); err != nil {
			return err
		}
		if err := j.runs.EndRun(); err != nil {
			return err
		}
		if part.rights != nil {
			if err := j.parts(part); err != nil {
				return err
			}
		}
	}
	return nil
}

// counted asks check now and then, so that long work in files can be stopped.
func counted[T any](check func() error, f func(uint64, *T) error) func(uint64, *T) error {
	read := 0
	return func(ordinal uint64, record *T) error {
		if read++; read%chunkSize == 0 {
			if err := check(); err != nil {
				return err
			}
		}
		return f(ordinal, record)
	}
}
