package transforms

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// groupLevel folds records into a table and passes on what that has no room for: the input
// of a lane at depth 0, one part of what a level had no room for below.
type groupLevel[In any, K comparable, Out any] struct {
	job     *grouping[In, K, Out]
	depth   int
	table   *table[K, Out]
	full    bool // no group is added any more
	spilled *groupParts[In, K, Out]

	// Groups come out in the order of the ordinals of their first records. At depth 0 a group's
	// is its place, and records that are spilled count on from there.
	ordinals []uint64
	later    uint64

	read      uint64 // from files
	folds     int    // since groups were measured
	measureAt int    // folds
}

func (l *groupLevel[In, K, Out]) fold(in *pipeline.Reader[In]) error {
	key, hash, fold, table := l.job.stage.Key, l.job.keys.hash, l.job.stage.Fold, l.table
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			record := &batch[i]
			k := key(record)
			h := hash(k)
			if group := table.find(h, k); group != nil {
				err = fold(&group.value, record)
			} else {
				err = l.begin(h, k, record, l.next())
			}
			if err != nil {
				if err := setAside(in.Reject, record, err); err != nil {
					return err
				}
			}
		}
		if err := l.folded(len(batch)); err != nil {
			return err
		}
		in.Recycle(batch)
	}
	return nil
}

// begin folds the first record of a group, or spills it.
func (l *groupLevel[In, K, Out]) begin(hash uint64, key K, record *In, ordinal uint64) error {
	if !l.room(key) {
		parts, err := l.parts()
		if err != nil {
			return err
		}
		l.later++
		return parts.records.Write(hash, ordinal, record)
	}
	group := l.table.push(key)
	if fresh := l.job.stage.New; fresh != nil {
		group.value = fresh(group.key)
	}
	if err := l.job.stage.Fold(&group.value, record); err != nil {
		l.table.drop() // a group needs a record
		return err
	}
	l.keep(hash, group, ordinal)
	return nil
}

func (l *groupLevel[In, K, Out]) keep(hash uint64, group *entry[K, Out], ordinal uint64) {
	l.table.keep(hash)
	if l.job.size != nil {
		l.table.held += l.job.size(&group.value)
	}
	if l.depth > 0 {
		l.ordinals = append(l.ordinals, ordinal)
	}
}

// room tells whether a group of this key can be added. Once one cannot, none is: those that
// come later must not come out earlier.
func (l *groupLevel[In, K, Out]) room(key K) bool {
	if l.depth < spill.MaxDepth && !l.full {
		l.full = !l.table.hasRoom(key, l.job.limit-8*int64(cap(l.ordinals)))
	}
	return !l.full
}

func (l *groupLevel[In, K, Out]) parts() (_ *groupParts[In, K, Out], err error) {
	if l.spilled == nil {
		if l.depth == 0 {
			l.spilled, err = l.job.topParts()
		} else {
			l.spilled, err = l.job.newParts(l.depth)
		}
	}
	return l.spilled, err
}

// addGroup takes a group from a file.
func (l *groupLevel[In, K, Out]) addGroup(ordinal uint64, from *keyed[K, Out]) error {
	hash := l.job.keys.hash(from.Key)
	if group := l.table.find(hash, from.Key); group != nil { // of another lane
		if err := l.job.stage.Merge(&group.value, &from.Group); err != nil {
			return err
		}
	} else if l.room(from.Key) {
		group := l.table.push(from.Key)
		group.value = from.Group
		l.keep(hash, group, ordinal)
	} else {
		parts, err := l.parts()
		if err != nil {
			return err
		}
		if err := parts.groups.Write(hash, ordinal, from); err != nil {
			return err
		}
	}
	return l.counted()
}

// addRecord takes a record from a file.
func (l *groupLevel[In, K, Out]) addRecord(ordinal uint64, record *In) error {
	if err := l.add(ordinal, record); err != nil {
		if err := setAside(l.job.reject, record, err); err != nil {
			return err
		}
	}
	return l.counted()
}

