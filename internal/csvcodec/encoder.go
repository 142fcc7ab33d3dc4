package csvcodec

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/gocarina/gocsv"
)

// EncodeOptions say how records are written. The zero value is RFC 4180 with
// commas and line feeds, as encoding/csv writes.
type EncodeOptions struct {
	// Comma is the delimiter, one ASCII byte. Defaults to ','.
	Comma byte
	// CRLF ends records in \r\n. By default they end in \n. Line ends inside
	// fields stay as they are.
	CRLF bool
	// Null is what a nil pointer is written as, never in quotes. Defaults to
	// nothing. A string that is the same text is written in quotes, and with the default
	// so is an empty string behind a pointer, so that it is not taken for NULL.
	// Choose a token that is no other value.
	Null string
	// Layout is how time.Time values are written, as for [time.Time.Format].
	// Defaults to RFC 3339 with as many digits of the second as are needed.
	Layout string
}

// An Encoder writes structs of type T as CSV: one plan, made once for the
// type. Its columns are T's, in T's order, under the first name of each. It is
// for one goroutine.
type Encoder[T any] struct {
	plan *encodePlan
	one  []T // for gocsv, which writes slices
}

// NewEncoder makes the plan for T, a struct.
func NewEncoder[T any](o EncodeOptions) (*Encoder[T], error) {
	p, err := newEncodePlan(reflect.TypeFor[T](), o)
	if err != nil {
		return nil, err
	}
	return &Encoder[T]{plan: p}, nil
}

// Header returns the columns' names.
func (e *Encoder[T]) Header() []string { return e.plan.header }

// AppendHeader appends the columns' names as a record.
func (e *Encoder[T]) AppendHeader(dst []byte) []byte {
	p := e.plan
	for i, name := range p.header {
		if i > 0 {
			dst = append(dst, p.comma)
		}
		dst = p.appendText(dst, name)
	}
	if len(p.header) == 1 && p.header[0] == "" {
		dst = append(dst, `""`...)
	}
	return append(dst, p.lineEnd...)
}

// Append appends one record with its line ending. On error, which names the
// column, dst is returned as it was.
func (e *Encoder[T]) Append(dst []byte, rec *T) ([]byte, error) {
	if e.plan.general {
		e.one = append(e.one[:0], *rec)
		if err := e.plan.marshalGeneral(e.one); err != nil {
			return dst, err
		}
		clear(e.one)
	}
	return e.plan.append(dst, unsafe.Pointer(rec))
}

const (
	kindMarshalCSV  = kindCSV + 1 + iota // gocsv.TypeMarshaller
	kindAppendText                       // encoding.TextAppender
	kindMarshalText                      // encoding.TextMarshaler
	kindStringer                         // fmt.Stringer
)

var (
	typeAppender = reflect.TypeFor[encoding.TextAppender]()
	typeStringer = reflect.TypeFor[fmt.Stringer]()
)

// encodeKind is the way out for a type that is not a pointer, in gocsv's order of preference.
func encodeKind(t reflect.Type) kind {
	if t == typeTime {
		return kindTime
	}
	if t.PkgPath() != "" || t.Kind() == reflect.Struct {
		p := reflect.PointerTo(t)
		switch {
		case p.Implements(typeMarshaler):
			return kindMarshalCSV
		case p.Implements(typeTextMarshal):
			if p.Implements(typeAppender) {
				return kindAppendText // the same text, by its contract, without an allocation
			}
			return kindMarshalText
		case p.Implements(typeStringer):
			return kindStringer
		}
	}
	return basicKind(t)
}

// An encodeOp writes one field.
type encodeOp struct {
	off  uintptr
	kind kind
	ptr  bool
	typ  reflect.Type // of the value, or of what the pointer points to
	name string
}

type encodePlan struct {
	header   []string
	ops      []encodeOp
	comma    byte
	commas   uint64
	lineEnd  string
	null     string
	layout   string
	oddComma bool   // the delimiter may stand in a number
	general  bool   // some op is left to gocsv
	row      rowTap // what gocsv made of the record
	scratch  []byte
}

func newEncodePlan(t reflect.Type, o EncodeOptions) (*encodePlan, error) {
	if o.Comma == 0 {
		o.Comma = ','
	}
	if !validDelimiter(o.Comma) {
		return nil, fmt.Errorf("%q cannot be the delimiter: want an ASCII byte other than a quote or a line end", o.Comma)
	}
	if strings.ContainsAny(o.Null, "\"\r\n"+string(rune(o.Comma))) {
		return nil, fmt.Errorf("%q cannot stand for NULL: it would have to be in quotes", o.Null)
	}
	columns, err := columnsOf(t)
	if err != nil {
		return nil, err
	}
	p := &encodePlan{comma: o.Comma, commas: uint64(o.Comma) * loBits, oddComma: oddComma(o.Comma), lineEnd: "\n", null: o.Null, layout: o.Layout}
	if o.CRLF {
		p.lineEnd = "\r\n"
	}
	for _, c := range columns {
		op := encodeOp{off: c.offset, typ: c.typ, name: c.name()}
		if c.typ.Kind() == reflect.Pointer {
			op.ptr, op.typ = true, c.typ.Elem()
		}
		if op.kind = encodeKind(op.typ); !c.inline {
			op.kind = kindGocsv
		}
		if op.kind == kindGocsv {
			p.general = true
		}
		p.header = append(p.header, c.name())
		p.ops = append(p.ops, op)
	}
	return p, nil
}

