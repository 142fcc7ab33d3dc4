package pgcodec

import "encoding/binary"

// CopyParser splits the output of COPY (...) TO STDOUT (FORMAT binary) into rows
// of raw values. It takes the stream in pieces of any size, and copies only what
// a piece leaves unfinished. It is not safe for concurrent use. To get records,
// [CopyDecoder] is faster.
type CopyParser struct {
	// MaxRow is the size in bytes of the largest row that is taken, which bounds
	// the memory for a row that comes in many pieces. Defaults to 1 GiB, the most
	// that the server puts into one message.
	MaxRow int

	stream copyStream
	values [][]byte
}

// NewCopyParser makes a parser for rows of the given number of columns.
func NewCopyParser(columns int) *CopyParser {
	return &CopyParser{stream: copyStream{columns: columns}, values: make([][]byte, columns)}
}

// Rows is the number of rows that were found so far.
func (p *CopyParser) Rows() int64 { return p.stream.rows }

// Feed reads a piece of the stream and calls row for each row that it completes.
// The values are nil for null, in the form that [Decoder.Decode] takes; they
// are valid during the call only, since their memory is the piece's. Feed keeps
// nothing of piece. The first error, the format's or row's own, ends the parser:
// every later call returns it.
func (p *CopyParser) Feed(piece []byte, row func(values [][]byte) error) error {
	s := &p.stream
	s.maxRow = p.MaxRow
	split := func(b []byte) (int, error) {
		size, err := p.split(b)
		if size > 0 {
			err = row(p.values)
		}
		return size, err
	}
	for s.err == nil && len(piece) > 0 {
		var used int
		used, _, s.err = s.next(piece, split)
		piece = piece[used:]
	}
	return s.err
}

// End says that the stream is over: an error if it was not complete.
func (p *CopyParser) End() error { return p.stream.end() }

// split cuts a row into p.values.
func (p *CopyParser) split(b []byte) (size int, err error) {
	at := 2
	for i := range p.values {
		if len(b)-at < 4 {
			return 0, p.stream.checkSize(at + 4)
		}
		n := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		switch {
		case n == -1:
			p.values[i] = nil
			continue
		case n < 0:
			return 0, p.stream.badLength(n)
		case n > len(b)-at:
			return 0, p.stream.checkSize(at + n)
		}
		p.values[i] = b[at : at+n : at+n]
		at += n
	}
	if err := p.stream.checkSize(at); err != nil {
		return 0, err
	}
	return at, nil
}
