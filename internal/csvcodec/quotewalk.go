package csvcodec

import "bytes"

// A quoteWalk follows a CSV by its quotes alone, through pieces of any size, by
// the rules that the scanner has, those for wrong quotes included: it and the
// scanner agree on where every record begins.
type quoteWalk struct {
	mode walkMode
	// prev is the byte before the next one where it matters: outside quotes. A
	// quote opens a field behind a delimiter or a line feed, and is wrong elsewhere.
	prev byte
}

type walkMode uint8

const (
	walkOutside  walkMode = iota
	walkQuoted            // inside a quoted field
	walkClosing           // behind a quote in a quoted field: its end, or the first of a pair
	walkClosedCR          // behind a closing quote and a carriage return
	walkLine              // behind a wrong quote: the rest of the line does not count
	walkStart             // before a field; of a fieldWalk only
)

// record walks to the end of the record, or of b. It returns how much of b it
// has passed, how many line feeds were in that, and whether the record ended.
func (w *quoteWalk) record(b []byte, comma byte) (n, lines int, done bool) {
	for n < len(b) {
		// In pieces, so that looking for a far quote costs little when the line
		// feed is near.
		rest := b[n:min(len(b), n+4096)]
		if w.mode == walkOutside {
			q := bytes.IndexByte(rest, '"')
			if q < 0 {
				q = len(rest)
			}
			switch i := bytes.IndexByte(rest[:q], '\n'); {
			case i >= 0:
				w.prev = '\n'
				return n + i + 1, lines + 1, true
			case q < len(rest):
				n += w.quote(rest, q, comma)
			default:
				w.prev = rest[q-1]
				n += q
			}
			continue
		}
		k, feeds, ended := w.inside(rest, comma)
		n += k
		lines += feeds
		if ended {
			return n, lines, true
		}
	}
	return n, lines, false
}

// skip walks over all of b, through any number of records.
func (w *quoteWalk) skip(b []byte, comma byte) {
	for len(b) > 0 {
		switch w.mode {
		case walkOutside:
			q := 0
			if b[0] != '"' {
				if q = bytes.IndexByte(b, '"'); q < 0 {
					w.prev = b[len(b)-1]
					return
				}
			}
			b = b[w.quote(b, q, comma):]
		case walkQuoted:
			q := bytes.IndexByte(b, '"')
			if q < 0 {
				return
			}
			b = b[q+1:]
			// The common ends at once, the others byte by byte.
			switch {
			case len(b) > 0 && b[0] == '"':
				b = b[1:]
			case len(b) > 0 && (b[0] == comma || b[0] == '\n'):
				w.mode, w.prev = walkOutside, b[0]
				b = b[1:]
			default:
				w.mode = walkClosing
			}
		default:
			n, _, _ := w.inside(b, comma)
			b = b[n:]
		}
	}
}

// quote decides about the quote at rest[q], outside quotes so far.
func (w *quoteWalk) quote(rest []byte, q int, comma byte) (n int) {
	prev := w.prev
	if q > 0 {
		prev = rest[q-1]
	}
	if prev == comma || prev == '\n' {
		w.mode = walkQuoted
	} else {
		w.mode = walkLine
	}
	return q + 1
}

// inside walks on in any mode but walkOutside: over the rest of a quoted field,
// one byte behind its quote, or the rest of a line. ended says that the last
// byte passed was a line feed that ends the record.
func (w *quoteWalk) inside(b []byte, comma byte) (n, lines int, ended bool) {
	switch w.mode {
	case walkQuoted:
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			return len(b), bytes.Count(b, lineFeed), false
		}
		w.mode = walkClosing
		return i + 1, bytes.Count(b[:i], lineFeed), false

	case walkLine:
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return len(b), 0, false
		}
		w.mode, w.prev = walkOutside, '\n'
		return i + 1, 1, true
	}

	c := b[0]
	switch {
	case c == '\n':
		w.mode, w.prev = walkOutside, '\n'
		return 1, 1, true
	case w.mode == walkClosing && c == '"':
		w.mode = walkQuoted
	case w.mode == walkClosing && c == comma:
		w.mode, w.prev = walkOutside, comma
	case w.mode == walkClosing && c == '\r':
		w.mode = walkClosedCR
	default:
		w.mode = walkLine
	}
	return 1, 0, false
}

var lineFeed = []byte{'\n'}
