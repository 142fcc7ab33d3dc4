package csvcodec

import (
	"bytes"

	"github.com/millrace/millrace/dialect"
)

// rules are how records are cut in a dialect that the walk over marks does not know.
type rules struct {
	delimiter []byte
	quote     byte // 0 for none
	escape    byte // 0 for none
	lazy      bool
	comment   []byte
	look      int       // bytes that must be there to decide about one
	stop      [256]bool // bytes that mean something outside quotes
}

// rulesOf returns nil where the walk over marks serves.
func rulesOf(d dialect.CSV) *rules {
	if r := rulesFor(d); !r.plain() {
		return r
	}
	return nil
}

func rulesFor(d dialect.CSV) *rules {
	r := &rules{delimiter: []byte(d.Delimiter), lazy: d.LazyQuotes, comment: []byte(d.Comment)}
	if len(r.delimiter) == 0 {
		r.delimiter = []byte{','}
	}
	switch d.Quote {
	case 0:
		r.quote = '"'
	case dialect.None:
	default:
		r.quote = byte(d.Quote)
	}
	if d.Escape != d.Quote && byte(d.Escape) != r.quote {
		r.escape = byte(d.Escape)
	}
	r.settle()
	return r
}

func (r *rules) plain() bool {
	ascii := func(b []byte) bool { return len(b) == 0 || len(b) == 1 && b[0] < 0x80 }
	return ascii(r.delimiter) && ascii(r.comment) && r.quote == '"' && r.escape == 0 && !r.lazy
}

// settle makes what follows from the rest.
func (r *rules) settle() {
	r.look = 2 + len(r.delimiter) + len(r.comment)
	r.stop = [256]bool{'\n': true}
	r.stop[r.delimiter[0]] = true
	if r.quote != 0 && !r.lazy {
		r.stop[r.quote] = true
	}
}

// event is what a walk by the rules comes to.
type event uint8

const (
	eventMore   event = iota // the end of what has been read, which is not the input's
	eventField               // a delimiter ended a field
	eventRecord              // a line end, or the input's, ended a record
	eventBare                // a quote in a field that does not begin with one
	eventAfter               // text behind a closing quote
	eventOpen                // the input ended in quotes
)

// A fieldWalk goes through records by the rules, over a buffer that may end anywhere.
type fieldWalk struct {
	mode  walkMode
	lo    int // the field's text
	hi    int
	flags span
	lines int // line feeds inside quotes
	// opened is lines where the quote opened.
	opened int
}

// step goes on at b[p], where b[end] is a line feed that stands for the end of what has been read, and returns where it
// came to. Before a field, mode is walkStart and lo is to be p.
func (w *fieldWalk) step(r *rules, b []byte, p, end int, eof bool) (int, event) {
	for {
		if p+r.look > end && !eof {
			return p, eventMore
		}
		switch w.mode {
		case walkStart:
			w.lo, w.flags = p, 0
			w.mode = walkOutside
			if r.quote != 0 && b[p] == r.quote && p < end {
				w.mode, w.flags, w.opened = walkQuoted, spanQuoted, w.lines
				p++
				w.lo = p
			}
		case walkQuoted:
			c := b[p]
			for p < end && c != r.quote && c != '\n' && (c != r.escape || c == 0) {
				p++
				c = b[p]
			}
			switch {
			case p == end && eof:
				return p, eventOpen
			case p+r.look > end && !eof:
			case c == '\n':
				w.lines++
				p++
			case c != r.quote: // an escape
				if next := b[p+1]; p+1 < end && (next == r.quote || next == r.escape) {
					w.flags |= spanEscaped
					p++
				}
				p++
			case p+1 < end && b[p+1] == r.quote:
				w.flags |= spanEscaped
				p += 2
			default:
				w.hi = p
				if n, e := r.closes(b[p+1 : end]); n >= 0 {
					w.mode = walkStart
					return p + 1 + n, e
				}
				if !r.lazy {
					return p, eventAfter
				}
				p++
			}
		case walkLine:
			i := bytes.IndexByte(b[p:end], '\n')
			switch {
			case i >= 0:
				w.mode = walkStart
				return p + i + 1, eventRecord
			case eof:
				w.mode = walkStart
				return end, eventRecord
			}
			return end, eventMore
		default:
			for !r.stop[b[p]] {
				p++
			}
			if p+r.look > end && !eof {
				continue // and ask for more
			}
			switch c := b[p]; {
			case c == '\n':
				w.hi = p
				if p > w.lo && b[p-1] == '\r' {
					w.hi--
				}
				w.mode = walkStart
				return min(p+1, end), eventRecord
			case c == r.delimiter[0] && bytes.HasPrefix(b[p:end], r.delimiter):
				w.hi, w.mode = p, walkStart
				return p + len(r.delimiter), eventField
			case c == r.quote && !r.lazy && c != 0:
				return p, eventBare
			}
			p++
		}
	}
}

