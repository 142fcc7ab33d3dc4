package csvcodec

import (
	"errors"
	"fmt"
	"io"
)

// A Scanner cuts CSV into records. It reads r in large pieces, holds one
// buffer and allocates nothing for a record. A Scanner is for one goroutine.
type Scanner struct {
	src     io.Reader
	comma   byte
	commas  uint64 // comma in each byte
	comment byte   // a line feed for none: blank lines are skipped anyway
	maxRec  int
	maxCols int
	piece   int // BufferSize

	// buf[:end] is input, buf[end] a line feed of our own: the sentinel, which
	// ends every search. len(buf) is a multiple of blockSize and leaves a block
	// free behind the sentinel.
	buf  []byte
	bits []uint64 // the marks of each block of buf, right up to the sentinel's
	pos  int      // the next record's first byte
	end  int
	base int64 // input offset of buf[0]
	line int   // of pos

	eof bool
	err error // sticky

	keepBlank  bool      // a blank line is a record of one empty field
	special    bool      // one of these two:
	bom        bool      // the first bytes may be a byte order mark
	discarding bool      // the rest of a record that was given up is still to be skipped,
	walk       quoteWalk // from this state on

	ahead     int    // how much rules look beyond a record
	rules     *rules // nil where marks serve
	skipLines int    // still to be skipped, before the first record
	sepFree   bool   // no Delimiter is set: the first line may say it

	rec Record
}

// NewScanner returns a scanner over r. It reads nothing yet. The error is about
// the options.
func NewScanner(r io.Reader, o ScanOptions) (*Scanner, error) {
	free := o.Comma == 0 && o.Dialect.Delimiter == ""
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Scanner{
		src: r, comma: o.Comma, commas: uint64(o.Comma) * loBits, comment: '\n',
		maxRec: o.MaxRecord, maxCols: o.MaxColumns, piece: o.BufferSize,
		base: o.StartOffset, line: o.StartLine, special: true, bom: o.StartOffset == 0,
	}
	if o.Comment != 0 {
		s.comment = o.Comment
	}
	if s.rules = rulesOf(o.Dialect); s.rules != nil {
		s.comment, s.ahead = '\n', s.rules.look
		s.rec.rules = s.rules
	}
	if o.StartOffset == 0 {
		s.skipLines = o.Dialect.SkipLines
	}
	s.sepFree = free
	s.buf = make([]byte, o.BufferSize+2*blockSize)
	s.bits = make([]uint64, len(s.buf)/blockSize)
	s.rec.rawLimit = min(maxErrorRaw, s.maxRec)
	s.rec.all = make([]span, min(32, s.maxCols))
	s.seal(0)
	return s, nil
}

// Offset returns how far the input has been consumed, in bytes: where the next
// record begins.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// Line returns the physical line, from 1, on which the next record begins.
func (s *Scanner) Line() int { return s.line }

// KeepBlank says whether a blank line is a record of one empty field, as in a file of one
// column, where it is NULL. [ReadHeader] says it for what is behind the header.
func (s *Scanner) KeepBlank(keep bool) { s.keepBlank = keep }

