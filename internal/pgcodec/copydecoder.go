package pgcodec

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// CopyDecoder turns the output of COPY (...) TO STDOUT (FORMAT binary) into
// records, in one pass over the bytes. It takes the stream in pieces of any
// size, such as the messages that pgconn's CopyTo writes:
//
//	func (w *writer) Write(piece []byte) (int, error) {
//		for rest := piece; len(rest) > 0; {
//			rows, used, err := w.decoder.Decode(rest, w.batch[w.filled:])
//			...
//			w.filled, rest = w.filled+rows, rest[used:]
//			// hand on a full batch
//		}
//		return len(piece), nil
//	}
//
// It is not safe for concurrent use.
type CopyDecoder[T any] struct {
	// MaxRow is the size in bytes of the largest row that is taken, which bounds
	// the memory for a row that comes in many pieces. Defaults to 1 GiB, the most
	// that the server puts into one message.
	MaxRow int

	decoder *Decoder[T]
	stream  copyStream
}

// NewCopyDecoder makes a decoder of a stream on the plans of d, which it uses
// from then on.
func NewCopyDecoder[T any](d *Decoder[T]) *CopyDecoder[T] {
	return &CopyDecoder[T]{decoder: d, stream: copyStream{columns: d.columns}}
}

// Rows is the number of rows that were read so far, those with errors included.
func (c *CopyDecoder[T]) Rows() int64 { return c.stream.rows }

// Decode reads piece until it is used up or dst is full. rows records of dst
// were set, and used bytes of piece were read; the caller gives the rest again.
// Decode keeps nothing of piece.
//
// A [*ValueError] is about the row behind the rows that were set; used includes
// that row, and the next call goes on behind it. Every other error is about the
// stream and ends it: later calls return it too. dst must not be empty.
func (c *CopyDecoder[T]) Decode(piece []byte, dst []T) (rows, used int, err error) {
	s := &c.stream
	s.maxRow = c.MaxRow
	if s.err == nil && len(dst) == 0 {
		s.err = errors.New("binary COPY: there is no room for records")
	}
	row := func(b []byte) (int, error) { return c.row(b, &dst[rows]) }
	for s.err == nil && used < len(piece) && rows < len(dst) {
		n, isRow, err := s.next(piece[used:], row)
		used += n
		if err != nil {
			if !isRow {
				s.err = err
			}
			return rows, used, err
		}
		if isRow {
			rows++
		}
	}
	return rows, used, s.err
}

// End says that the stream is over: an error if it was not complete.
func (c *CopyDecoder[T]) End() error { return c.stream.end() }

// row decodes the row that b begins with. A row that is not whole, size 0, is
// decoded again when it is. An error beside a size is a value's.
func (c *CopyDecoder[T]) row(b []byte, dst *T) (size int, err error) {
	d := c.decoder
	base := unsafe.Pointer(dst)
	if d.records != nil {
		base = d.records.take(1)
	}
	plans := d.plans // in the order of the columns
	next := 0
	at := 2
	for column := range d.columns {
		if len(b)-at < 4 {
			return 0, c.stream.checkSize(at + 4)
		}
		n := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		var src []byte
		if n != -1 {
			if uint(n) > uint(len(b)-at) {
				if n < 0 {
					return 0, c.stream.badLength(n)
				}
				return 0, c.stream.checkSize(at + n)
			}
			src = b[at : at+n : at+n]
			at += n
		}
		if next == len(plans) || plans[next].index != column {
			continue
		}
		if err == nil { // behind a value's error only the row's end is looked for
			err = d.value(next, src, base)
		}
		next++
	}
	if tooLong := c.stream.checkSize(at); tooLong != nil {
		return 0, tooLong
	}
	if d.records != nil && err == nil {
		*(*unsafe.Pointer)(unsafe.Pointer(dst)) = base
	}
	return at, err
}
