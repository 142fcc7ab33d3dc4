package pgcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The binary COPY format
// (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4):
//
//	header   "PGCOPY\n\xff\r\n\x00", flags (4 bytes), length of an extension (4 bytes), extension
//	tuple    number of values (2 bytes), each value: length (4 bytes, -1 is null), bytes
//	trailer  -1 (2 bytes)
const copySignature = "PGCOPY\n\xff\r\n\x00"

// copyHeaderSize is the size in bytes of the header without extension.
const copyHeaderSize = len(copySignature) + 8

var errTorn = errors.New("a value is torn")

// AppendHeader appends what a binary COPY begins with.
func AppendHeader(dst []byte) []byte {
	return append(append(dst, copySignature...), 0, 0, 0, 0, 0, 0, 0, 0)
}

// AppendTrailer appends what a binary COPY ends with.
func AppendTrailer(dst []byte) []byte {
	return append(dst, 0xff, 0xff)
}

// CopyParser splits the output of COPY (...) TO STDOUT (FORMAT binary) into rows.
// It takes the stream in pieces of any size, and copies only what a piece leaves
// unfinished. It is not safe for concurrent use.
type CopyParser struct {
	// MaxRow is the size in bytes of the largest row that is taken, which bounds
	// the memory for a row that comes in many pieces. Defaults to 1 GiB, the most
	// that the server puts into one message.
	MaxRow int

	columns int
	values  [][]byte
	pending []byte // the beginning of a row, or of the header
	rows    int64
	started bool // the header was read
	ended   bool // the trailer was read
	err     error
}

// NewCopyParser makes a parser for rows of the given number of columns.
func NewCopyParser(columns int) *CopyParser {
	return &CopyParser{columns: columns, values: make([][]byte, columns)}
}

// Rows is the number of rows that were found so far.
func (p *CopyParser) Rows() int64 { return p.rows }

// Feed reads a piece of the stream and calls row for each row that it completes.
// The values are nil for null, in the form that [Decoder.Decode] takes; they
// are valid during the call only, since their memory is the piece's. Feed keeps
// nothing of piece. The first error, the format's or row's own, ends the parser:
// every later call returns it.
func (p *CopyParser) Feed(piece []byte, row func(values [][]byte) error) error {
	if p.err != nil {
		return p.err
	}
	p.err = p.feed(piece, row)
	return p.err
}

// End says that the stream is over: an error if it was not complete.
func (p *CopyParser) End() error {
	switch {
	case p.err != nil:
		return p.err
	case p.ended:
		return nil
	case !p.started:
		return fmt.Errorf("binary COPY: the stream ended within the header, after %d bytes", len(p.pending))
	case len(p.pending) > 0:
		return fmt.Errorf("binary COPY: the stream ended within row %d, after %d bytes of it", p.rows+1, len(p.pending))
	}
	return fmt.Errorf("binary COPY: the stream ended after %d rows without its trailer", p.rows)
}

func (p *CopyParser) feed(piece []byte, row func([][]byte) error) error {
	// A row that began in an earlier piece is completed first, with no more of
	// this piece than it needs; the rest is parsed where it is.
	for len(p.pending) > 0 && len(piece) > 0 {
		need, err := p.need(p.pending)
		if err != nil {
			return err
		}
		n := min(max(need-len(p.pending), 1), len(piece))
		p.pending = append(p.pending, piece[:n]...)
		piece = piece[n:]
		if len(p.pending) < need {
			return nil
		}
		used, err := p.next(p.pending, row)
		if err != nil {
			return err
		}
		if used > 0 {
			p.pending = p.pending[:0] // need asked for no more than the element
			if cap(p.pending) > 1<<20 {
				p.pending = nil // one long row must not cost its memory for good
			}
		}
	}
	for len(piece) > 0 {
		used, err := p.next(piece, row)
		if err != nil {
			return err
		}
		if used == 0 {
			p.pending = append(p.pending[:0], piece...)
			return nil
		}
		piece = piece[used:]
	}
	return nil
}

// next reads one element of the stream from the front of b: header, row, or
// trailer. used is 0 if b does not hold it whole.
func (p *CopyParser) next(b []byte, row func([][]byte) error) (used int, err error) {
	if p.ended {
		return 0, fmt.Errorf("binary COPY: %d bytes follow the trailer", len(b))
	}
	if !p.started {
		return p.header(b)
	}
	if len(b) < 2 {
		return 0, nil
	}
	switch n := int(int16(binary.BigEndian.Uint16(b))); {
	case n == -1:
		p.ended = true
		return 2, nil
	case n != p.columns:
		return 0, fmt.Errorf("binary COPY: row %d has %d values, and %d columns were asked for", p.rows+1, n, p.columns)
	}
	at := 2
	for i := range p.values {
		if len(b)-at < 4 {
			return 0, p.checkSize(at + 4)
		}
		n := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		switch {
		case n == -1:
			p.values[i] = nil
			continue
		case n < 0:
			return 0, fmt.Errorf("binary COPY: row %d has a value of %d bytes", p.rows+1, n)
		case n > len(b)-at:
			return 0, p.checkSize(at + n)
		}
		p.values[i] = b[at : at+n : at+n]
		at += n
	}
	if err := p.checkSize(at); err != nil {
		return 0, err
	}
	p.rows++
	return at, row(p.values)
}

// need is the number of bytes that b, which begins an element and does not
// complete it, must grow to before it is worth another look.
func (p *CopyParser) need(b []byte) (int, error) {
	if !p.started {
		if len(b) < copyHeaderSize {
			return copyHeaderSize, nil
		}
		return copyHeaderSize + int(binary.BigEndian.Uint32(b[copyHeaderSize-4:])), nil
	}
	if len(b) < 2 {
		return 2, nil // the trailer has no more
	}
	at := 2
	for range p.columns {
		if len(b)-at < 4 {
			return at + 4, nil
		}
		n := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		if n > 0 {
			if n > len(b)-at {
				return at + n, p.checkSize(at + n)
			}
			at += n
		}
	}
	return at, nil
}

func (p *CopyParser) checkSize(size int) error {
	limit := p.MaxRow
	if limit <= 0 {
		limit = 1 << 30
	}
	if size > limit {
		return fmt.Errorf("binary COPY: row %d is longer than the limit of %d bytes", p.rows+1, limit)
	}
	return nil
}

func (p *CopyParser) header(b []byte) (used int, err error) {
	if n := min(len(b), len(copySignature)); string(b[:n]) != copySignature[:n] {
		return 0, fmt.Errorf("binary COPY: the stream begins with %q, which is not the format's signature", b[:n])
	}
	if len(b) < copyHeaderSize {
		return 0, nil
	}
	flags := binary.BigEndian.Uint32(b[len(copySignature):])
	if flags>>16 != 0 { // the critical flags; bit 16 is OIDs, which PostgreSQL 12 dropped
		return 0, fmt.Errorf("binary COPY: the header has flags %#x, which are not known", flags)
	}
	extension := binary.BigEndian.Uint32(b[copyHeaderSize-4:])
	if extension > 1<<16 {
		return 0, fmt.Errorf("binary COPY: the header has an extension of %d bytes", extension)
	}
	size := copyHeaderSize + int(extension)
	if len(b) < size {
		return 0, nil
	}
	p.started = true
	return size, nil
}
