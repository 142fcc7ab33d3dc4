package transforms

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tableOf counts keys.
func tableOf(keys *keys[string], words ...string) *table[string, int] {
	t := newTable[string, int](keys)
	for _, word := range words {
		hash := keys.hash(word)
		e := t.find(hash, word)
		if e == nil {
			e = t.push(word)
			t.keep(hash)
		}
		e.value++
	}
	return t
}

func addInts(into, from *int) error { *into += *from; return nil }

func TestTablesMergeKeyByKey(t *testing.T) {
	keys := newKeys[string]()
	all := tableOf(keys, "a", "b")
	for _, other := range []*table[string, int]{tableOf(keys, "b", "c", "c"), tableOf(keys, "c", "a", "d"), tableOf(keys)} {
		if err := mergeTables(all, other, addInts, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for _, chunk := range all.take() {
		for _, e := range chunk {
			got[e.key] += e.value
		}
	}
	if want := map[string]int{"a": 2, "b": 2, "c": 3, "d": 1}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if all.n != 0 || all.find(keys.hash("a"), "a") != nil {
		t.Errorf("it keeps %d entries that it gave away", all.n)
	}
}

func TestALongMergeCanBeStopped(t *testing.T) {
	keys := newKeys[int]()
	other := newTable[int, int](keys)
	for i := range 3 * chunkSize {
		other.push(i)
		other.keep(keys.hash(i))
	}
	stop, asked := errors.New("stop"), 0
	into := newTable[int, int](keys)
	err := mergeTables(into, other, addInts, func() error {
		if asked++; asked == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || into.n >= 2*chunkSize {
		t.Errorf("error %v after %d entries", err, into.n)
	}
}

// Entries that are pushed, kept and dropped in any order are found as in a map.
func TestATableFindsWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := newKeys[int]()
		if rapid.Bool().Draw(t, "bad hash") { // so that long chains are walked
			keys.hash = func(n int) uint64 { return uint64(n % 3) }
		}
		table, want := newTable[int, int](keys), map[int]int{}
		var order []int
		for i, key := range rapid.SliceOfN(rapid.IntRange(-800, 800), 0, 2000).Draw(t, "keys") {
			hash := keys.hash(key)
			e := table.find(hash, key)
			if _, ok := want[key]; ok != (e != nil) {
				t.Fatalf("key %d: found %v", key, e != nil)
			}
			if e == nil {
				e = table.push(key)
				if key%5 == 0 {
					table.drop()
					continue
				}
				table.keep(hash)
				order = append(order, key)
			}
			e.value += i
			want[key] += i
		}
		place := 0
		for _, chunk := range table.take() {
			for _, e := range chunk {
				if e.key != order[place] || e.value != want[e.key] {
					t.Fatalf("entry %d is %+v, want key %d, value %d", place, e, order[place], want[order[place]])
				}
				place++
			}
		}
		if place != len(order) {
			t.Fatalf("%d entries, want %d", place, len(order))
		}
	})
}

func TestATableKnowsWhatItHolds(t *testing.T) {
	keys := newKeys[string]()
	table := newTable[string, [2]int64](keys)
	text := strings.Repeat("x", 100)
	for i := range 10_000 {
		key := fmt.Sprintf("%s%05d", text, i)
		if limit := int64(math.MaxInt64); !table.hasRoom(key, limit) {
			t.Fatal("there is no room without a limit")
		}
		table.push(key)
		table.keep(keys.hash(key))
	}
	// 105 bytes of text, a string's header and two words; slots come on top, 12.8 to 25.6 bytes for each.
	if least, got := int64(10_000*(105+16+16+12)), table.bytes(); got < least || got > least+10_000*16 {
		t.Errorf("it says it holds %d bytes, which are more than %d", got, least)
	}
	if table.hasRoom("x", table.bytes()) || !table.hasRoom("x", 2*table.bytes()) {
		t.Error("there is room within what it holds already, or none within twice that")
	}
	if empty := newTable[string, int](keys); !empty.hasRoom(text, 1) {
		t.Error("an empty table has no room for a first entry")
	}
}
