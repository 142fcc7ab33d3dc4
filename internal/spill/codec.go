package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

// Codec writes records of one type as bytes and reads them back. It is safe for
// use by several goroutines.
type Codec[T any] struct {
	plan plan
}

// NewCodec compiles the codec of T. The error names the type, and the field
// within it, that cannot be written to a file: functions, channels, interfaces,
// types that hold themselves, and structs with unexported fields, unless they have
// MarshalBinary, GobEncode or MarshalText with the methods that read them back.
func NewCodec[T any]() (*Codec[T], error) {
	t := reflect.TypeFor[T]()
	c := compiler{zones: &zones{}}
	p, err := c.plan(t)
	if err != nil {
		return nil, fmt.Errorf("%v cannot be spilled to a file: %w", t, err)
	}
	return &Codec[T]{plan: p}, nil
}

// Append appends the bytes of a record to b.
func (c *Codec[T]) Append(b []byte, record *T) ([]byte, error) {
	switch r := any(record).(type) { // what keys and numbers are mostly made of, without reflection
	case *string:
		return appendString(b, *r), nil
	case *int64:
		return binary.AppendVarint(b, *r), nil
	case *int:
		return binary.AppendVarint(b, int64(*r)), nil
	}
	return c.plan.encode(b, reflect.ValueOf(record).Elem())
}

// Decode reads one record from the beginning of text and returns what comes after it.
// Strings of the record are parts of text. *record must be the zero value.
func (c *Codec[T]) Decode(text string, record *T) (rest string, err error) {
	d := decoder{text: text}
	switch r := any(record).(type) {
	case *string:
		*r = d.string()
	case *int64:
		*r = d.varint()
	case *int:
		*r = int(d.varint())
	default:
		c.plan.decode(&d, reflect.ValueOf(record).Elem())
	}
	return d.text, d.err
}

var errTorn = errors.New("the bytes end within a record")

// decoder takes values off the front of text. After the first error everything is
// zero, so that a plan need not ask after each step.
type decoder struct {
	text string
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.text = ""
}

func (d *decoder) uvarint() uint64 {
	var n uint64
	for i := 0; i < len(d.text); i++ {
		c := d.text[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			d.fail(errors.New("a number has more than 64 bits"))
			return 0
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.text = d.text[i+1:]
			return n
		}
	}
	d.fail(errTorn)
	return 0
}

func (d *decoder) varint() int64 {
	n := d.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// bytes takes n bytes.
func (d *decoder) bytes(n uint64) string {
	if n > uint64(len(d.text)) {
		d.fail(errTorn)
		return ""
	}
	s := d.text[:n]
	d.text = d.text[n:]
	return s
}

func (d *decoder) string() string { return d.bytes(d.uvarint()) }

func (d *decoder) byte() byte {
	if s := d.bytes(1); s != "" {
		return s[0]
	}
	return 0
}

// word takes size bytes, little-endian.
func (d *decoder) word(size uint64) uint64 {
	var n uint64
	for i, s := 0, d.bytes(size); i < len(s); i++ {
		n |= uint64(s[i]) << (8 * i)
	}
	return n
}

// length takes the length of something whose elements take at least least bytes
// each; a length that cannot be is an error before memory is taken for it.
func (d *decoder) length(n, least uint64) int {
	if n > uint64(len(d.text))/least {
		d.fail(errTorn)
		return 0
	}
	return int(n)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