// Next returns the next record, which is valid until the following call. At
// the end of the input the error is io.EOF. An [*Error] is one bad record: the
// next call goes on behind it. Any other error is the reader's and stays.
func (s *Scanner) Next() (*Record, error) {
	if s.special {
		if err := s.begin(); err != nil {
			return nil, err
		}
		if s.rules != nil {
			return s.nextByRules()
		}
	}
	buf := s.buf
	if c := buf[s.pos]; c <= '\r' || c == s.comment {
		if err := s.skipBlank(); err != nil {
			return nil, err
		}
		buf = s.buf
	}
	// The walk from mark to mark, as long as all is plain: no quote, and the
	// record's end in the buffer.
	var (
		comma = s.comma
		spans = s.rec.all
		bits  = s.bits
		pos   = s.pos
		n     = 0   // fields so far
		field = pos // the current field's first byte
		block = pos / blockSize
		word  = bits[block] &^ (1<<(uint(pos)%blockSize) - 1)
	)
	for {
		for word == 0 {
			block++
			word = bits[block]
		}
		p := block*blockSize + firstBit(word)
		if c := buf[p]; c == comma && n < len(spans) {
			word &= word - 1
			spans[n] = newSpan(field, p)
			n++
			field = p + 1
		} else if c == '\n' && p < s.end && n < len(spans) && p-pos < s.maxRec {
			hi := p
			if hi > field && buf[hi-1] == '\r' {
				hi--
			}
			spans[n] = newSpan(field, hi)
			r := &s.rec
			r.spans = spans[:n+1]
			r.start, r.end = pos, p+1
			r.line, r.offset = s.line, s.base+int64(pos)
			r.escapes = false
			s.pos = p + 1
			s.line++
			return r, nil
		} else {
			return s.nextSlow(n, field, p)
		}
	}
}

// nextSlow goes on with the record at pos, of which n fields are read, at the mark p,
// where something is not plain.
func (s *Scanner) nextSlow(n, field, p int) (*Record, error) {
	var (
		comma = s.comma
		buf   = s.buf
		bits  = s.bits
		spans = s.rec.all
		lines = 1 // physical lines so far
		moved int
		err   error
	)
	s.rec.escapes = false
	s.rec.unescaped = s.rec.unescaped[:0]
	block, word := s.seek(p)
	for {
		for word == 0 {
			block++
			word = bits[block]
		}
		p = block*blockSize + firstBit(word)
		word &= word - 1
		if n == len(spans) && (p < s.end || s.eof) {
			if n == s.maxCols {
				return nil, s.tooManyColumns(p - s.pos)
			}
			spans = append(spans, make([]span, min(n, s.maxCols-n))...)
			s.rec.all = spans
		}
		switch buf[p] {
		case comma:
			spans[n] = newSpan(field, p)
			n++
			field = p + 1

		case '\n':
			if p == s.end && !s.eof {
				if moved, err = s.more(n); err != nil {
					return nil, s.stopped(err, p-s.pos, 0)
				}
				buf, bits, field, p = s.buf, s.bits, field-moved, p-moved
				block, word = s.seek(p)
				continue
			}
			hi := p
			if hi > field && buf[hi-1] == '\r' {
				hi--
			}
			spans[n] = newSpan(field, hi)
			return s.finish(n+1, min(p+1, s.end), lines)

		default: // a quote
			if p != field {
				return nil, s.badQuote(p-s.pos, n, ErrBareQuote)
			}
			flags, opened := span(spanQuoted), lines
			field = p + 1 // the text's first byte
			for closed := false; !closed; {
				for word == 0 {
					block++
					word = bits[block]
				}
				p = block*blockSize + firstBit(word)
				word &= word - 1
				c := buf[p]
				if c == comma {
					continue
				}
				if c == '\n' && p < s.end {
					lines++
					continue
				}
				if c == '\n' && s.eof {
					return nil, s.unterminated(n, opened)
				}
				// A quote, whose meaning the two bytes behind it tell, or the
				// end of what has been read.
				if p+2 >= s.end && !s.eof {
					if moved, err = s.more(n); err != nil {
						return nil, s.stopped(err, p-s.pos, opened)
					}
					buf, bits, field, p = s.buf, s.bits, field-moved, p-moved
					block, word = s.seek(p)
					continue
				}
				switch next := buf[p+1]; {
				case next == '"':
					flags |= spanEscaped
					s.rec.escapes = true
					block, word = s.seek(p + 2)
				case next == comma:
					spans[n] = newSpan(field, p) | flags
					n++
					field = p + 2
					block, word = s.seek(field)
					closed = true
				case next == '\n':
					spans[n] = newSpan(field, p) | flags
					return s.finish(n+1, min(p+2, s.end), lines)
				case next == '\r' && buf[p+2] == '\n':
					spans[n] = newSpan(field, p) | flags
					return s.finish(n+1, min(p+3, s.end), lines)
				default:
					return nil, s.badQuote(p-s.pos, n, ErrTextAfterQuote)
				}
			}
		}
	}
}

