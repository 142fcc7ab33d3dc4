package csvcodec

import (
	"database/sql/driver"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/gocarina/gocsv"

	"github.com/millrace/millrace/dialect"
)

// EncodeOptions say how records are written. The zero value is RFC 4180 with
// commas and line feeds, as encoding/csv writes.
type EncodeOptions struct {
	// Dialect says the same and more, where it says anything: its fields come before those below.
	Dialect dialect.CSV
	// Columns is the order of the columns, those of a map[string]string among them. Defaults to the fields' order.
	Columns []string
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
	// Location is whose clocks a Layout without an offset shows. Defaults to UTC.
	Location *time.Location
}

// An Encoder writes structs of type T as CSV: one plan, made once for the
// type. Its columns are T's, in T's order, under the first name of each. It is
// for one goroutine.
type Encoder[T any] struct {
	plan *encodePlan
}

// NewEncoder makes the plan for T, a struct.
func NewEncoder[T any](o EncodeOptions) (*Encoder[T], error) {
	p, err := newEncodePlan(reflect.TypeFor[T](), o)
	if err != nil {
		return nil, err
	}
	e := &Encoder[T]{plan: p}
	if _, err := e.AppendHeaderOf(nil, nil); err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	return e, nil
}

// Header returns the columns' names.
func (e *Encoder[T]) Header() []string { return e.plan.header }

// AppendHeaderOf is AppendHeader where a map[string]string takes columns: rec, the first record, says which they are,
// unless Columns did. It may be nil, for none.
func (e *Encoder[T]) AppendHeaderOf(dst []byte, rec *T) ([]byte, error) {
	if p := e.plan; p.rest != nil && rec != nil {
		if err := p.rest.begin(unsafe.Pointer(rec)); err != nil {
			return dst, err
		}
	}
	dst = e.AppendHeader(dst)
	if f := e.plan.form; f != nil && f.fault != nil {
		err := f.fault
		f.fault = nil
		return dst, err
	}
	return dst, nil
}

// AppendHeader appends the columns' names as a record.
func (e *Encoder[T]) AppendHeader(dst []byte) []byte {
	p := e.plan
	for i, name := range p.header {
		if i > 0 {
			dst = p.delimit(dst)
		}
		dst = p.appendText(dst, name)
	}
	if len(p.header) == 1 && p.header[0] == "" {
		dst = p.quoted(dst, "")
	}
	return append(dst, p.lineEnd...)
}

// Append appends one record with its line ending. On error, which names the
// column, dst is returned as it was.
func (e *Encoder[T]) Append(dst []byte, rec *T) ([]byte, error) {
	return e.plan.append(dst, unsafe.Pointer(rec))
}

const (
	kindMarshalCSV  = kindJSON + 1 + iota // gocsv.TypeMarshaller
	kindAppendText                        // encoding.TextAppender
	kindMarshalText                       // encoding.TextMarshaler
	kindStringer                          // fmt.Stringer
	kindValuer                            // database/sql/driver.Valuer
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
		case p.Implements(typeValuer) && p.Implements(typeScanner):
			return kindValuer // as it is read
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
	// index leads to the field where no offset does; holders are what it lies in.
	index   []int
	holders []int
	// nilIsDefault: NULL would be read back as the tag's default.
	nilIsDefault bool
	times        *timeParser // of this column alone; nil for the plan's
	number       bool        // its text is a number with a decimal point, which the dialect's mark replaces
	aside        bool        // of an index, a default, or the map, whose columns have no type here
}

type encodePlan struct {
	header   []string
	ops      []encodeOp
	comma    byte
	commas   uint64
	lineEnd  string
	null     string
	oddComma bool // the delimiter may stand in a number
	typ      reflect.Type
	reach    reachEncoder
	times    timeParser
	scratch  []byte
	form     *form // what the zero dialect does not have; nil for it
	rest     *restEncoder
}

