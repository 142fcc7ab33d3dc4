package csvcodec

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

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