// seek returns the block of position p and its marks from p on.
func (s *Scanner) seek(p int) (block int, word uint64) {
	block = p / blockSize
	return block, s.bits[block] &^ (1<<(uint(p)%blockSize) - 1)
}

// finish hands out the record of n fields that ends before end.
func (s *Scanner) finish(n, end, lines int) (*Record, error) {
	r := &s.rec
	r.spans = r.all[:n]
	r.start, r.end = s.pos, end
	r.line, r.offset = s.line, s.base+int64(s.pos)
	s.pos = end
	s.line += lines
	if end-r.start > s.maxRec {
		return nil, r.fail(-1, "", tooLarge(s.maxRec), ErrRecordTooLarge)
	}
	return r, nil
}

func tooLarge(limit int) string {
	return fmt.Sprintf("the record is larger than %d bytes", limit)
}

// errFull says that a record fills the buffer that MaxRecord allows.
var errFull = errors.New("buffer full")

// more reads on for a record of which n fields are known. It returns by how
// much the buffer's contents moved to the front; the known fields move with them.
func (s *Scanner) more(n int) (moved int, err error) {
	before := s.pos
	err = s.fill()
	if moved = before - s.pos; moved > 0 {
		for i := range s.rec.all[:n] {
			s.rec.all[i] -= newSpan(moved, moved)
		}
	}
	return moved, err
}

// fill reads more input behind end. What lies before pos is given up; pos,
// base and end move with the data.
func (s *Scanner) fill() error {
	if s.err != nil {
		return s.err
	}
	if s.end-s.pos > s.maxRec+s.ahead {
		return errFull
	}
	if s.room() < s.piece/4 && s.pos > 0 {
		s.moveTo(s.buf, s.bits)
	}
	if s.room() < s.piece/4 {
		// Twice the size, but no more than the largest record needs.
		size := (min(2*len(s.buf), s.maxRec+s.piece+2*blockSize) + blockSize - 1) &^ (blockSize - 1)
		s.moveTo(make([]byte, size), make([]uint64, size/blockSize))
	}
	room := s.room()
	for range 100 {
		n, err := s.src.Read(s.buf[s.end : s.end+room])
		if n < 0 || n > room {
			n, err = 0, errors.New("the reader returned an impossible count")
		}
		if n > 0 {
			from := s.end
			s.end += n
			s.seal(from)
		}
		if err == io.EOF {
			s.eof = true
			return nil
		}
		if err != nil {
			s.err = fmt.Errorf("line %d: %w", s.line, err)
			return s.err
		}
		if n > 0 {
			return nil
		}
	}
	s.err = fmt.Errorf("line %d: %w", s.line, io.ErrNoProgress)
	return s.err
}

// room is how much can be read behind end.
func (s *Scanner) room() int { return len(s.buf) - 2*blockSize - s.end }

// moveTo moves the data from pos on to the beginning of buf.
func (s *Scanner) moveTo(buf []byte, bits []uint64) {
	copy(buf, s.buf[s.pos:s.end])
	s.buf, s.bits = buf, bits
	s.base += int64(s.pos)
	s.end -= s.pos
	s.pos = 0
	s.seal(0)
}

// seal sets the sentinel and makes the marks of the blocks from byte from to it.
func (s *Scanner) seal(from int) {
	s.rec.data = s.buf
	s.buf[s.end] = '\n'
	first, last := from/blockSize, s.end/blockSize+1
	markAll(s.bits[first:last], s.buf[first*blockSize:last*blockSize], s.commas)
}
