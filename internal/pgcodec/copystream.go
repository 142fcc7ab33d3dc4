package pgcodec

import (
	"encoding/binary"
	"fmt"
)

// copyStream follows a binary COPY stream that comes in pieces: header, rows,
// trailer. What a row is made of is its owner's business.
type copyStream struct {
	maxRow  int
	columns int
	pending []byte // the beginning of a row, or of the header
	rows    int64
	started bool // the header was read
	ended   bool // the trailer was read
	err     error
}

// next consumes from the front of piece what completes one element of the
// stream, or all of it if it completes none. row is called with bytes that begin
// a row; it returns the row's size, or 0 if they do not hold it whole. isRow is
// true if the element was a row, also if row returned an error with its size.
func (s *copyStream) next(piece []byte, row func(b []byte) (size int, err error)) (used int, isRow bool, err error) {
	if len(s.pending) == 0 {
		if used, isRow, err = s.element(piece, row); used == 0 && err == nil {
			s.pending = append(s.pending, piece...)
			used = len(piece)
		}
		return used, isRow, err
	}
	// A row that began in an earlier piece is completed with no more of this one
	// than it needs; the rest is parsed where it is.
	for used < len(piece) {
		need, err := s.need()
		if err != nil {
			return used, false, err
		}
		n := min(need-len(s.pending), len(piece)-used)
		s.pending = append(s.pending, piece[used:used+n]...)
		used += n
		if len(s.pending) < need {
			break
		}
		size, isRow, err := s.element(s.pending, row)
		if size > 0 {
			s.pending = s.pending[:0]
			if cap(s.pending) > 1<<20 {
				s.pending = nil // one long row must not cost its memory for good
			}
		}
		if size > 0 || err != nil {
			return used, isRow, err
		}
	}
	return used, false, nil
}

// element reads a header, a row or the trailer from the front of b. size is 0 if
// b does not hold it whole.
func (s *copyStream) element(b []byte, row func(b []byte) (int, error)) (size int, isRow bool, err error) {
	if s.ended {
		return 0, false, fmt.Errorf("binary COPY: %d bytes follow the trailer", len(b))
	}
	if !s.started {
		size, err = s.header(b)
		return size, false, err
	}
	if len(b) < 2 {
		return 0, false, nil
	}
	switch n := int(int16(binary.BigEndian.Uint16(b))); {
	case n == -1:
		s.ended = true
		return 2, false, nil
	case n != s.columns:
		return 0, false, fmt.Errorf("binary COPY: row %d has %d values, and %d columns were asked for", s.rows+1, n, s.columns)
	}
	size, err = row(b)
	if size > 0 {
		s.rows++
	}
	return size, size > 0, err
}

// need is the number of bytes that pending must grow to before it is worth
// another look. It is more than pending has.
func (s *copyStream) need() (int, error) {
	b := s.pending
	switch {
	case !s.started && len(b) < copyHeaderSize:
		return copyHeaderSize, nil
	case !s.started:
		return copyHeaderSize + int(binary.BigEndian.Uint32(b[copyHeaderSize-4:])), nil
	case len(b) < 2:
		return 2, nil // the trailer has no more
	}
	at := 2
	for range s.columns {
		if len(b)-at < 4 {
			return at + 4, nil
		}
		n := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		if n > 0 {
			if n > len(b)-at {
				return at + n, s.checkSize(at + n)
			}
			at += n
		}
	}
	return at, nil
}

func (s *copyStream) checkSize(size int) error {
	limit := s.maxRow
	if limit <= 0 {
		limit = 1 << 30
	}
	if size > limit {
		return fmt.Errorf("binary COPY: row %d is longer than the limit of %d bytes", s.rows+1, limit)
	}
	return nil
}

func (s *copyStream) badLength(n int) error {
	return fmt.Errorf("binary COPY: row %d has a value of %d bytes", s.rows+1, n)
}

func (s *copyStream) header(b []byte) (size int, err error) {
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
	if size = copyHeaderSize + int(extension); len(b) < size {
		return 0, nil
	}
	s.started = true
	return size, nil
}

// end says that the stream is over: an error if it was not complete.
func (s *copyStream) end() error {
	switch {
	case s.err != nil:
		return s.err
	case s.ended:
		return nil
	case !s.started:
		return fmt.Errorf("binary COPY: the stream ended within the header, after %d bytes", len(s.pending))
	case len(s.pending) > 0:
		return fmt.Errorf("binary COPY: the stream ended within row %d, after %d bytes of it", s.rows+1, len(s.pending))
	}
	return fmt.Errorf("binary COPY: the stream ended after %d rows without its trailer", s.rows)
}
