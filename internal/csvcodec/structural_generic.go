//go:build !amd64 || purego

package csvcodec

// markAll makes the marks of buf, whose length is a multiple of blockSize.
func markAll(bits []uint64, buf []byte, comma uint64) {
	for b := range len(buf) / blockSize {
		bits[b] = marks((*[blockSize]byte)(buf[b*blockSize:]), comma)
	}
}