// closes says how long what ends a field behind its closing quote is, -1 if nothing does.
func (r *rules) closes(rest []byte) (int, event) {
	switch {
	case len(rest) == 0:
		return 0, eventRecord
	case bytes.HasPrefix(rest, r.delimiter):
		return len(r.delimiter), eventField
	case rest[0] == '\n':
		return 1, eventRecord
	case rest[0] == '\r' && len(rest) == 1:
		return 1, eventRecord
	case rest[0] == '\r' && rest[1] == '\n':
		return 2, eventRecord
	}
	return -1, 0
}

// unescape appends the text of a quoted field.
func (r *rules) unescape(dst, in []byte) []byte {
	for i := 0; i < len(in); i++ {
		c := in[i]
		if i+1 < len(in) {
			next := in[i+1]
			if c == r.quote && next == r.quote || c == r.escape && c != 0 && (next == r.quote || next == r.escape) {
				c = next
				i++
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// nextByRules is Next in a dialect that has rules.
func (s *Scanner) nextByRules() (*Record, error) {
	if err := s.skipByRules(); err != nil {
		return nil, err
	}
	r := &s.rec
	r.escapes, r.unescaped = false, r.unescaped[:0]
	n := 0
	w := fieldWalk{mode: walkStart}
	p := s.pos
	for {
		q, e := w.step(s.rules, s.buf, p, s.end, s.eof)
		switch e {
		case eventMore:
			moved, err := s.more(n)
			p, w.lo = q-moved, w.lo-moved
			if err != nil {
				opened := 0
				if w.mode == walkQuoted {
					opened = w.opened + 1
				}
				err = s.stopped(err, p-s.pos, opened)
				s.walk.mode = w.mode
				return nil, err
			}
			continue
		case eventBare:
			return nil, s.badQuote(q-s.pos, n, ErrBareQuote)
		case eventAfter:
			return nil, s.badQuote(q-s.pos, n, ErrTextAfterQuote)
		case eventOpen:
			return nil, s.unterminated(n, w.opened+1)
		}
		if n == len(r.all) {
			if n == s.maxCols {
				if e == eventRecord {
					return nil, s.giveUp(q-s.pos, -1, tooManyFields(s.maxCols), ErrTooManyColumns)
				}
				err := s.tooManyColumns(q - s.pos)
				s.walk.mode = w.mode
				return nil, err
			}
			r.all = append(r.all, make([]span, min(n, s.maxCols-n))...)
		}
		r.all[n] = newSpan(w.lo, w.hi) | w.flags
		r.escapes = r.escapes || w.flags&spanEscaped != 0
		n++
		p = q
		if e == eventRecord {
			return s.finish(n, q, w.lines+1)
		}
	}
}

// skipByRules moves pos to the first byte of a record.
func (s *Scanner) skipByRules() error {
	for {
		for s.end-s.pos < s.rules.look && !s.eof {
			if err := s.fill(); err != nil {
				return err
			}
		}
		before := s.pos
		if c := s.rules.comment; len(c) > 0 && bytes.HasPrefix(s.buf[s.pos:s.end], c) {
			if err := s.skipLine(); err != nil {
				return err
			}
		} else if err := s.skipBlank(); err != nil { // s.comment is none
			return err
		}
		if s.pos == before {
			return nil
		}
	}
}

// discardByRules reads over what is left of a record that was given up.
func (s *Scanner) discardByRules() error {
	w := fieldWalk{mode: s.walk.mode}
	for {
		p, e := w.step(s.rules, s.buf, s.pos, s.end, s.eof)
		s.line += w.lines
		s.pos, w.lines = p, 0
		switch e {
		case eventBare, eventAfter:
			w.mode = walkLine
		case eventRecord, eventOpen:
			if p > 0 && e == eventRecord && s.buf[p-1] == '\n' {
				s.line++
			}
			s.discarding = false
			return nil
		case eventMore:
			s.walk.mode = w.mode
			if err := s.fill(); err != nil {
				return err
			}
		}
	}
}
