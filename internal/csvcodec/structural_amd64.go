//go:build !purego

package csvcodec

// markBlocks sets bits[i] to the marks of the block of 64 bytes at buf[64*i],
// for blocks of them, at least one. It is marks sixteen bytes at a time; a
// test and the fuzz targets hold the two equal.
//
//go:noescape
func markBlocks(bits *uint64, buf *byte, blocks int, comma uint64)

// markAll makes the marks of buf, whose length is a multiple of blockSize.
func markAll(bits []uint64, buf []byte, comma uint64) {
	n := len(buf) / blockSize
	if n == 0 {
		return
	}
	// The routine does not check bounds: these two do.
	_, _ = bits[n-1], buf[n*blockSize-1]
	markBlocks(&bits[0], &buf[0], n, comma)
}
