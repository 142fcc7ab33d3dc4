package transforms

import (
	"math"
	"reflect"
)

// table maps keys to values in memory, and keeps them in the order in which they
// came. Against a Go map it hashes a key once, finds the value where the key is, grows without
// moving either, and knows how many bytes it holds.
type table[K comparable, V any] struct {
	// slots is an open-addressing index, a power of two long: the lower 32 bits of
	// the key's hash in the upper half, its place and one in the lower; 0 is free.
	slots  []uint64
	chunks [][]entry[K, V]
	n      int

	keys  *keys[K]
	entry int64 // bytes of an entry
	held  int64 // bytes that keys and values hold beyond their entries
}

// entry has the value first: a struct{} at its end would take room.
type entry[K comparable, V any] struct {
	value V
	key   K
}

const (
	chunkBits  = 9
	chunkSize  = 1 << chunkBits
	firstSlots = 16
	maxPlaces  = math.MaxUint32 - 1
)

func newTable[K comparable, V any](keys *keys[K]) *table[K, V] {
	return &table[K, V]{keys: keys, slots: make([]uint64, firstSlots), entry: int64(reflect.TypeFor[entry[K, V]]().Size())}
}

// find returns the entry of a key, nil if there is none. It stays where it is as
// long as no other is added.
func (t *table[K, V]) find(hash uint64, key K) *entry[K, V] {
	slots := t.slots
	for i := hash; ; i++ {
		slot := slots[i&uint64(len(slots)-1)]
		if slot == 0 {
			return nil
		}
		if uint32(slot>>32) == uint32(hash) {
			if e := t.at(int(uint32(slot)) - 1); e.key == key {
				return e
			}
		}
	}
}

func (t *table[K, V]) at(place int) *entry[K, V] {
	return &t.chunks[place>>chunkBits][place&(chunkSize-1)]
}

// hasRoom tells whether an entry of this key can be added with no more than limit
// bytes held, the moment of growing included. There is always room for a first one.
func (t *table[K, V]) hasRoom(key K, limit int64) bool {
	if t.n == 0 {
		return true
	}
	if t.n >= maxPlaces {
		return false
	}
	bytes := t.bytes()
	if t.n&(chunkSize-1) == 0 {
		bytes += chunkSize * t.entry
	}
	if t.crowded() {
		bytes += 2 * 8 * int64(len(t.slots))
	}
	if t.keys.size != nil {
		sized := key // which escapes; key need not
		bytes += t.keys.size(&sized)
	}
	return bytes <= limit
}

// bytes returns how much memory it holds.
func (t *table[K, V]) bytes() int64 {
	entries := int64(t.n)
	if t.n > chunkSize {
		entries = int64(len(t.chunks)) * chunkSize
	}
	return t.held + entries*t.entry + 8*int64(len(t.slots))
}

// crowded tells whether the index has to grow for one more: long chains of slots
// cost more than the memory for twice as many.
func (t *table[K, V]) crowded() bool { return 8*(t.n+1) > 5*len(t.slots) }

// push puts an entry at the end, with a copy of key that pins no other text. It is found only after
// keep, and must otherwise be dropped before the next is pushed.
func (t *table[K, V]) push(key K) *entry[K, V] {
	if t.keys.clone != nil {
		key = t.keys.clone(key)
	}
	if t.n&(chunkSize-1) == 0 {
		var chunk []entry[K, V]
		if t.n > 0 { // only the first chunk grows from small: most tables end within it
			chunk = make([]entry[K, V], 0, chunkSize)
		}
		t.chunks = append(t.chunks, chunk)
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, entry[K, V]{key: key})
	t.n++
	return t.at(t.n - 1)
}

func (t *table[K, V]) keep(hash uint64) {
	if 8*t.n > 5*len(t.slots) {
		t.grow()
	}
	if t.keys.size != nil {
		t.held += t.keys.size(&t.at(t.n - 1).key)
	}
	t.place(t.slots, hash<<32|uint64(t.n))
}

func (t *table[K, V]) drop() {
	t.n--
	last := t.n >> chunkBits
	var none entry[K, V]
	t.chunks[last][t.n&(chunkSize-1)] = none
	t.chunks[last] = t.chunks[last][:t.n&(chunkSize-1)]
	t.chunks = t.chunks[:(t.n+chunkSize-1)>>chunkBits]
}

func (t *table[K, V]) grow() {
	slots := make([]uint64, 2*len(t.slots))
	for _, slot := range t.slots {
		if slot != 0 {
			t.place(slots, slot)
		}
	}
	t.slots = slots
}

func (t *table[K, V]) place(slots []uint64, slot uint64) {
	mask := uint64(len(slots) - 1)
	i := slot >> 32 & mask
	for slots[i] != 0 {
		i = (i + 1) & mask
	}
	slots[i] = slot
}

// take empties the table and returns its entries in their order.
func (t *table[K, V]) take() [][]entry[K, V] {
	chunks := t.chunks
	*t = *newTable[K, V](t.keys)
	return chunks
}
