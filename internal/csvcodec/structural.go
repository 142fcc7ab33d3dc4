package csvcodec

import (
	"encoding/binary"
	"math/bits"
)

// Finding the bytes that structure a CSV, eight at a time.
//
// The scanner keeps one bit for each byte of its buffer, set where the byte is
// a delimiter, a line feed or a quote. The bits of a block of 64 bytes are one
// word, made when the block is filled, so that reading a record is a walk from
// set bit to set bit and never looks at the bytes between.

const (
	blockSize = 64
	loBits    = 0x0101010101010101
	hiBits    = 0x8080808080808080
	low7      = 0x7f7f7f7f7f7f7f7f
)

// marks returns one bit for each byte of a block that is comma, a line feed or
// a quote. comma is the delimiter in each of the eight bytes.
func marks(b *[blockSize]byte, comma uint64) uint64 {
	const (
		newline = '\n' * loBits
		quote   = '"' * loBits
		// gather moves the eight top bits of a word, shifted down to bit 0 of
		// each byte, into its top byte, the first byte's bit lowest.
		gather = 0x0102040810204080
	)
	var m uint64
	for i := 0; i < blockSize; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		// Adding 0x7f sets a byte's top bit unless its low seven bits are zero,
		// that is, unless it is the byte looked for. No carry crosses bytes, so
		// the answer is exact. A byte over 0x7f has x's own top bit.
		y := x & low7
		other := ((y ^ comma) + low7) & ((y ^ newline) + low7) & ((y ^ quote) + low7)
		hit := ^(other | x) & hiBits
		m |= (hit >> 7 * gather >> 56) << i
	}
	return m
}

// firstBit is the position of the lowest set bit, for a word that has one.
func firstBit(w uint64) int { return bits.TrailingZeros64(w) }