func newEncodePlan(t reflect.Type, o EncodeOptions) (*encodePlan, error) {
	var err error
	if o, err = o.settled(); err != nil {
		return nil, err
	}
	if !validDelimiter(o.Comma) {
		return nil, fmt.Errorf("%q cannot be the delimiter: want an ASCII byte other than a quote or a line end", o.Comma)
	}
	if o.Dialect.Null == nil && strings.ContainsAny(o.Null, "\"\r\n"+string(rune(o.Comma))) {
		return nil, fmt.Errorf("%q cannot stand for NULL: it would have to be in quotes", o.Null)
	}
	if err := checkLayout(o.Layout); err != nil {
		return nil, err
	}
	s, err := shapeOf(t)
	if err != nil {
		return nil, err
	}
	p := &encodePlan{
		typ: t, times: newTimeParser(o.Layout, o.Location), comma: o.Comma, commas: uint64(o.Comma) * loBits,
		oddComma: oddComma(o.Comma), lineEnd: "\n", null: o.Null, form: formOf(o),
	}
	if o.CRLF {
		p.lineEnd = "\r\n"
	}
	if p.form != nil {
		p.oddComma = true
	}
	columns, err := p.order(s, o)
	if err != nil {
		return nil, err
	}
	times := false
	for _, c := range columns {
		if c == nil {
			continue
		}
		op := encodeOp{off: c.offset, name: c.name(), nilIsDefault: c.fallback != ""}
		op.typ, op.ptr = pointedTo(c.typ)
		if op.kind = encodeKind(op.typ); op.kind == kindNone {
			err := noConversion(c.typ, "to text from", "MarshalText, MarshalCSV, String or Value")
			return nil, fmt.Errorf("field %s: column %q: %w", c.field, c.name(), err)
		}
		op.aside = op.nilIsDefault || !c.inline
		if !c.inline {
			op.index, op.off = c.index, 0 // no offset leads there
			op.holders = p.reach.holdersOf(t, c.index, c.name())
		}
		isTime := op.kind == kindTime || op.kind == kindValuer && isTimeScanner(op.typ)
		times = times || isTime
		if op.times, err = columnTimes(c, o.Dialect, p.times, isTime); err != nil {
			return nil, fmt.Errorf("field %s: column %q: %w", c.field, c.name(), err)
		}
		if p.form != nil && p.form.decimal {
			op.number = readsAsNumber(op.typ)
		}
		p.ops = append(p.ops, op)
	}
	p.restOps(columns)
	if (o.Layout != "" || o.Location != nil) && !times {
		return nil, fmt.Errorf("a Layout or a Location is set, but %s has no field for a time", t)
	}
	return p, nil
}