// append appends the record of the struct at base.
func (p *encodePlan) append(dst []byte, base unsafe.Pointer) ([]byte, error) {
	start := len(dst)
	for i := range p.ops {
		o := &p.ops[i]
		if i > 0 {
			dst = append(dst, p.comma)
		}
		// off is the offset of a field of the struct at base, and kind and ptr
		// tell its type, so this and what is read stay inside the struct.
		src := unsafe.Add(base, o.off)
		if o.ptr && o.kind != kindGocsv {
			if src = *(*unsafe.Pointer)(src); src == nil {
				dst = append(dst, p.null...)
				continue
			}
		}
		switch o.kind {
		case kindString:
			dst = p.appendString(dst, *(*string)(src), o.ptr)
			continue
		case kindInt64:
			dst = p.appendInt(dst, *(*int64)(src))
			continue
		case kindFloat64:
			dst = p.appendFloat(dst, *(*float64)(src))
			continue
		}
		var err error
		if dst, err = p.appendOther(dst, o, i, src); err != nil {
			return dst[:start], fmt.Errorf("column %q: %w", o.name, err)
		}
	}
	if len(p.ops) == 1 && len(dst) == start {
		dst = append(dst, `""`...) // a blank line would be no record
	}
	return append(dst, p.lineEnd...), nil
}

func (p *encodePlan) appendOther(dst []byte, o *encodeOp, i int, src unsafe.Pointer) ([]byte, error) {
	switch o.kind {
	case kindInt32:
		return p.appendInt(dst, int64(*(*int32)(src))), nil
	case kindInt16:
		return p.appendInt(dst, int64(*(*int16)(src))), nil
	case kindInt8:
		return p.appendInt(dst, int64(*(*int8)(src))), nil
	case kindUint64:
		return p.appendUint(dst, *(*uint64)(src)), nil
	case kindUint32:
		return p.appendUint(dst, uint64(*(*uint32)(src))), nil
	case kindUint16:
		return p.appendUint(dst, uint64(*(*uint16)(src))), nil
	case kindUint8:
		return p.appendUint(dst, uint64(*(*uint8)(src))), nil
	case kindFloat32:
		return p.appendFloat32(dst, *(*float32)(src)), nil
	case kindBool:
		if *(*bool)(src) {
			return p.appendText(dst, "true"), nil
		}
		return p.appendText(dst, "false"), nil
	case kindTime:
		return p.appendTime(dst, *(*time.Time)(src))
	case kindGocsv:
		return p.appendText(dst, p.row.fields[i]), nil
	}
	// The type's own method, on a pointer as gocsv calls it.
	v := reflect.NewAt(o.typ, src).Interface()
	var err error
	switch o.kind {
	case kindAppendText:
		if p.scratch, err = v.(encoding.TextAppender).AppendText(p.scratch[:0]); err != nil {
			return dst, err
		}
		return p.appendBytes(dst, p.scratch), nil
	case kindMarshalText:
		text, err := v.(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return dst, err
		}
		return p.appendBytes(dst, text), nil
	case kindMarshalCSV:
		text, err := v.(gocsv.TypeMarshaller).MarshalCSV()
		if err != nil {
			return dst, err
		}
		return p.appendText(dst, text), nil
	default:
		return p.appendText(dst, v.(fmt.Stringer).String()), nil
	}
}

// marshalGeneral has gocsv write the record in rows, a slice of one, for the
// columns that are its business.
func (p *encodePlan) marshalGeneral(rows any) (err error) {
	defer recoverTo(&err)
	if err := gocsv.MarshalCSVWithoutHeaders(rows, &p.row); err != nil {
		return err
	}
	if len(p.row.fields) != len(p.ops) {
		return fmt.Errorf("gocsv wrote %d fields where %d were expected", len(p.row.fields), len(p.ops))
	}
	return nil
}

// rowTap is a gocsv.CSVWriter that keeps the row.
type rowTap struct{ fields []string }

func (r *rowTap) Write(row []string) error {
	r.fields = append(r.fields[:0], row...)
	return nil
}
func (r *rowTap) Flush()       {}
func (r *rowTap) Error() error { return nil }
