package csvcodec

import (
	"math/rand/v2"
	"testing"
)

func TestMarksAreTheBytesThatStructureACSV(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, comma := range []byte{',', ';', '\t', '|', 1, 0x7f} {
		for range 200 {
			buf := make([]byte, 3*blockSize)
			for i := range buf {
				// Near misses: the bytes themselves, their neighbours, and the same with the top bit.
				c := []byte{comma, '\n', '"'}[random.IntN(3)] + byte(random.IntN(3)-1)
				if random.IntN(4) == 0 {
					c ^= 0x80
				}
				if random.IntN(4) == 0 {
					c = byte(random.IntN(256))
				}
				buf[i] = c
			}
			got := make([]uint64, 3)
			markAll(got, buf, uint64(comma)*loBits)
			for b := range got {
				if g := marks((*[blockSize]byte)(buf[b*blockSize:]), uint64(comma)*loBits); g != got[b] {
					t.Fatalf("block %d: eight at a time %x, all at once %x", b, g, got[b])
				}
			}
			for i, c := range buf {
				want := c == comma || c == '\n' || c == '"'
				if have := got[i/blockSize]>>(i%blockSize)&1 == 1; have != want {
					t.Fatalf("byte %d, %q, with the delimiter %q: marked %v", i, c, comma, have)
				}
			}
		}
	}
}
