package transforms

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// How GroupBy keeps to its memory: a table takes groups as long as there is room.
// Then it takes no more; records of keys that it has are still folded, the
// others are divided by hash into sixteen files. After the end of the input each file is
// grouped like the input was, with a table of its own, and so on.
//
// Where groups grow, as lists do, until they exceed the memory, or where the
// tables of lanes must be brought together, groups go to files too: the file of
// a key then holds its group first, and records that were not folded into it yet.
//
// Not done here: to write out groups instead of records and merge them later. It would write
// less when keys come back often, but need Merge, and fold in another order.

// grouping is one call of GroupBy.
type grouping[In any, K comparable, Out any] struct {
	stage  GroupBy[In, K, Out]
	memory memory
	limit  int64 // bytes of each table
	keys   *keys[K]
	size   func(*Out) int64 // nil when groups hold nothing
	folder *spill.Folder
	check  func() error                     // tells whether the run is over
	reject func(*In, pipeline.Reject) error // for what is folded after the input's end
	codecs func() (groupCodecs[In, K, Out], error)

	mu  sync.Mutex
	top *groupParts[In, K, Out] // what the first tables had no room for; nil if nothing
}

type groupCodecs[In any, K comparable, Out any] struct {
	records *spill.Codec[In]
	groups  *spill.Codec[keyed[K, Out]]
	outs    *spill.Codec[Out]
}

// keyed is a group on its way through a file.
type keyed[K comparable, Out any] struct {
	Key   K
	Group Out
}

// groupParts is what a table had no room for.
type groupParts[In any, K comparable, Out any] struct {
	groups  *spill.Partitions[keyed[K, Out]]
	records *spill.Partitions[In]
}

func newGrouping[In any, K comparable, Out any](ctx context.Context, g GroupBy[In, K, Out], stage string, lanes int) *grouping[In, K, Out] {
	m := memory{stage, g.MaxMemory, g.TempDir}
	return &grouping[In, K, Out]{
		stage: g, memory: m, limit: m.limit() / int64(lanes), keys: newKeys[K](), size: spill.Sizer[Out](), folder: m.folder(),
		check:  func() error { return context.Cause(ctx) },
		codecs: sync.OnceValues(func() (c groupCodecs[In, K, Out], err error) { return c, c.make() }),
	}
}

func (c *groupCodecs[In, K, Out]) make() (err error) {
	if err = spill.CheckKey[K](); err != nil {
		return err
	}
	if c.records, err = spill.NewCodec[In](); err != nil {
		return err
	}
	if c.outs, err = spill.NewCodec[Out](); err != nil {
		return err
	}
	c.groups, err = spill.NewCodec[keyed[K, Out]]()
	return err
}

func (j *grouping[In, K, Out]) newParts(depth int) (*groupParts[In, K, Out], error) {
	codecs, err := j.codecs()
	if err != nil {
		return nil, j.memory.cannotSpill(err)
	}
	return &groupParts[In, K, Out]{
		groups:  spill.NewPartitions(j.folder, codecs.groups, depth),
		records: spill.NewPartitions(j.folder, codecs.records, depth),
	}, nil
}

func (j *grouping[In, K, Out]) topParts() (_ *groupParts[In, K, Out], err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.top == nil {
		j.top, err = j.newParts(0)
	}
	return j.top, err
}

func (j *grouping[In, K, Out]) level(depth int) *groupLevel[In, K, Out] {
	return &groupLevel[In, K, Out]{job: j, depth: depth, table: newTable[K, Out](j.keys), measureAt: leastFolds}
}

// finish writes the groups of a whole input, in the order of their ordinals.
func (j *grouping[In, K, Out]) finish(level *groupLevel[In, K, Out], write func(*Out) error) error {
	// Whatever is in the table still came before all that is in files.
	if err := level.write(write); err != nil || j.top == nil {
		return err
	}
	codecs, err := j.codecs()
	if err != nil {
		return err
	}
	runs := spill.NewRuns(j.folder, codecs.outs, nil)
	err = j.parts(j.top, 1, func(part *groupLevel[In, K, Out]) error { return part.writeRun(runs) })
	if err != nil {
		return err
	}
	return runs.Merge(write)
}

// finishLanes brings the tables of lanes together and writes them, in no order.
func (j *grouping[In, K, Out]) finishLanes(levels []*groupLevel[In, K, Out], write func(*Out) error) error {
	if j.top == nil {
		slices.SortFunc(levels, func(a, b *groupLevel[In, K, Out]) int { return b.table.n - a.table.n }) // the largest need not move
		for i, other := range levels[1:] {
			if err := mergeTables(levels[0].table, other.table, j.stage.Merge, j.check); err != nil {
				return err
			}
			levels[i+1] = nil
		}
		return levels[0].write(write)
	}
	for i, level := range levels {
		if err := level.evict(); err != nil {
			return err
		}
		levels[i] = nil
	}
	return j.parts(j.top, 1, func(part *groupLevel[In, K, Out]) error { return part.write(write) })
}

// parts groups what is in files, part by part, and has each table written by write.
func (j *grouping[In, K, Out]) parts(parts *groupParts[In, K, Out], depth int, write func(*groupLevel[In, K, Out]) error) error {
	if err := parts.groups.Flush(); err != nil {
		return err
	}
	if err := parts.records.Flush(); err != nil {
		return err
	}
	for i := range spill.Fanout {
		if parts.groups.Len(i)+parts.records.Len(i) == 0 {
			continue
		}
		level := j.level(depth)
		if err := parts.groups.Read(i, level.addGroup); err != nil {
			return err
		}
		if err := parts.records.Read(i, level.addRecord); err != nil {
			return err
		}
		if err := write(level); err != nil {
			return err
		}
		if level.spilled != nil {
			if err := j.parts(level.spilled, depth+1, write); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeTables adds the groups of another table, which is not to be used any more.
// check is called now and then, so that a long merge can be stopped.
func mergeTables[K comparable, Out any](into, from *table[K, Out], merge func(into, from *Out) error, check func() error) error {
	for _, chunk := range from.take() {
		if err := check(); err != nil {
			return err
		}
		for i := range chunk {
			hash := into.keys.hash(chunk[i].key)
			if e := into.find(hash, chunk[i].key); e != nil {
				if err := merge(&e.value, &chunk[i].value); err != nil {
					return err
				}
				continue
			}
			into.push(chunk[i].key).value = chunk[i].value
			into.keep(hash)
		}
	}
	return nil
}

// errGroupTooLarge is about one group that cannot be divided any more.
func (j *grouping[In, K, Out]) errGroupTooLarge(key K, bytes int64) error {
	return pipeline.Permanent(fmt.Errorf("transforms.%s: the group of key %s alone holds about %d bytes, more than MaxMemory (%d): a group must fit into memory",
		j.memory.stage, cleantext.Short(fmt.Sprint(key), 200), bytes, j.limit))
}