// add folds one record, or spills it. ordinal is that of its group if it is the first.
func (l *groupLevel[In, K, Out]) add(ordinal uint64, record *In) error {
	key := l.job.stage.Key(record)
	hash := l.job.keys.hash(key)
	if group := l.table.find(hash, key); group != nil {
		return l.job.stage.Fold(&group.value, record)
	}
	return l.begin(hash, key, record, ordinal)
}

// next is the ordinal of a group that begins now, at depth 0.
func (l *groupLevel[In, K, Out]) next() uint64 { return uint64(l.table.n) + l.later }

// counted is called for each record that comes from a file.
func (l *groupLevel[In, K, Out]) counted() error {
	if l.read++; l.read%chunkSize == 0 {
		if err := l.job.check(); err != nil {
			return err
		}
		return l.folded(chunkSize)
	}
	return nil
}

const (
	leastFolds    = 1024     // between two measurements
	leastTooLarge = 64 << 10 // bytes: what any group may hold
)

// folded is called after n records were folded. Now and then it measures groups that can
// grow, the more often the faster they do.
func (l *groupLevel[In, K, Out]) folded(n int) error {
	if l.job.size == nil {
		return nil
	}
	if l.folds += n; l.folds < l.measureAt {
		return nil
	}
	t := l.table
	var held int64
	for _, chunk := range t.chunks {
		for i := range chunk {
			if t.keys.size != nil {
				held += t.keys.size(&chunk[i].key)
			}
			held += l.job.size(&chunk[i].value)
		}
	}
	next := 16 * int64(t.n)
	if grown := held - t.held; grown > 0 {
		next = min(next, (l.job.limit-t.bytes())*int64(l.folds)/grown/2)
	}
	l.folds, l.measureAt, t.held = 0, int(max(next, int64(t.n), leastFolds)), held
	if t.bytes() <= l.job.limit || l.depth == spill.MaxDepth || t.n == 0 {
		return nil
	}
	if t.n > 1 {
		return l.evict()
	}
	if held > leastTooLarge {
		return l.job.errGroupTooLarge(t.at(0).key, held)
	}
	return nil
}

// evict puts all groups into files.
func (l *groupLevel[In, K, Out]) evict() error {
	parts, err := l.parts()
	if err != nil {
		return err
	}
	l.full = true
	l.later += uint64(l.table.n) // the ordinals of their places are theirs
	ordinals := l.ordinals
	l.ordinals = nil
	place := 0
	chunks := l.table.take()
	for c, chunk := range chunks {
		chunks[c] = nil
		for i := range chunk {
			ordinal := uint64(place)
			if l.depth > 0 {
				ordinal = ordinals[place]
			}
			place++
			group := keyed[K, Out]{chunk[i].key, chunk[i].value}
			if err := parts.groups.Write(l.job.keys.hash(group.Key), ordinal, &group); err != nil {
				return err
			}
		}
		if err := l.job.check(); err != nil {
			return err
		}
	}
	return nil
}

// write empties the table. Groups are let go as they are written.
func (l *groupLevel[In, K, Out]) write(write func(*Out) error) error {
	chunks := l.table.take()
	for c, chunk := range chunks {
		chunks[c] = nil
		for i := range chunk {
			if err := write(&chunk[i].value); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeRun makes a run of the groups.
func (l *groupLevel[In, K, Out]) writeRun(runs *spill.Runs[Out]) error {
	write := func(place int) error { return runs.Write(l.ordinals[place], &l.table.at(place).value) }
	if slices.IsSorted(l.ordinals) {
		for place := range l.ordinals {
			if err := write(place); err != nil {
				return err
			}
		}
	} else { // groups that went to files twice
		places := make([]int, len(l.ordinals))
		for i := range places {
			places[i] = i
		}
		slices.SortFunc(places, func(a, b int) int { return cmp.Compare(l.ordinals[a], l.ordinals[b]) })
		for _, place := range places {
			if err := write(place); err != nil {
				return err
			}
		}
	}
	l.table.take()
	l.ordinals = nil
	return runs.EndRun()
}
