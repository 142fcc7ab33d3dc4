package csvcodec

import (
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// ReadOptions say how an input is read into structs.
type ReadOptions struct {
	ScanOptions
	DecodeOptions
	// Header gives the columns' names for an input without a header line, or for
	// a part of one that begins behind it. By default the first record is the header.
	Header []string
}

// A Reader reads CSV into structs of type T: a [Scanner], a header and a
// [Decoder]. It is for one goroutine.
type Reader[T any] struct {
	scan   *Scanner
	header []string
	decode *Decoder[T]
}

// NewReader reads the header, unless it is given, and makes the plan. Its
// errors are [ErrEmpty], a [*HeaderError], an [*Error] about the header's
// line, the reader's, or about T and the options.
func NewReader[T any](r io.Reader, o ReadOptions) (*Reader[T], error) {
	s, err := NewScanner(r, o.ScanOptions)
	if err != nil {
		return nil, err
	}
	header, line := o.Header, 0
	if header != nil {
		if err = s.Identify(); err != nil {
			return nil, err
		}
		s.keepBlank = len(header) == 1
	} else {
		if header, err = ReadHeader(s); err != nil {
			return nil, err
		}
		line = s.rec.line
	}
	d, err := NewDecoder[T](header, o.DecodeOptions)
	if err != nil {
		if e, ok := errors.AsType[*HeaderError](err); ok {
			e.Line = line
		} else if line > 0 {
			err = fmt.Errorf("line %d: %w", line, err)
		}
		return nil, err
	}
	return &Reader[T]{scan: s, header: header, decode: d}, nil
}

// Header returns the columns' names.
func (r *Reader[T]) Header() []string { return r.header }

// Offset returns how many bytes of the whole input lie before the next record.
func (r *Reader[T]) Offset() int64 { return r.scan.Offset() }

// Line returns the physical line, from 1, on which the next record begins.
func (r *Reader[T]) Line() int { return r.scan.Line() }

// Read reads the next record into *dst. The error is io.EOF at the end; an
// [*Error] for a bad record, behind which the next call goes on; or the reader's.
func (r *Reader[T]) Read(dst *T) error {
	rec, err := r.scan.Next()
	if err != nil {
		return r.named(err)
	}
	return r.decode.Decode(rec, dst)
}

// ReadBatch fills dst from its beginning and returns how many records it
// read. When that is fewer than len(dst) the error says why, as for
// Read: after an [*Error] the first n records are good and the next call goes on behind the bad one.
func (r *Reader[T]) ReadBatch(dst []T) (n int, err error) {
	p := r.decode.plan
	for n < len(dst) {
		rec, err := r.scan.Next()
		if err != nil {
			return n, r.named(err)
		}
		if !p.filled {
			clear(dst[n : n+1])
		}
		if e := p.decode(rec, unsafe.Pointer(&dst[n])); e != nil {
			return n, e
		}
		n++
	}
	return n, nil
}

// named adds the column's name, which the scanner does not know.
func (r *Reader[T]) named(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Column > 0 && e.Column <= len(r.header) {
		e.ColumnName = r.header[e.Column-1]
	}
	return err
}
