package jsoncodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ScanOptions say how an input is cut into records. The zero value is JSON lines, or one array.
type ScanOptions struct {
	// Records leads to the array of the records in each JSON text of the input: names of members with points between
	// them, or a JSON Pointer (RFC 6901), which begins with a slash. Defaults to none: records are lines or, where the
	// first byte that is no space is a bracket, the elements of that array.
	Records string
	// MaxRecord is the size of the largest record, in bytes. Defaults to 16 MiB.
	MaxRecord int
	// BufferSize is what is read at once, in bytes. Defaults to 64 KiB.
	BufferSize int
	// StartOffset and StartLine say where the reader stands in its input. Behind its beginning there are lines.
	StartOffset int64
	StartLine   int
}

const (
	defaultMaxRecord = 16 << 20
	defaultBuffer    = 64 << 10
	// slack is how many bytes can be read behind every record.
	slack = 16
)

// A Record is one record as the scanner found it, valid until the next call of Next.
type Record struct {
	data   []byte // the scanner's buffer; slack bytes follow hi
	lo, hi int    // the value, without space around it
	line   int
	offset int64
}

// Bytes are the record's JSON, without space around it.
func (r *Record) Bytes() []byte { return r.data[r.lo:r.hi:r.hi] }

// Line returns the line, from 1, on which the record begins.
func (r *Record) Line() int { return r.line }

// Offset returns the position of the record's first byte in the (decompressed) input, from 0.
func (r *Record) Offset() int64 { return r.offset }

// A Scanner cuts an input into records, in a bounded amount of memory whatever the input. It is for one goroutine.
//
// Of lines it looks at nothing but their ends. In a document it follows brackets and strings, so that what is wrong
// within a record stays within it.
type Scanner struct {
	src    io.Reader
	maxRec int
	buf    []byte // slack bytes follow buf[:end]
	pos    int    // what is before it has been consumed
	end    int
	base   int64 // input offset of buf[0]
	line   int   // of pos
	eof    bool
	failed error // the reader's, met behind what is in the buffer
	err    error // sticky

	begun    bool
	document bool
	path     []string
	texts    int  // JSON texts so far, the current one included
	inside   bool // the array of the records is open
	first    bool // no element of it was seen
	skipping bool // the rest of a line that was given up is to be skipped

	rec Record
}

// NewScanner returns a scanner over r. It reads nothing yet. The error is about the options.
func NewScanner(r io.Reader, o ScanOptions) (*Scanner, error) {
	path, err := parsePath(o.Records)
	if err != nil {
		return nil, err
	}
	if o.MaxRecord < 0 {
		return nil, fmt.Errorf("MaxRecord is %d: it cannot be negative", o.MaxRecord)
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = defaultMaxRecord
	}
	if o.BufferSize <= 0 {
		o.BufferSize = defaultBuffer
	}
	return &Scanner{
		src: r, maxRec: o.MaxRecord, buf: make([]byte, o.BufferSize+slack),
		base: o.StartOffset, line: max(1, o.StartLine), begun: o.StartOffset > 0,
		document: len(path) > 0, path: path,
	}, nil
}

// Lines tells, once Begin was called, whether the records are lines, so that the input can be cut at any line.
func (s *Scanner) Lines() bool { return !s.document }

// Offset returns how far the input has been consumed, in bytes.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// Line returns the line, from 1, of Offset.
func (s *Scanner) Line() int { return s.line }

// Begin looks at the beginning of the input: it skips a byte order mark, tells what is no JSON ([*InputError]), and walks
// to the records of a document. Next does it too.
func (s *Scanner) Begin() error {
	if s.err != nil || s.begun {
		return s.err
	}
	if err := s.begin(); err != nil {
		s.err = err
	}
	return s.err
}

