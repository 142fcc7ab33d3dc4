package csvcodec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// An arena holds the bytes of many strings in few blocks. A block is written
// once, front to back, and never again: a string made of it cannot change.
type arena struct {
	free []byte // what is left of the current block
	// generation counts the blocks. A string is reused only within its block's
	// generation, so that keeping it keeps no older block alive.
	generation uint32
}

const (
	arenaBlock = 64 << 10
	// arenaLarge is the length from which a string has an allocation of its own.
	arenaLarge = 4 << 10
)

// clone makes a string of data[lo:hi].
func (a *arena) clone(data []byte, lo, hi int) string {
	n := hi - lo
	if n > len(a.free) || n >= arenaLarge {
		if n >= arenaLarge {
			return string(data[lo:hi])
		}
		a.free = make([]byte, arenaBlock)
		a.generation++
	}
	if n == 0 {
		return ""
	}
	copy(a.free, data[lo:hi])
	// The block's first n bytes are set here and cut off from free, so that
	// nothing writes to them while the string lives.
	s := unsafe.String(unsafe.SliceData(a.free), n)
	a.free = a.free[n:]
	return s
}

// text makes a checked string of a column's value, one seen shortly before if
// there is one.
func (p *plan) text(o *op, data []byte, lo, hi int) (string, *fault) {
	t := o.intern
	if n := hi - lo; n > 0 && n <= internMax && t.on() {
		slot := t.slot(data, lo, n, p.arena.generation)
		if *slot == string(data[lo:hi]) {
			t.hits++
			return *slot, nil
		}
		if !p.opts.AllowInvalidText {
			if f := checkText(data, lo, hi); f != nil {
				return "", f
			}
		}
		before := p.arena.generation
		s := p.arena.clone(data, lo, hi)
		if p.arena.generation == before {
			*slot = s
		}
		return s, nil
	}
	if !p.opts.AllowInvalidText {
		if f := checkText(data, lo, hi); f != nil {
			return "", f
		}
	}
	return p.arena.clone(data, lo, hi), nil
}

// checkText refuses what a Postgres text cannot hold: a NUL byte and bytes
// that are not UTF-8.
func checkText(data []byte, lo, hi int) *fault {
	var high uint64 // top bits of bytes over 0x7f
	var zero uint64 // top bits of zero bytes
	i := lo
	for ; i+8 <= hi; i += 8 {
		x := binary.LittleEndian.Uint64(data[i:])
		high |= x
		zero |= ^(x&low7 + low7 | x)
	}
	if n := hi - i; n > 0 {
		// What lies behind the value becomes ones.
		x := binary.LittleEndian.Uint64(data[i:])
		keep := uint64(1)<<(8*uint(n)) - 1
		x = x&keep | loBits&^keep
		high |= x
		zero |= ^(x&low7 + low7 | x)
	}
	if (high|zero)&hiBits == 0 {
		return nil
	}
	value := data[lo:hi]
	if zero&hiBits != 0 {
		return &fault{fmt.Sprintf("%s holds a NUL byte (byte %d)", quoteValue(value), bytes.IndexByte(value, 0)+1), ErrNUL}
	}
	if utf8.Valid(value) {
		return nil
	}
	at := 0
	for at < len(value) {
		r, n := utf8.DecodeRune(value[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return &fault{fmt.Sprintf("%s is not valid UTF-8 (byte %d)", quoteValue(value), at+1), ErrInvalidUTF8}
}

// An internTable remembers a column's recent values, so that a repeated one is
// neither checked nor copied again. It watches whether that pays: while fewer
// than half of the values are found it rests, and tries again later.
type internTable struct {
	slots      []string
	generation uint32
	left       int // values until the next judgement
	hits       int
	resting    bool
}

const (
	internSlots  = 256
	internMax    = 64 // longest value remembered
	internWindow = 1024
	internRest   = 32 * internWindow
)

// on counts a value and reports whether to look it up.
func (t *internTable) on() bool {
	if t.left > 0 {
		t.left--
		return !t.resting
	}
	t.judge()
	return !t.resting
}

func (t *internTable) judge() {
	switch {
	case t.slots == nil:
		t.slots = make([]string, internSlots)
		t.left = internWindow
	case t.resting:
		t.resting, t.left = false, internWindow
		clear(t.slots)
	case t.hits < internWindow/2:
		t.resting, t.left = true, internRest
		clear(t.slots)
	default:
		t.left = internWindow
	}
	t.hits = 0
}

// slot returns where a value of n bytes, 1 to internMax, would be. Strings of
// an older block are forgotten first.
func (t *internTable) slot(data []byte, lo, n int, generation uint32) *string {
	if t.generation != generation {
		t.generation = generation
		clear(t.slots)
	}
	x := binary.LittleEndian.Uint64(data[lo:])
	if n < 8 {
		x &= uint64(1)<<(8*uint(n)) - 1
	} else {
		x ^= bits.RotateLeft64(binary.LittleEndian.Uint64(data[lo+n-8:]), 29)
	}
	h := (x + uint64(n)) * 0x9e3779b97f4a7c15
	return &t.slots[h>>56]
}