// append appends the record of the struct at base.
func (p *encodePlan) append(dst []byte, base unsafe.Pointer) ([]byte, error) {
	start := len(dst)
	null := false // the last field
	if p.rest != nil {
		if err := p.rest.begin(base); err != nil {
			return dst, err
		}
	}
	for i := range p.ops {
		o := &p.ops[i]
		if i > 0 {
			if p.form == nil {
				dst = append(dst, p.comma)
			} else {
				dst = append(dst, p.form.rules.delimiter...)
			}
		}
		// off is the offset of a field of the struct at base, and kind and ptr
		// tell its type, so this and what is read stay inside the struct.
		src := unsafe.Add(base, o.off)
		if o.aside {
			var err error
			if dst, err = p.appendReach(dst, o, base); err != nil {
				return dst[:start], fmt.Errorf("column %q: %w", o.name, err)
			}
			continue
		}
		if o.ptr {
			if src = *(*unsafe.Pointer)(src); src == nil {
				dst = append(dst, p.null...)
				null = true
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
		if dst, null, err = p.appendOther(dst, o, src); err != nil {
			return dst[:start], fmt.Errorf("column %q: %w", o.name, err)
		}
	}
	if p.reach.names != nil {
		if name, found := p.reach.hidden(); found {
			return dst[:start], fmt.Errorf("column %q: it is part of something whose columns are all empty, "+
				"which would be read back as nil", name)
		}
	}
	if len(p.ops) == 1 && len(dst) == start && !null && p.ops[0].holders == nil {
		dst = p.quoted(dst, "") // a blank line would be NULL
	}
	if p.form != nil { // what the zero dialect is spared
		if err := p.form.check(dst[start:]); err != nil {
			return dst[:start], err
		}
	}
	return append(dst, p.lineEnd...), nil
}

func (p *encodePlan) appendOther(dst []byte, o *encodeOp, src unsafe.Pointer) (out []byte, null bool, err error) {
	start := len(dst)
	switch o.kind {
	case kindString:
		return p.appendString(dst, *(*string)(src), o.ptr), false, nil
	case kindInt64:
		dst = p.appendInt(dst, *(*int64)(src))
	case kindFloat64:
		dst = p.appendFloat(dst, *(*float64)(src))
	case kindInt32:
		dst = p.appendInt(dst, int64(*(*int32)(src)))
	case kindInt16:
		dst = p.appendInt(dst, int64(*(*int16)(src)))
	case kindInt8:
		dst = p.appendInt(dst, int64(*(*int8)(src)))
	case kindUint64:
		dst = p.appendUint(dst, *(*uint64)(src))
	case kindUint32:
		dst = p.appendUint(dst, uint64(*(*uint32)(src)))
	case kindUint16:
		dst = p.appendUint(dst, uint64(*(*uint16)(src)))
	case kindUint8:
		dst = p.appendUint(dst, uint64(*(*uint8)(src)))
	case kindFloat32:
		dst = p.appendFloat32(dst, *(*float32)(src))
	case kindBool:
		if *(*bool)(src) {
			dst = p.appendText(dst, "true")
		} else {
			dst = p.appendText(dst, "false")
		}
	case kindTime:
		times := o.times
		if times == nil {
			times = &p.times
		}
		dst, err = p.appendTime(dst, *(*time.Time)(src), times)
	case kindJSON:
		text, err := appendJSON(o.typ, src)
		if err != nil {
			return dst, false, err
		}
		return p.appendString(dst, string(text), o.ptr), false, nil
	default:
		return p.appendOwn(dst, o, src)
	}
	if o.ptr && err == nil && string(dst[start:]) != "" && p.isNull(string(dst[start:])) {
		err = fmt.Errorf("the value %s is written as NULL is: choose another token", dst[start:])
	}
	return dst, false, err
}

// appendOwn appends what a type's own method says, on a pointer as gocsv calls it.
func (p *encodePlan) appendOwn(dst []byte, o *encodeOp, src unsafe.Pointer) (out []byte, null bool, err error) {
	v := reflect.NewAt(o.typ, src).Interface()
	switch o.kind {
	case kindAppendText:
		if p.scratch, err = v.(encoding.TextAppender).AppendText(p.scratch[:0]); err != nil {
			return dst, false, err
		}
		if o.number {
			return p.appendString(dst, p.form.mark(string(p.scratch)), o.ptr), false, nil
		}
		if p.null == "" && !o.ptr && p.form == nil {
			return p.appendBytes(dst, p.scratch), false, nil
		}
		return p.appendString(dst, string(p.scratch), o.ptr), false, nil
	case kindMarshalText:
		text, err := v.(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return dst, false, err
		}
		if o.number {
			return p.appendString(dst, p.form.mark(string(text)), o.ptr), false, nil
		}
		return p.appendString(dst, string(text), o.ptr), false, nil
	case kindMarshalCSV:
		text, err := v.(gocsv.TypeMarshaller).MarshalCSV()
		if err != nil {
			return dst, false, err
		}
		if o.number {
			text = p.form.mark(text)
		}
		return p.appendString(dst, text, o.ptr), false, nil
	case kindStringer:
		return p.appendString(dst, v.(fmt.Stringer).String(), o.ptr), false, nil
	}
	value, err := v.(driver.Valuer).Value()
	if err != nil {
		return dst, false, err
	}
	if value == nil {
		if o.ptr {
			return dst, false, errors.New("a pointer to NULL would be read back as nil")
		}
		return append(dst, p.null...), true, nil
	}
	return p.appendValue(dst, value, o)
}

// appendValue appends what a driver.Valuer gave, which is not nil.
func (p *encodePlan) appendValue(dst []byte, value any, from *encodeOp) (out []byte, null bool, err error) {
	switch v := value.(type) {
	case string:
		if from.number {
			v = p.form.mark(v)
		}
		return p.appendString(dst, v, true), false, nil
	case []byte:
		return p.appendString(dst, string(v), true), false, nil
	}
	held := reflect.New(reflect.TypeOf(value))
	held.Elem().Set(reflect.ValueOf(value))
	o := encodeOp{kind: encodeKind(held.Elem().Type()), typ: held.Elem().Type(), ptr: true, times: from.times}
	if o.kind == kindNone || o.kind == kindJSON || o.kind == kindValuer {
		return dst, false, fmt.Errorf("its Value is a %T, which has no text", value)
	}
	return p.appendOther(dst, &o, held.UnsafePointer())
}

// appendReach appends a field that no offset leads to, or one whose tag has a default.
func (p *encodePlan) appendReach(dst []byte, o *encodeOp, base unsafe.Pointer) ([]byte, error) {
	if o.typ == nil {
		return p.appendRest(dst, o, base)
	}
	src := unsafe.Add(base, o.off)
	if o.index != nil {
		v, ok := reach(reflect.NewAt(p.typ, base).Elem(), o.index, false)
		if !ok {
			return append(dst, p.null...), nil
		}
		src = v.Addr().UnsafePointer()
	}
	if o.ptr {
		if src = *(*unsafe.Pointer)(src); src == nil {
			if o.nilIsDefault {
				return dst, errors.New("nil would be read back as the default")
			}
			p.reach.note(o.holders, false)
			return append(dst, p.null...), nil
		}
	}
	shown := encodeOp{kind: o.kind, typ: o.typ, ptr: true, times: o.times, number: o.number} // an empty text in quotes
	dst, null, err := p.appendOther(dst, &shown, src)
	if err == nil && null && o.nilIsDefault {
		err = errors.New("NULL would be read back as the default")
	}
	p.reach.note(o.holders, !null)
	return dst, err
}
