package jsoncodec

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A document is JSON that holds the records somewhere in it: one array, or an array that a path of members leads to. It
// is walked through piece by piece; what is not a record is passed over and not kept.

// maxName is the length of the longest member's name on the way to the records, in bytes.
const maxName = 64 << 10

// parsePath takes a path apart.
func parsePath(path string) ([]string, error) {
	switch {
	case path == "":
		return nil, nil
	case path[0] == '/':
		p := jsontext.Pointer(path)
		if !p.IsValid() {
			return nil, fmt.Errorf("the path Records is %q, which is no JSON Pointer (RFC 6901)", path)
		}
		var names []string
		for name := range p.Tokens() {
			names = append(names, name)
		}
		return names, nil
	}
	names := strings.Split(path, ".")
	for _, name := range names {
		if name == "" {
			return nil, fmt.Errorf("the path Records is %q: want names with single points between them, such as data.items, "+
				"or a JSON Pointer, such as /data/items", path)
		}
	}
	return names, nil
}

// enter walks from the beginning of a text to its first record.
func (s *Scanner) enter() error {
	c, err := s.peek()
	if err != nil {
		if isEOF(err) && len(s.path) > 0 && s.texts == 0 {
			return s.broken("the input is empty, and has no %s", s.pathTo(len(s.path)))
		}
		return err
	}
	s.texts++
	for depth, name := range s.path {
		if c != '{' {
			return s.broken("%s is %s: want an object with the member %q", s.pathTo(depth), kindOf(c), name)
		}
		s.pos++
		found, err := s.member(depth)
		if err != nil {
			return err
		}
		if !found {
			return s.broken("%s has no member %q, in which the records should be", s.pathTo(depth), name)
		}
		if c, err = s.need(); err != nil {
			return err
		}
	}
	if c != '[' {
		return s.broken("%s is %s: want the array of the records", s.pathTo(len(s.path)), kindOf(c))
	}
	s.pos++
	s.inside, s.first = true, true
	return nil
}

// member walks through an object, from behind its brace or one of its values, to the value of the path's next name. If
// there is none it stands behind the object.
func (s *Scanner) member(depth int) (found bool, err error) {
	for first := true; ; first = false {
		c, err := s.need()
		if err != nil {
			return false, err
		}
		switch {
		case c == '}':
			s.pos++
			return false, nil
		case c == ',':
			s.pos++
			if c, err = s.need(); err != nil {
				return false, err
			}
		case !first:
			return false, s.broken("after the value of a member there is %q: want a comma or a brace", rune(c))
		}
		if c != '"' {
			return false, s.broken("where the name of a member should be there is %q", rune(c))
		}
		name, err := s.name()
		if err != nil {
			return false, err
		}
		if c, err = s.need(); err != nil {
			return false, err
		}
		if c != ':' {
			return false, s.broken("after the member's name %q there is %q: want a colon", name, rune(c))
		}
		s.pos++
		if name == s.path[depth] {
			return true, nil
		}
		if _, err := s.need(); err != nil {
			return false, err
		}
		if err := s.pass(new(walk)); err != nil {
			return false, err
		}
	}
}

// leave walks from behind the array of the records to the end of its text. A second array would be lost.
func (s *Scanner) leave() error {
	s.inside = false
	for depth := len(s.path) - 1; depth >= 0; depth-- {
		again, err := s.rest(depth)
		if err != nil {
			return err
		}
		if again {
			return s.broken("%s is there twice", s.pathTo(depth+1))
		}
	}
	return nil
}

// rest is member behind a value.
func (s *Scanner) rest(depth int) (found bool, err error) {
	c, err := s.need()
	if err != nil {
		return false, err
	}
	if c != ',' && c != '}' {
		return false, s.broken("after the value of a member there is %q: want a comma or a brace", rune(c))
	}
	return s.member(depth)
}

// nextElement returns the next element of the array.
func (s *Scanner) nextElement() (*Record, error) {
	for {
		if !s.inside {
			if err := s.enter(); err != nil {
				return nil, err
			}
		}
		c, err := s.need()
		if err != nil {
			return nil, err
		}
		if c == ']' {
			s.pos++
			if err := s.leave(); err != nil {
				return nil, err
			}
			continue
		}
		if !s.first {
			if c != ',' {
				return nil, s.broken("after a record there is %q: want a comma or a bracket", rune(c))
			}
			s.pos++
			if c, err = s.need(); err != nil {
				return nil, err
			}
		}
		if c == ',' || c == ']' || c == '}' || c == ':' {
			return nil, s.broken("where a record should be there is %q", rune(c))
		}
		s.first = false
		return s.keep()
	}
}

