package transforms

import (
	"errors"
	"maps"
	"testing"
)

// tableOf counts keys.
func tableOf(keys ...string) *groupTable[string, int] {
	t := newGroupTable[string, int](nil)
	for _, key := range keys {
		group := t.find(key)
		if group == nil {
			_, group = t.begin(key)
			t.keep(key)
		}
		*group++
	}
	return t
}

func addInts(into, from *int) error { *into += *from; return nil }

func TestTablesMergeKeyByKey(t *testing.T) {
	all := tableOf("a", "b")
	for _, other := range []*groupTable[string, int]{tableOf("b", "c", "c"), tableOf("c", "a", "d"), tableOf()} {
		if err := all.merge(other, addInts, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for key := range all.index {
		got[key] = *all.find(key)
	}
	if want := map[string]int{"a": 2, "b": 2, "c": 3, "d": 1}; !maps.Equal(got, want) || all.len() != len(want) {
		t.Errorf("%d groups, %v; want %v", all.len(), got, want)
	}
	groups := 0
	for _, chunk := range all.take() {
		groups += len(chunk)
	}
	if groups != 4 || all.len() != 0 || all.find("a") != nil {
		t.Errorf("it gave away %d groups and keeps %d", groups, all.len())
	}
}

func TestALongMergeCanBeStopped(t *testing.T) {
	other := newGroupTable[int, int](nil)
	for i := range 3 * groupChunk {
		other.begin(i)
		other.keep(i)
	}
	stop, asked := errors.New("stop"), 0
	table := newGroupTable[int, int](nil)
	err := table.merge(other, addInts, func() error {
		if asked++; asked == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || table.len() >= 2*groupChunk {
		t.Errorf("error %v after %d groups", err, table.len())
	}
}
