package csvcodec

import (
	"bytes"
	"fmt"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// An arena holds the bytes of many strings in few blocks. A block is written
// once, front to back, and never again: a string made of it cannot change.
type arena struct {
	free []byte // what is left of the current block
	// generation counts the blocks.
	generation int
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

// text makes a checked string of a column's value, the same one as before for a
// value seen shortly before.
func (p *plan) text(t *internTable, data []byte, lo, hi int) (string, *fault) {
	if n := uint(hi - lo); n-1 < internMax {
		if t.left--; t.left < 0 {
			t.judge()
		}
		if !t.resting {
			head := load8(data, lo)
			tail := uint64(0)
			if n < 8 {
				head &= 1<<(8*n) - 1
			} else {
				tail = load8(data, hi-8)
			}
			h := (head ^ bits.RotateLeft64(tail, 29) + uint64(n)) * 0x9e3779b97f4a7c15
			set := &t.sets[h>>t.shift&uint64(len(t.sets)-1)]
			e := &set[0]
			if e.head != head || e.tail != tail {
				e = &set[1]
			}
			// Up to 16 bytes, head and tail are the whole value.
			if e.head == head && e.tail == tail && uint(len(e.s)) == n && (n <= 16 || e.s == string(data[lo:hi])) {
				t.hits++
				return e.s, nil
			}
			if !p.opts.AllowInvalidText {
				if f := checkText(data, lo, hi); f != nil {
					return "", f
				}
			}
			v := t.clone(data, lo, hi)
			set[1] = set[0]
			set[0] = internEntry{v, head, tail}
			return v, nil
		}
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
		x := load8(data, i)
		high |= x
		zero |= ^(x&low7 + low7 | x)
	}
	if n := hi - i; n > 0 {
		// What lies behind the value becomes ones.
		x := load8(data, i)
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
// neither checked nor copied again. It watches whether that pays: when fewer
// than half of the values are found it grows, and when that does not help it
// rests, and tries again later.
type internTable struct {
	sets    [][2]internEntry // a power of two of them; of two entries the newer one is first
	shift   uint             // of the hash, to the number of a set
	left    int              // values until the next judgement
	hits    int
	resting bool
	// arena holds the remembered strings alone. Strings of one block at a time
	// are remembered, so that keeping one string keeps one block.
	arena arena
}

type internEntry struct {
	s          string
	head, tail uint64 // its first and last eight bytes
}

const (
	internSets   = 128  // of two values, at first;
	internGrown  = 1024 // later
	internMax    = 64   // bytes of the longest value remembered
	internWindow = 2048
	internRest   = 32 * internWindow
)

// clone makes a string to remember.
func (t *internTable) clone(data []byte, lo, hi int) string {
	before := t.arena.generation
	s := t.arena.clone(data, lo, hi)
	if t.arena.generation != before {
		clear(t.sets)
	}
	return s
}

// judge decides what to do with the next values.
func (t *internTable) judge() {
	t.left = internWindow - 1
	switch {
	case t.sets == nil:
		t.resize(internSets)
	case t.resting:
		t.resting = false
	case t.hits >= internWindow/2:
	case len(t.sets) < internGrown:
		t.resize(internGrown)
	default:
		t.resting, t.left = true, internRest-1
		clear(t.sets)
	}
	t.hits = 0
}

func (t *internTable) resize(n int) {
	t.sets, t.shift = make([][2]internEntry, n), uint(64-bits.TrailingZeros(uint(n)))
}