// keep returns the value at pos as a record.
func (s *Scanner) keep() (*Record, error) {
	var w walk
	for walked := 0; ; {
		n, done := w.step(s.buf[s.pos+walked : s.end])
		walked += n
		switch {
		case walked > s.maxRec:
			err := s.tooLarge()
			s.drop(walked)
			if !done {
				if e := s.pass(&w); e != nil {
					return nil, e
				}
			}
			return nil, err
		case done:
			s.rec = Record{data: s.buf, lo: s.pos, hi: s.pos + walked, line: s.line, offset: s.Offset()}
			s.drop(walked)
			return &s.rec, nil
		case s.eof:
			return nil, s.torn()
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// drop moves pos over n bytes.
func (s *Scanner) drop(n int) {
	s.line += bytes.Count(s.buf[s.pos:s.pos+n], lineFeed)
	s.pos += n
}

var lineFeed = []byte{'\n'}

// pass moves pos over the rest of a value, and keeps nothing of it.
func (s *Scanner) pass(w *walk) error {
	for {
		n, done := w.step(s.buf[s.pos:s.end])
		s.drop(n)
		if done {
			return nil
		}
		if s.eof {
			return s.torn()
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// name reads the string at pos.
func (s *Scanner) name() (string, error) {
	var w walk
	for walked := 0; ; {
		n, done := w.step(s.buf[s.pos+walked : s.end])
		walked += n
		if walked > maxName {
			return "", s.broken("the name of a member is longer than %d bytes", maxName)
		}
		if done {
			text, err := jsontext.AppendUnquote(nil, s.buf[s.pos:s.pos+walked])
			if err != nil {
				return "", s.broken("the name of a member, %s: %v", quote(s.buf[s.pos:s.pos+walked]), plain(err))
			}
			s.drop(walked)
			return string(text), nil
		}
		if s.eof {
			return "", s.torn()
		}
		if err := s.fill(); err != nil {
			return "", err
		}
	}
}

// peek returns the first byte that is no space, at pos then. At the end of the input the error is io.EOF.
func (s *Scanner) peek() (byte, error) {
	for {
		for s.pos < s.end {
			c := s.buf[s.pos]
			if !isSpace(c) {
				return c, nil
			}
			if c == '\n' {
				s.line++
			}
			s.pos++
		}
		if s.eof {
			return 0, io.EOF
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// need is peek where the input cannot end.
func (s *Scanner) need() (byte, error) {
	c, err := s.peek()
	if isEOF(err) {
		err = s.torn()
	}
	return c, err
}

func (s *Scanner) torn() error {
	return s.broken("the input ends within the JSON that begins in it: it has been cut off")
}

// broken says that the document cannot be read on.
func (s *Scanner) broken(format string, args ...any) error {
	return &InputError{Line: s.line, What: fmt.Sprintf(format, args...)}
}

// pathTo names what n members of the path lead to.
func (s *Scanner) pathTo(n int) string {
	if n == 0 {
		if s.texts > 1 {
			return fmt.Sprintf("the JSON text %d of the input", s.texts)
		}
		return "the JSON"
	}
	return fmt.Sprintf("%q", strings.Join(s.path[:n], "."))
}

// kindOf names the kind of the value that begins with c.
func kindOf(c byte) string {
	switch {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	}
	return "no JSON"
}

// A walk finds the end of a value by its brackets and strings. It keeps its place between two pieces of the input, and
// no more than that, however deep the value is.
type walk struct {
	depth    int
	begun    bool
	inString bool
	escaped  bool // the next byte belongs to a backslash
}

// step walks through b, and tells how many bytes of it belong to the value and whether it is complete.
func (w *walk) step(b []byte) (n int, done bool) {
	for i := 0; i < len(b); {
		if w.inString {
			c := b[i]
			i++
			switch {
			case w.escaped:
				w.escaped = false
			case c == '\\':
				w.escaped = true
			case c == '"':
				if w.inString = false; w.depth == 0 {
					return i, true
				}
			}
			continue
		}
		switch c := b[i]; c {
		case '"':
			if w.begun && w.depth == 0 {
				return i, true // behind a number or a word
			}
			w.inString = true
		case '{', '[':
			if w.begun && w.depth == 0 {
				return i, true
			}
			w.depth++
		case '}', ']':
			if w.depth == 0 {
				return i, true
			}
			if w.depth--; w.depth == 0 {
				return i + 1, true
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if w.depth == 0 {
				return i, true
			}
		}
		w.begun = true
		i++
	}
	return len(b), false
}
