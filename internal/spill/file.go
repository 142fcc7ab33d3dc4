package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"reflect"
)

// file is one temporary file: blocks, one after the other. A block is its length and its
// CRC-32C, 4 bytes each and little-endian, then so many bytes.
type file struct {
	folder *Folder
	path   string // of the folder
	os     *os.File
	stays  bool  // it has a name still
	size   int64 // where the next block goes
}

const blockHead = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append writes a block: room for the head, then what it holds.
func (f *file) append(block []byte) error {
	binary.LittleEndian.PutUint32(block, uint32(len(block)-blockHead))
	binary.LittleEndian.PutUint32(block[4:], crc32.Checksum(block[blockHead:], castagnoli))
	n, err := f.os.WriteAt(block, f.size)
	f.size += int64(n)
	if err != nil {
		return fmt.Errorf("spill folder %s: %w", f.path, bare(err))
	}
	return nil
}

// close gives the room on the disk back.
func (f *file) close() {
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	if _, open := f.folder.files[f]; !open {
		return
	}
	delete(f.folder.files, f)
	_ = f.os.Close()
	if f.stays {
		_ = os.Remove(f.os.Name())
	}
}

// writer puts records of T into blocks of a file.
type writer[T any] struct {
	file  *file
	codec *Codec[T]
	buf   []byte
}

func (w *writer[T]) write(ordinal uint64, record *T) error {
	if len(w.buf) == 0 {
		w.buf = append(w.buf, make([]byte, blockHead)...)
	}
	b, err := w.codec.Append(binary.AppendUvarint(w.buf, ordinal), record)
	if err != nil {
		return err
	}
	w.buf = b
	if len(w.buf) >= w.file.folder.block {
		return w.flush()
	}
	return nil
}

// errLarge is about what the head of a block has no room for.
var errLarge = errors.New("one record takes more than 4 GiB")

func (w *writer[T]) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if uint64(len(w.buf)-blockHead) > 1<<32-1 {
		return errLarge
	}
	err := w.file.append(w.buf)
	if w.buf = w.buf[:0]; cap(w.buf) > 4*w.file.folder.block {
		w.buf = nil // one large record
	}
	return err
}

// reader reads records back from a part of a file.
type reader[T any] struct {
	from  io.ReaderAt
	at    int64
	end   int64
	where string // for errors
	codec *Codec[T]
	text  string  // what is left of the block
	buf   *[]byte // may be shared with other readers of the same goroutine
}

// newReader reads the bytes from begin to end, which must be whole blocks.
func newReader[T any](f *file, begin, end int64, codec *Codec[T], buf *[]byte) *reader[T] {
	return &reader[T]{from: f.os, at: begin, end: end, where: f.path, codec: codec, buf: buf}
}

// next reads one record into *record, which it sets to zero first. It returns false at the end.
// Strings of the record keep those of the same block in memory.
func (r *reader[T]) next(record *T) (ordinal uint64, ok bool, err error) {
	if r.text == "" {
		if r.at == r.end {
			return 0, false, nil
		}
		if err := r.block(); err != nil {
			return 0, false, fmt.Errorf("spill folder %s: what was written cannot be read back: at byte %d: %w", r.where, r.at, bare(err))
		}
	}
	d := decoder{text: r.text}
	ordinal = d.uvarint()
	if d.err == nil {
		var zero T
		*record = zero
		d.text, d.err = r.codec.Decode(d.text, record)
	}
	if d.err != nil {
		r.text, r.at = "", r.end
		return 0, false, fmt.Errorf("spill folder %s: a %v cannot be read back: %w", r.where, reflect.TypeFor[T](), d.err)
	}
	r.text = d.text
	return ordinal, true, nil
}

var errChanged = errors.New("the file is not what was written")

func (r *reader[T]) block() error {
	var head [blockHead]byte
	if r.end-r.at < blockHead {
		return io.ErrUnexpectedEOF
	}
	if err := readFull(r.from, head[:], r.at); err != nil {
		return err
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if size == 0 || size > r.end-r.at-blockHead {
		return errChanged
	}
	if int64(cap(*r.buf)) < size {
		*r.buf = make([]byte, size)
	}
	b := (*r.buf)[:size]
	if err := readFull(r.from, b, r.at+blockHead); err != nil {
		return err
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return errChanged
	}
	r.text = string(b)
	r.at += blockHead + size
	return nil
}

func readFull(from io.ReaderAt, b []byte, at int64) error {
	n, err := from.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
