package csvcodec

import "bytes"

// A Record is one record as the scanner found it: views into the scanner's
// buffer, valid until the next call of Next. It has no life of its own; copy
// what is to be kept.
type Record struct {
	// data is the scanner's buffer. At least slack bytes follow any field, so
	// that a word can be loaded at a field's first byte whatever its length.
	data       []byte
	start, end int // of the record in data
	spans      []span
	all        []span // spans is its beginning
	escapes    bool   // some field holds doubled quotes
	line       int
	offset     int64

	rules     *rules // nil for doubled quotes
	unescaped []byte
	rawLimit  int // of an error's copy
}

// slack is how many readable bytes follow every field that a conversion sees.
const slack = 8

// A span is where a field lies in Record.data: its first byte in the low half,
// its end in the high half, whose top two bits are flags.
type span uint64

func newSpan(lo, hi int) span { return span(lo) | span(hi)<<32 }

const (
	spanQuoted  = 1 << 63 // the field stood in quotes
	spanEscaped = 1 << 62 // ... and holds doubled quotes
	// maxSpan bounds what fits beside the flags: no buffer is larger.
	maxSpan = 1<<30 - 1
)

func (s span) lo() int       { return int(uint32(s)) }
func (s span) hi() int       { return int(s >> 32 & maxSpan) }
func (s span) quoted() bool  { return s&spanQuoted != 0 }
func (s span) escaped() bool { return s&spanEscaped != 0 }

// Len returns the number of fields.
func (r *Record) Len() int { return len(r.spans) }

// Field returns field i, from 0, without its quotes and with doubled quotes
// made single. Line ends inside quotes are kept as they are. The bytes are
// valid until the scanner's next call of Next and must not be changed.
func (r *Record) Field(i int) []byte {
	data, lo, hi := r.locate(r.spans[i])
	return data[lo:hi:hi]
}

// Quoted reports whether field i stood in quotes, which is how an empty text
// differs from no value.
func (r *Record) Quoted(i int) bool { return r.spans[i].quoted() }

// Raw returns the record as it stands in the input, byte for byte, with its
// line ending if it has one. The bytes are valid until the next call of Next.
func (r *Record) Raw() []byte { return r.data[r.start:r.end:r.end] }

// Line returns the physical line, from 1, on which the record begins.
func (r *Record) Line() int { return r.line }

// Offset returns the position of the record's first byte in the (decompressed) input, from 0.
func (r *Record) Offset() int64 { return r.offset }

// locate returns the bytes that hold a field's text and where in them it lies,
// with slack bytes behind it.
func (r *Record) locate(s span) (data []byte, lo, hi int) {
	if !s.escaped() {
		return r.data, s.lo(), s.hi()
	}
	// Earlier fields' views stay good when this append moves to a larger
	// array: they keep the old one.
	lo = len(r.unescaped)
	in := r.data[s.lo():s.hi()]
	if r.rules != nil {
		r.unescaped = r.rules.unescape(r.unescaped, in)
		in = nil
	}
	for {
		i := bytes.IndexByte(in, '"')
		if i < 0 {
			break
		}
		r.unescaped = append(r.unescaped, in[:i+1]...)
		in = in[i+2:] // the second quote of the pair is always there
	}
	r.unescaped = append(r.unescaped, in...)
	hi = len(r.unescaped)
	r.unescaped = append(r.unescaped, make([]byte, slack)...)
	return r.unescaped, lo, hi
}

// fail makes the error of a bad record. column is from 0, negative when the
// record as a whole is wrong.
func (r *Record) fail(column int, name, reason string, cause error) *Error {
	e := &Error{
		Line: r.line, Column: column + 1, ColumnName: name, Offset: r.offset,
		Raw: cutRaw(r.Raw(), r.rawLimit), Reason: reason, Err: cause,
	}
	if column >= 0 {
		e.Value = cutValue(r.Field(column))
	}
	return e
}
