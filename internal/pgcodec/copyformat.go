package pgcodec

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"
)

// Format is a format of COPY. An [Encoder] picks it: binary where every value
// has a binary form that is right, text where one goes as text that only the
// server can read.
//
// The binary format
// (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4):
//
//	header   "PGCOPY\n\xff\r\n\x00", flags (4 bytes), length of an extension (4 bytes), extension
//	tuple    number of values (2 bytes), each value: length (4 bytes, -1 is null), bytes
//	trailer  -1 (2 bytes)
//
// The text format: a tuple a line, values between tabs, null is \N; a backslash
// takes the meaning off a backslash, a tab and the ends of lines.
type Format uint8

const (
	// Binary is COPY's format of that name.
	Binary Format = iota
	// Text is COPY's format of that name. Any type has a text form.
	Text
)

// String is the format's name in SQL.
func (f Format) String() string {
	if f == Text {
		return "text"
	}
	return "binary"
}

const copySignature = "PGCOPY\n\xff\r\n\x00"

// AppendHeader appends what a COPY begins with.
func (f Format) AppendHeader(dst []byte) []byte {
	if f == Text {
		return dst
	}
	return append(append(dst, copySignature...), 0, 0, 0, 0, 0, 0, 0, 0)
}

// AppendTrailer appends what a COPY ends with.
func (f Format) AppendTrailer(dst []byte) []byte {
	if f == Text {
		return dst
	}
	return append(dst, 0xff, 0xff)
}

// AppendInt8 adds a value of type bigint to the last tuple of dst, which begins
// at start and has that many values.
func (f Format) AppendInt8(dst []byte, start, values int, v int64) []byte {
	if f == Text {
		dst[len(dst)-1] = '\t'
		return append(strconv.AppendInt(dst, v, 10), '\n')
	}
	binary.BigEndian.PutUint16(dst[start:], uint16(values+1))
	return append8(dst, uint64(v))
}

// FirstNull returns the first of the wanted values (in rising order) of a tuple
// that is null, or -1.
func (f Format) FirstNull(tuple []byte, wanted []int) int {
	rest := tuple
	if f == Binary {
		rest = tuple[2:]
	}
	for i, next := 0, 0; next < len(wanted); i++ {
		var null bool
		null, rest = f.cut(rest)
		if i == wanted[next] {
			if null {
				return i
			}
			next++
		}
	}
	return -1
}

// cut takes the first value off a tuple that an Encoder wrote.
func (f Format) cut(tuple []byte) (null bool, rest []byte) {
	if f == Text {
		end := bytes.IndexAny(tuple, "\t\n")
		return string(tuple[:end]) == textNull, tuple[end+1:]
	}
	size := int32(binary.BigEndian.Uint32(tuple))
	return size < 0, tuple[4+max(size, 0):]
}

const textNull = `\N`

// Code is the format of a single value, as the protocol has it.
func (f Format) Code() int16 {
	if f == Text {
		return pgtype.TextFormatCode
	}
	return pgtype.BinaryFormatCode
}

// Fields takes a tuple that an Encoder wrote apart, as parameters of a statement are; nil is null. Values stay where they
// are, if nothing in them was escaped.
func (f Format) Fields(tuple []byte) [][]byte {
	if f == Text {
		fields := bytes.Split(bytes.TrimSuffix(tuple, []byte("\n")), []byte("\t"))
		for i, field := range fields {
			fields[i] = unescaped(field)
		}
		return fields
	}
	fields := make([][]byte, binary.BigEndian.Uint16(tuple))
	at := 2
	for i := range fields {
		size := int32(binary.BigEndian.Uint32(tuple[at:]))
		at += 4
		if size < 0 {
			continue
		}
		fields[i] = tuple[at : at+int(size) : at+int(size)]
		at += int(size)
	}
	return fields
}

// unescaped is the inverse of appendEscaped; nil for null.
func unescaped(field []byte) []byte {
	if string(field) == textNull {
		return nil
	}
	if bytes.IndexByte(field, '\\') < 0 {
		return field
	}
	text := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' {
			i++
			switch c = field[i]; c {
			case 't':
				c = '\t'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			}
		}
		text = append(text, c)
	}
	return text
}

// appendEscaped appends a value of the text format.
func appendEscaped(dst, text []byte) []byte {
	for {
		i := bytes.IndexAny(text, "\\\t\n\r")
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		c := text[i]
		switch c {
		case '\t':
			c = 't'
		case '\n':
			c = 'n'
		case '\r':
			c = 'r'
		}
		dst = append(dst, '\\', c)
		text = text[i+1:]
	}
}
