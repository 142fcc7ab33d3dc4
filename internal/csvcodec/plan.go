package csvcodec

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"
)

// kind says how a value is converted and stored.
type kind uint8

const (
	kindGocsv kind = iota // left to gocsv
	kindInt64
	kindInt32
	kindInt16
	kindInt8
	kindUint64
	kindUint32
	kindUint16
	kindUint8
	kindFloat64
	kindFloat32
	kindBool
	kindString
	kindTime
	kindText // encoding.TextUnmarshaler
	kindCSV  // gocsv.TypeUnmarshaller
)

var typeTime = reflect.TypeFor[time.Time]()

// decodeKind is the way in for a type that is not a pointer.
func decodeKind(t reflect.Type) kind {
	if t == typeTime {
		return kindTime
	}
	// As gocsv: what is exactly a basic type is converted as such, a type of
	// one's own by its methods if it has any.
	if t.PkgPath() != "" || t.Kind() == reflect.Struct {
		p := reflect.PointerTo(t)
		switch {
		case p.Implements(typeUnmarshaler):
			return kindCSV
		case p.Implements(typeTextUnmarshal):
			return kindText
		}
	}
	return basicKind(t)
}

func basicKind(t reflect.Type) kind {
	switch t.Kind() {
	case reflect.Int:
		if t.Size() == 4 {
			return kindInt32
		}
		return kindInt64
	case reflect.Int64:
		return kindInt64
	case reflect.Int32:
		return kindInt32
	case reflect.Int16:
		return kindInt16
	case reflect.Int8:
		return kindInt8
	case reflect.Uint:
		if t.Size() == 4 {
			return kindUint32
		}
		return kindUint64
	case reflect.Uint64:
		return kindUint64
	case reflect.Uint32:
		return kindUint32
	case reflect.Uint16:
		return kindUint16
	case reflect.Uint8:
		return kindUint8
	case reflect.Float64:
		return kindFloat64
	case reflect.Float32:
		return kindFloat32
	case reflect.Bool:
		return kindBool
	case reflect.String:
		return kindString
	}
	return kindGocsv
}

// An op converts one column into one field.
type op struct {
	col  int     // in the record
	off  uintptr // in the struct
	kind kind
	// fast is kind when nothing but a conversion can be asked for: no pointer, no
	// default, no NULL token; otherwise 0. The commonest kinds are then read in place.
	fast   kind
	ptr    bool // the field is a pointer
	intern *internTable

	typ      reflect.Type // what is stored; for a pointer, what it points to
	fallback []byte       // text for an empty value, with slack behind it; nil for none
	slab     slab         // where pointers point to
	name     string
}

// A slab hands out values for pointers, many to an allocation.
type slab struct {
	base unsafe.Pointer
	left int
	size uintptr
	many reflect.Type
}

const slabValues = 256

// next returns a pointer to a new zero value. It keeps the slab's other values
// alive as long as it is kept.
func (s *slab) next(t reflect.Type) unsafe.Pointer {
	if s.left == 0 {
		if s.many == nil {
			s.many, s.size = reflect.ArrayOf(slabValues, t), t.Size()
		}
		// reflect allocates with the type's pointer map, so that the collector
		// sees what the values point to.
		s.base, s.left = reflect.New(s.many).UnsafePointer(), slabValues
	}
	s.left--
	// Within the array: left is below slabValues.
	return unsafe.Add(s.base, uintptr(s.left)*s.size)
}

// A plan is how one struct type is read under one header.
type plan struct {
	typ     reflect.Type
	fields  int // of a record
	header  []string
	ops     []op
	general *general // columns that gocsv decodes; nil when all are compiled
	opts    DecodeOptions
	arena   arena
	times   timeParser
	// filled: the ops set every byte of the struct that is not padding, so that
	// it need not be cleared first.
	filled bool
}

// newPlan compiles the struct type t against the header.
func newPlan(t reflect.Type, header []string, o DecodeOptions) (*plan, error) {
	p := &plan{typ: t, fields: len(header), header: header, opts: o, times: newTimeParser(o.Layout)}
	if reflect.PointerTo(t).Implements(typeWithFields) {
		p.general = &general{typ: t, names: header, whole: true}
		return p, nil
	}
	columns, err := columnsOf(t)
	if err != nil {
		return nil, err
	}
	match, err := matchHeader(columns, header, o.AllowMissing)
	if err != nil {
		return nil, err
	}
	var rest []generalColumn
	for i, k := range match {
		if k < 0 {
			continue
		}
		c := &columns[k]
		op, err := p.compile(c, i, header[i])
		if err != nil {
			return nil, err
		}
		if op.kind == kindGocsv {
			rest = append(rest, generalColumn{index: i, name: header[i], fallback: c.fallback})
			continue
		}
		p.ops = append(p.ops, op)
	}
	if len(rest) > 0 {
		if p.general, err = newGeneral(t, header, rest, o); err != nil {
			return nil, err
		}
	}
	p.filled = p.general == nil && p.fills(t, 0)
	return p, nil
}

// fills reports whether the ops set every field of t, at off in the struct, to
// a value that owes nothing to the one before.
func (p *plan) fills(t reflect.Type, off uintptr) bool {
	for _, o := range p.ops {
		if o.off == off && o.fast != 0 && o.typ == t && o.kind != kindText && o.kind != kindCSV {
			return true
		}
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); !p.fills(f.Type, off+f.Offset) {
			return false
		}
	}
	return true
}

// compile makes the op of one column; of kindGocsv when it is not in the compiled set.
func (p *plan) compile(c *column, col int, name string) (op, error) {
	o := op{col: col, off: c.offset, typ: c.typ, name: name}
	if c.typ.Kind() == reflect.Pointer {
		o.ptr, o.typ = true, c.typ.Elem()
	}
	o.kind = decodeKind(o.typ)
	if o.kind == kindGocsv {
		switch o.typ.Kind() {
		case reflect.Slice, reflect.Struct, reflect.Array, reflect.Pointer:
			// Decided by gocsv, value by value.
		default:
			return o, fmt.Errorf("column %q: no conversion from text to %s", name, c.typ)
		}
	}
	if !c.inline {
		o.kind = kindGocsv
	}
	if o.kind == kindGocsv {
		return o, nil
	}
	if o.kind == kindString {
		o.intern = new(internTable)
	}
	if !o.ptr && c.fallback == "" && p.opts.Null == "" {
		o.fast = o.kind
	}
	if c.fallback != "" {
		o.fallback = append([]byte(c.fallback), make([]byte, slack)...)[:len(c.fallback)]
		if err := p.try(o); err != nil {
			return o, fmt.Errorf("column %q: default: %w", name, err)
		}
	}
	return o, nil
}

// try converts an op's default once, so that a wrong one is found at the start.
func (p *plan) try(o op) error {
	data := o.fallback[:len(o.fallback)+slack]
	into := reflect.New(o.typ)
	if f := p.store(&o, data, 0, len(o.fallback), into.UnsafePointer()); f != nil {
		return fmt.Errorf("%s", f.reason)
	}
	return nil
}
