package queue

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// ids makes the IDs of runs: UUIDs of version 7 (RFC 9562), of which those of one process
// sort in the order in which they were made.
type ids struct {
	mu   sync.Mutex
	last uint64 // milliseconds, and a counter within them in the lowest 12 bits
}

// NewID returns the ID of a new run, or of a backfill.
func (q *Queue) NewID() string { return q.ids.next() }

func (g *ids) next() string {
	g.mu.Lock()
	g.last = max(g.last+1, uint64(time.Now().UnixMilli())<<12)
	stamp := g.last
	g.mu.Unlock()
	var b [16]byte
	rand.Read(b[8:]) // never fails (since Go 1.24)
	binary.BigEndian.PutUint64(b[:8], stamp>>12<<16|0x7000|stamp&0xfff)
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var goodID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// IsID tells whether s can be an ID.
func IsID(s string) bool { return goodID.MatchString(s) }
