package transforms

import (
	"hash/maphash"
	"math/bits"

	"github.com/millrace/millrace/internal/spill"
)

// keys is what tables need to know of a type of keys. Tables whose parts are put
// together later share one, because each has a hash function of its own.
type keys[K comparable] struct {
	hash  func(K) uint64
	clone func(K) K      // nil when keys need none
	size  func(*K) int64 // nil when keys hold nothing
}

func newKeys[K comparable]() *keys[K] {
	return &keys[K]{hash: newHash[K](), clone: keyClone[K](), size: spill.Sizer[K]()}
}

// newHash returns a hash function with a seed of its own, so that nobody can choose keys that
// collide. All 64 bits of a hash are good: tables use the lower half, partitions the
// upper one.
func newHash[K comparable]() func(K) uint64 {
	seed := maphash.MakeSeed()
	number, other := maphash.Comparable(seed, 0)|1<<63, maphash.Comparable(seed, 1)|1
	mix := func(n uint64) uint64 {
		hi, lo := bits.Mul64(n^number, 0x9e3779b97f4a7c15)
		hi, lo = bits.Mul64(hi^lo^number, 0xd6e8feb86659fd93)
		return hi ^ lo
	}
	for _, f := range []any{
		func(s string) uint64 {
			n := len(s)
			if n < 4 || n > 16 {
				return maphash.String(seed, s)
			}
			// Most keys are this short: two loads, which overlap, have all of it, and cost less
			// than calling maphash does.
			var first, last uint64
			if n >= 8 {
				first, last = word8(s), word8(s[n-8:])
			} else {
				first, last = uint64(word4(s)), uint64(word4(s[n-4:]))
			}
			hi, lo := bits.Mul64(first^number, last^other)
			hi, lo = bits.Mul64(hi^uint64(n), lo^other)
			return hi ^ lo
		},
		func(n int64) uint64 { return mix(uint64(n)) },
		func(n int) uint64 { return mix(uint64(n)) },
		func(n int32) uint64 { return mix(uint64(n)) },
		func(n uint64) uint64 { return mix(n) },
		func(n uint32) uint64 { return mix(uint64(n)) },
	} {
		if hash, ok := f.(func(K) uint64); ok {
			return hash
		}
	}
	return func(key K) uint64 { return maphash.Comparable(seed, key) }
}

// word8 and word4 are one load each: the compiler knows this pattern.
func word8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func word4(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