func (s *Scanner) begin() error {
	for s.end < 4 && bytes.IndexByte(s.buf[:s.end], '\n') < 0 && !s.eof {
		if err := s.fill(); err != nil {
			return err
		}
	}
	if err := identify(s.buf[:s.end]); err != nil {
		return err
	}
	if bytes.HasPrefix(s.buf[:s.end], byteOrderMark) {
		s.pos = len(byteOrderMark)
	}
	s.begun = true
	if !s.document {
		c, err := s.peek()
		if err != nil && !isEOF(err) {
			return err
		}
		s.document = c == '['
	}
	if s.document {
		return s.enter()
	}
	return nil
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Next returns the next record. At the end of the input the error is io.EOF. An [*Error] is one bad record: the next call
// goes on behind it. An [*InputError] says that the document around the records is broken; it stays, as a reader's
// error does.
func (s *Scanner) Next() (*Record, error) {
	if !s.begun || s.err != nil {
		if err := s.Begin(); err != nil {
			return nil, err
		}
	}
	next := s.nextLine
	if s.document {
		next = s.nextElement
	}
	rec, err := next()
	if err != nil {
		if _, bad := err.(*Error); !bad { //nolint:errorlint // made here
			s.err = err
		}
		return nil, err
	}
	return rec, nil
}

func (s *Scanner) nextLine() (*Record, error) {
	if s.skipping {
		if err := s.skipLine(); err != nil {
			return nil, err
		}
	}
	for searched := 0; ; {
		i := bytes.IndexByte(s.buf[s.pos+searched:s.end], '\n')
		if i < 0 && !s.eof {
			searched = s.end - s.pos
			if searched > s.maxRec {
				s.skipping = true
				return nil, s.tooLarge()
			}
			if err := s.fill(); err != nil {
				return nil, err
			}
			continue
		}
		next, hi := s.end, s.end
		if i >= 0 {
			hi = s.pos + searched + i
			next = hi + 1
		}
		lo := s.pos
		for lo < hi && isSpace(s.buf[lo]) {
			lo++
		}
		for hi > lo && isSpace(s.buf[hi-1]) {
			hi--
		}
		if lo == hi {
			if next == s.end && s.eof && i < 0 {
				s.pos = next
				return nil, io.EOF
			}
			s.pos, searched = next, 0
			s.line++
			continue
		}
		if hi-lo > s.maxRec {
			err := s.tooLarge()
			s.pos = next
			s.line++
			return nil, err
		}
		s.rec = Record{data: s.buf, lo: lo, hi: hi, line: s.line, offset: s.base + int64(lo)}
		s.pos = next
		s.line++
		return &s.rec, nil
	}
}

// skipLine drops the rest of a line, whatever its length.
func (s *Scanner) skipLine() error {
	for {
		if i := bytes.IndexByte(s.buf[s.pos:s.end], '\n'); i >= 0 {
			s.pos += i + 1
			s.line++
			s.skipping = false
			return nil
		}
		s.pos = s.end
		if s.eof {
			s.skipping = false
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// tooLarge makes the error of the record at pos.
func (s *Scanner) tooLarge() *Error {
	return &Error{
		Line: s.line, Offset: s.Offset(), Raw: bytes.Clone(s.buf[s.pos:min(s.end, s.pos+maxErrorRaw)]), Cut: true,
		Reason: fmt.Sprintf("the record is larger than %d bytes: set MaxRecord to allow it", s.maxRec), Err: ErrRecordTooLarge,
	}
}

// fill reads on, behind what is in the buffer from pos on, which moves to its front and makes it grow where it is full.
func (s *Scanner) fill() error {
	if s.failed != nil {
		return s.failed
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf)-slack {
		larger := make([]byte, min(2*s.end, max(s.maxRec, maxName)+2)+slack)
		copy(larger, s.buf[:s.end])
		s.buf = larger
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.end : len(s.buf)-slack])
		if n < 0 || n > len(s.buf)-slack-s.end {
			return errors.New("the reader returned an impossible count")
		}
		s.end += n
		switch {
		case isEOF(err):
			s.eof = true
			clear(s.buf[s.end : s.end+slack])
			return nil
		case err != nil:
			s.failed = err
			clear(s.buf[s.end : s.end+slack])
			if n > 0 {
				return nil // it is met again behind that
			}
			return err
		case n > 0:
			clear(s.buf[s.end : s.end+slack])
			return nil
		}
	}
	return io.ErrNoProgress
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// isEOF tells the end of the input from a reader's error that has io.EOF as its cause: that input is torn.
func isEOF(err error) bool { return err == io.EOF }
