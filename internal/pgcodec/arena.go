package pgcodec

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

const (
	arenaBlock  = 32 << 10
	internBlock = 4 << 10
	slabBytes   = 16 << 10
	slabValues  = 256
)

// arena holds the bytes of strings and byte slices side by side, so that a block
// is one allocation for many values. Bytes once handed out are never written again.
type arena struct {
	block []byte // all of it; used bytes are handed out
	used  int    // apart from block, so that taking bytes stores no pointer
	size  int    // of a block
}

func (a *arena) take(b []byte) []byte {
	if len(b) > len(a.block)-a.used {
		if len(b) > a.size/8 {
			return append(make([]byte, 0, len(b)), b...) // it would waste the block's rest
		}
		a.block, a.used = make([]byte, a.size), 0
	}
	start := a.used
	a.used += copy(a.block[start:], b)
	// The capacity ends with the value, so that appending to it copies.
	return a.block[start:a.used:a.used]
}

func (a *arena) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	s := a.take(b)
	return unsafe.String(unsafe.SliceData(s), len(s)) // never written again
}

// interner gives equal short values one string. It watches how often that
// happens: a column whose values hardly repeat (under half of the time) is left
// alone for a while, since then a look-up costs more than the copy it saves.
type interner struct {
	slots *[internSlots]string // one value each; a newcomer takes the place
	own   arena                // apart from the rows' arena, whose blocks a slot would keep
	tries int
	hits  int
	rest  int // values to come that are not looked up
}

const (
	internSlots  = 1 << internBits
	internBits   = 10
	internLength = 64 // bytes; longer values are not looked up
	internSample = 4096
	internRest   = 128 << 10
)

// string returns b as a string, in the arena or shared with an earlier value.
func (in *interner) string(b []byte, a *arena) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > internLength {
		return a.string(b)
	}
	if in.rest > 0 {
		in.rest--
		return a.string(b)
	}
	if in.tries == internSample {
		pays := in.hits >= internSample/2
		in.tries, in.hits = 0, 0
		if !pays {
			in.rest = internRest
			in.slots, in.own.block, in.own.used = nil, nil, 0 // what they keep alive is of no use
			return a.string(b)
		}
	}
	if in.slots == nil {
		in.slots = new([internSlots]string)
	}
	in.tries++
	slot := &in.slots[hashBytes(b)>>(64-internBits)]
	if *slot == string(b) {
		in.hits++
		return *slot
	}
	*slot = in.own.string(b)
	return *slot
}

// hashBytes mixes length, first and last bytes: enough to spread a column's
// values over a small table. A collision costs a copy and nothing else.
func hashBytes(b []byte) uint64 {
	var head, tail uint64
	switch n := len(b); {
	case n >= 8:
		head, tail = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		head, tail = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	default:
		head, tail = uint64(b[0])<<8|uint64(b[n/2]), uint64(b[n-1])
	}
	h := head*0x9e3779b97f4a7c15 ^ (tail+uint64(len(b)))*0xc2b2ae3d27d4eb4f
	return (h ^ h>>29) * 0xbf58476d1ce4e5b9
}

// slab hands out zeroed values of a Go type, allocated many at a time: targets
// of pointer fields, elements of slice fields.
type slab struct {
	elem  reflect.Type
	size  uintptr
	block unsafe.Pointer // what is left of the block begins here
	left  int
}

func newSlab(elem reflect.Type) *slab { return &slab{elem: elem, size: elem.Size()} }

// take returns n values in a row. The garbage collector sees the block as the
// slice of elem that it is.
func (s *slab) take(n int) unsafe.Pointer {
	if n > s.left {
		count := slabValues
		if s.size > 0 {
			count = max(1, min(count, slabBytes/int(s.size)))
		}
		if n > count/4 {
			return reflect.MakeSlice(reflect.SliceOf(s.elem), n, n).UnsafePointer()
		}
		s.block, s.left = reflect.MakeSlice(reflect.SliceOf(s.elem), count, count).UnsafePointer(), count
	}
	p := s.block
	if s.left -= n; s.left > 0 {
		s.block = unsafe.Add(p, uintptr(n)*s.size) // still within the block
	}
	return p
}
