package spill

import (
	"sync"
	"sync/atomic"
)

// Fanout is the number of files that [Partitions] divides records into.
const (
	fanoutBits = 4
	Fanout     = 1 << fanoutBits
)

// MaxDepth is how often records can be divided: each level takes 4 of the hash's
// upper 32 bits. Three levels hold a thousand times what one table does.
const MaxDepth = 32 / fanoutBits

// Partitions divides records by the hash of their key, so that each part can be worked off by
// itself. It may be written to by several goroutines; what one of them writes keeps its order.
type Partitions[T any] struct {
	folder *Folder
	codec  *Codec[T]
	shift  uint
	parts  [Fanout]part[T]
}

type part[T any] struct {
	mu sync.Mutex
	w  writer[T]
	n  atomic.Int64
}

// NewPartitions divides by the bits of the hash that belong to a depth, which is
// less than [MaxDepth].
func NewPartitions[T any](folder *Folder, codec *Codec[T], depth int) *Partitions[T] {
	return &Partitions[T]{folder: folder, codec: codec, shift: uint(64 - fanoutBits*(depth+1))}
}

// Part returns the number of the part that records with this hash go to.
func (p *Partitions[T]) Part(hash uint64) int { return int(hash >> p.shift % Fanout) }

// Len returns the number of records in a part.
func (p *Partitions[T]) Len(part int) int64 { return p.parts[part].n.Load() }

// Write adds a record to the part of its hash.
func (p *Partitions[T]) Write(hash, ordinal uint64, record *T) error {
	part := &p.parts[p.Part(hash)]
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.w.file == nil {
		file, err := p.folder.create()
		if err != nil {
			return err
		}
		part.w = writer[T]{file: file, codec: p.codec}
	}
	part.n.Add(1)
	return part.w.write(ordinal, record)
}

// Flush writes out what is in buffers and lets them go. It comes before the first Read, when nothing
// more is written.
func (p *Partitions[T]) Flush() error {
	for i := range p.parts {
		w := &p.parts[i].w
		if w.file == nil {
			continue
		}
		if err := w.flush(); err != nil {
			return err
		}
		w.buf = nil
	}
	return nil
}

// Read calls f with each record of a part, in the order in which they were
// written, then removes its file. The record is used again for the next one.
func (p *Partitions[T]) Read(part int, f func(ordinal uint64, record *T) error) error {
	w := &p.parts[part].w
	if w.file == nil {
		return nil
	}
	defer w.file.close()
	var buf []byte
	r := newReader(w.file, 0, w.file.size, p.codec, &buf)
	record := new(T)
	for {
		ordinal, ok, err := r.next(record)
		if err != nil || !ok {
			return err
		}
		if err := f(ordinal, record); err != nil {
			return err
		}
	}
}
