package csvcodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// What the scanner does besides whole records: skipping blank lines, and
// finding its way behind a record that it has to give up.

var byteOrderMark = []byte("\xef\xbb\xbf")

// begin does what is left to do before the next record: skip the byte order
// mark, or the rest of a record that was given up.
func (s *Scanner) begin() error {
	if s.discarding {
		if err := s.finishDiscard(); err != nil {
			return err
		}
	}
	if s.bom {
		for s.end-s.pos < len(byteOrderMark) && !s.eof {
			if err := s.fill(); err != nil {
				return err
			}
		}
		if bytes.HasPrefix(s.buf[s.pos:s.end], byteOrderMark) {
			s.pos += len(byteOrderMark)
		}
		if err := s.readSep(); err != nil {
			return err
		}
		s.bom = false
	}
	for ; s.skipLines > 0; s.skipLines-- {
		if err := s.skipLine(); err != nil {
			return err
		}
	}
	s.special = s.rules != nil
	return nil
}

// skipBlank moves pos over blank lines and comments to the first byte of a record.
func (s *Scanner) skipBlank() error {
	for {
		if s.pos == s.end {
			if s.eof {
				return io.EOF
			}
			if err := s.fill(); err != nil {
				return err
			}
			continue
		}
		switch s.buf[s.pos] {
		case '\n':
			if s.keepBlank {
				return nil
			}
			s.pos++
			s.line++
		case '\r':
			if s.pos+1 == s.end && !s.eof {
				if err := s.fill(); err != nil {
					return err
				}
				continue
			}
			if s.buf[s.pos+1] != '\n' || s.keepBlank {
				return nil
			}
			s.pos = min(s.pos+2, s.end)
			s.line++
		case s.comment: // behind the line feed, which stands for none
			if err := s.skipLine(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// skipLine moves pos behind the next line feed, or to the end of the input.
func (s *Scanner) skipLine() error {
	for {
		if i := bytes.IndexByte(s.buf[s.pos:s.end], '\n'); i >= 0 {
			s.pos += i + 1
			s.line++
			return nil
		}
		s.pos = s.end
		if s.eof {
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// lineEnd returns the position, counted from pos, behind the first line feed
// from p on. found is false when the line is longer than a record may be, or
// could not be read to its end; the position is then where the search stopped.
func (s *Scanner) lineEnd(p int) (end int, found bool) {
	for {
		if i := bytes.IndexByte(s.buf[s.pos+p:s.end], '\n'); i >= 0 {
			return p + i + 1, true
		}
		p = s.end - s.pos
		if s.eof {
			return p, true
		}
		if s.fill() != nil {
			return p, false // a reader's error is met again by the next call
		}
	}
}

// giveUp makes the error of the record at pos, of which the first raw bytes are
// known, and stands behind them.
func (s *Scanner) giveUp(raw, column int, reason string, cause error) *Error {
	r := &s.rec
	r.start, r.end = s.pos, s.pos+raw
	r.line, r.offset = s.line, s.base+int64(s.pos)
	e := r.fail(-1, "", reason, cause)
	e.Column = column + 1
	s.line += bytes.Count(r.Raw(), []byte{'\n'})
	s.pos += raw
	return e
}

// giveUpAt is giveUp where the rest of the record, from raw on, is still to be skipped.
func (s *Scanner) giveUpAt(raw int, mode walkMode, reason string, cause error) *Error {
	s.special, s.discarding = true, true
	s.walk = quoteWalk{mode: mode, prev: s.buf[s.pos+raw-1]}
	seen := s.buf[s.pos:s.end]
	e := s.giveUp(raw, -1, reason, cause)
	if errors.Is(cause, ErrRecordTooLarge) {
		e.Raw = cutRaw(seen, s.rec.rawLimit)
	}
	return e
}

// badQuote gives up a record for a quote at p that cannot be where it is. The
// next record begins on the next line, whatever that one's quotes are.
func (s *Scanner) badQuote(p, column int, cause error) *Error {
	if p+2 > s.maxRec {
		// Too large as well. Which of the two it is must not depend on how
		// much of it was in the buffer.
		mode := walkOutside
		if errors.Is(cause, ErrTextAfterQuote) {
			mode = walkQuoted
		}
		return s.giveUpAt(p, mode, tooLarge(s.maxRec), ErrRecordTooLarge)
	}
	reason := cause.Error() + quoteAdvice(s.buf[s.pos:s.pos+p], cause)
	if s.rules != nil {
		reason = cause.Error()
	}
	raw, found := s.lineEnd(p)
	if feeds := bytes.Count(s.buf[s.pos:s.pos+raw-1], lineFeed); found && feeds > 0 {
		reason += fmt.Sprintf("; the quoted field took lines %d to %d, which are lost with this record", s.line, s.line+feeds)
	}
	if !found {
		e := s.giveUpAt(raw, walkLine, reason, cause)
		e.Column = column + 1
		return e
	}
	return s.giveUp(raw, column, reason, cause)
}

// quoteAdvice says what to do where quotes are escaped by a backslash.
func quoteAdvice(before []byte, cause error) string {
	if errors.Is(cause, ErrTextAfterQuote) && bytes.HasSuffix(before, []byte{'\\'}) {
		return `; the quote behind a backslash ends the field: set Dialect.Escape to '\\'`
	}
	return "; Dialect.LazyQuotes reads it as text"
}

// unterminated gives up the rest of the input: the quote opened in the lines'th line of
// the record has no partner.
func (s *Scanner) unterminated(column, lines int) *Error {
	if s.end-s.pos > s.maxRec {
		return s.giveUp(s.end-s.pos, -1, tooLarge(s.maxRec), ErrRecordTooLarge)
	}
	reason := fmt.Sprintf("the quoted field that begins in line %d is not closed before the end of the input", s.line+lines-1)
	if feeds := bytes.Count(s.buf[s.pos:s.end-1], lineFeed); feeds > 0 {
		reason += fmt.Sprintf("; it took lines %d to %d", s.line, s.line+feeds)
	}
	return s.giveUp(s.end-s.pos, column, reason, ErrUnterminated)
}

// stopped says why the record could not be read on from p: a reader's error as
// it is, a record that is too large as an error of that record. opened is the
// line of the record in which the quote that is open at p opened, 0 for none.
func (s *Scanner) stopped(err error, p, opened int) error {
	if !errors.Is(err, errFull) {
		return err
	}
	reason := tooLarge(s.maxRec)
	mode := walkOutside
	if opened > 0 {
		mode = walkQuoted
		reason += fmt.Sprintf("; a quote that opened in line %d is not closed within it", s.line+opened-1)
	}
	return s.giveUpAt(p, mode, reason, ErrRecordTooLarge)
}

// tooManyColumns gives up a record at p, the first mark of its first field too many.
func (s *Scanner) tooManyColumns(p int) *Error {
	if p+2 > s.maxRec {
		return s.giveUpAt(p, walkOutside, tooLarge(s.maxRec), ErrRecordTooLarge)
	}
	return s.giveUpAt(p, walkOutside, tooManyFields(s.maxCols), ErrTooManyColumns)
}

func tooManyFields(limit int) string { return fmt.Sprintf("the record has more than %d fields", limit) }

// finishDiscard reads over what is left of a record that was given up, holding
// none of it.
func (s *Scanner) finishDiscard() error {
	if s.rules != nil {
		return s.discardByRules()
	}
	for {
		n, lines, done := s.walk.record(s.buf[s.pos:s.end], s.comma)
		s.pos += n
		s.line += lines
		if done || s.eof {
			s.discarding = false
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}
