package pipeline

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
)

// newRunID returns a UUID of version 7 (RFC 9562): unique, and sorted by time, so
// that a list of runs reads in order.
func newRunID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (since Go 1.24)
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16|uint64(binary.BigEndian.Uint16(b[6:8])))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
