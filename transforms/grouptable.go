package transforms

// groupTable holds the groups of GroupBy in memory: an index from keys to
// places, and the groups themselves in the order in which their keys were first
// seen, in chunks that become the batches of the output as they are.
type groupTable[K comparable, G any] struct {
	index  map[K]int
	chunks [][]G
	n      int       // groups in chunks
	clone  func(K) K // nil when keys need none
	fresh  func(K) G // nil: a group starts as its zero value
}

// groupChunk is in groups. It is the size of a batch by default.
const (
	groupChunkBits = 9
	groupChunk     = 1 << groupChunkBits
)

func newGroupTable[K comparable, G any](fresh func(K) G) *groupTable[K, G] {
	return &groupTable[K, G]{index: map[K]int{}, clone: keyClone[K](), fresh: fresh}
}

func (t *groupTable[K, G]) len() int { return t.n }

// find returns the group of a key, nil if there is none. The pointer is good until the
// next group is made.
func (t *groupTable[K, G]) find(key K) *G {
	place, ok := t.index[key]
	if !ok {
		return nil
	}
	return t.place(place)
}

func (t *groupTable[K, G]) place(i int) *G {
	return &t.chunks[i>>groupChunkBits][i&(groupChunk-1)]
}

// begin makes the group of a new key. It is found only when the caller has kept
// it, and must otherwise be dropped before the next is made.
func (t *groupTable[K, G]) begin(key K) (K, *G) {
	if t.clone != nil {
		key = t.clone(key)
	}
	var g G
	if t.fresh != nil {
		g = t.fresh(key)
	}
	return key, t.push(g)
}

func (t *groupTable[K, G]) keep(key K) { t.index[key] = t.n - 1 }

func (t *groupTable[K, G]) drop() {
	t.n--
	last := t.n >> groupChunkBits
	t.chunks[last] = t.chunks[last][:t.n&(groupChunk-1)]
	t.chunks = t.chunks[:(t.n+groupChunk-1)>>groupChunkBits]
}

func (t *groupTable[K, G]) push(g G) *G {
	if t.n&(groupChunk-1) == 0 {
		var chunk []G
		if t.n > 0 { // only the first chunk grows from small: most tables end within it
			chunk = make([]G, 0, groupChunk)
		}
		t.chunks = append(t.chunks, chunk)
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, g)
	t.n++
	return t.place(t.n - 1)
}

// take empties the table and returns the groups, in first-seen order. The caller
// owns them.
func (t *groupTable[K, G]) take() [][]G {
	chunks := t.chunks
	t.index, t.chunks, t.n = map[K]int{}, nil, 0
	return chunks
}

// merge adds the groups of another table, which is not to be used any more. Groups that are
// new here come in no particular order. check is called now and then, so that
// a long merge can be stopped.
func (t *groupTable[K, G]) merge(other *groupTable[K, G], fold func(into, from *G) error, check func() error) error {
	n := 0
	for key, from := range other.index {
		if n++; n%groupChunk == 0 {
			if err := check(); err != nil {
				return err
			}
		}
		group := t.find(key)
		if group == nil {
			t.push(*other.place(from))
			t.keep(key)
		} else if err := fold(group, other.place(from)); err != nil {
			return err
		}
	}
	return nil
}
