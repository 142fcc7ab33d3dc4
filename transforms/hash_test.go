package transforms

import (
	"fmt"
	"strings"
	"testing"
)

func TestHashesSpreadOverBothHalves(t *testing.T) {
	type id int64
	check := func(name string, hash func(int) uint64) {
		t.Run(name, func(t *testing.T) {
			const n = 1 << 14
			var low, high [64]int
			for i := range n {
				h := hash(i << 20) // keys that differ in some bits only
				low[h%64]++
				high[h>>58]++
			}
			for i := range low {
				if low[i] < n/64/2 || low[i] > n/64*2 || high[i] < n/64/2 || high[i] > n/64*2 {
					t.Fatalf("of %d, %d and %d fall into one of 64", n, low[i], high[i])
				}
			}
		})
	}
	ints, int64s, int32s := newHash[int](), newHash[int64](), newHash[int32]()
	uint64s, uint32s, ids, strs := newHash[uint64](), newHash[uint32](), newHash[id](), newHash[string]()
	check("int", ints)
	check("int64", func(i int) uint64 { return int64s(int64(i)) })
	check("int32", func(i int) uint64 { return int32s(int32(i >> 10)) })
	check("uint64", func(i int) uint64 { return uint64s(uint64(i)) })
	check("uint32", func(i int) uint64 { return uint32s(uint32(i >> 10)) })
	check("a type of its own", func(i int) uint64 { return ids(id(i)) })
	check("string", func(i int) uint64 { return strs(fmt.Sprint(i)) })
}

func TestStringsOfAnyLengthHaveHashesOfTheirOwn(t *testing.T) {
	hash, seen := newHash[string](), map[uint64]string{}
	check := func(s string) {
		h := hash(s)
		if other, ok := seen[h]; ok && other != s {
			t.Fatalf("%q and %q have the same hash", s, other)
		}
		seen[h] = s
		if again := hash(strings.Clone(s)); again != h {
			t.Fatalf("%q has two hashes", s)
		}
	}
	for n := range 40 {
		base := []byte(strings.Repeat("\x00", n))
		check(string(base))
		for at := range base { // a byte that differs anywhere counts
			for c := 1; c < 256; c += 7 {
				base[at] = byte(c)
				check(string(base))
			}
			base[at] = 0
		}
	}
	for i := range 200_000 {
		check(fmt.Sprint("Product no. ", i))
	}
}
