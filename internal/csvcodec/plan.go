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
	kindNone kind = iota // cannot be converted
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
	kindText     // encoding.TextUnmarshaler
	kindCSV      // gocsv.TypeUnmarshaller
	kindScan     // database/sql.Scanner,
	kindScanTime // of a time
	kindJSON     // a slice
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
		case p.Implements(typeScanner):
			if isTimeScanner(t) {
				return kindScanTime
			}
			return kindScan
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
	case reflect.Slice:
		return kindJSON
	}
	return kindNone
}

// An op converts one column into one field.
type op struct {
	col  int     // in the record
	off  uintptr // in the struct
	kind kind
	// zero says that an empty value is the zero value (omitempty).
	zero bool
	// fast is kind when nothing but a conversion can be asked for: no pointer, no
	// default, no NULL token; otherwise 0. The commonest kinds are then read in place.
	fast   kind
	ptr    bool // the field is a pointer
	intern *internTable

	typ      reflect.Type // what is stored; for a pointer, what it points to
	fallback []byte       // text for an empty value, with slack behind it; nil for none
	slab     slab         // where pointers point to
	name     string
	number   bool        // the type reads itself, and takes a decimal point and no comma
	times    *timeParser // of this column alone; nil for the plan's
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
	typ    reflect.Type
	fields int // of a record
	header []string
	ops    []op
	reach  []reachOp // fields that no offset leads to
	whole  bool      // the struct takes every column by its own UnmarshalCSVWithFields
	other  bool      // there is more to do than ops
	opts   DecodeOptions
	arena  arena
	times  timeParser
	marks  marksOfNumbers
	nulls  []string // beside opts.Null
	rest   *restOp  // takes the columns that no other field names
	// filled: the ops set every byte of the struct that is not padding, so that
	// it need not be cleared first.
	filled bool
}

// newPlan compiles the struct type t against the header.
func newPlan(t reflect.Type, header []string, o DecodeOptions) (*plan, error) {
	o = o.settled()
	p := &plan{
		typ: t, fields: len(header), header: header, opts: o,
		times: newTimeParser(o.Layout, o.Location), marks: marksOf(o),
	}
	if len(o.Dialect.Null) > 1 {
		p.nulls = o.Dialect.Null[1:]
	}
	if err := checkLayout(o.Layout); err != nil {
		return nil, err
	}
	if reflect.PointerTo(t).Implements(typeWithFields) {
		p.whole, p.other = true, true
		return p, nil
	}
	s, err := shapeOf(t)
	if err != nil {
		return nil, err
	}
	all, err := p.compileAll(s)
	if err != nil {
		return nil, err
	}
	if s.rest != nil && o.OnlyColumns {
		return nil, fmt.Errorf("OnlyColumns has no effect: field %s takes all other columns", s.rest.field)
	}
	match, err := matchHeader(s, header, o)
	if err != nil {
		return nil, err
	}
	for i, k := range match {
		if k < 0 {
			continue
		}
		op := all[k]
		op.col, op.name = i, header[i]
		if !s.columns[k].inline {
			p.reach = append(p.reach, reachOp{op, s.columns[k].index})
			continue
		}
		p.ops = append(p.ops, op)
	}
	if p.rest, err = restOf(s, header, match); err != nil {
		return nil, err
	}
	p.other = len(p.reach) > 0 || p.rest != nil
	p.filled = !p.other && p.fills(t, 0)
	return p, nil
}

// compileAll makes the ops of all columns, also of those that a header lacks: what is
// wrong with a struct does not depend on the file. Options that no field heeds are wrong.
func (p *plan) compileAll(s *shape) ([]op, error) {
	var times, floats bool
	all := make([]op, len(s.columns))
	for i := range s.columns {
		c := &s.columns[i]
		o, err := p.compile(c)
		if err != nil {
			return nil, fmt.Errorf("field %s: column %q: %w", c.field, c.name(), err)
		}
		all[i] = o
		times = times || o.kind == kindTime || o.kind == kindScanTime
		floats = floats || o.number || p.marks.thousands != 0 && o.kind <= kindUint8 || o.kind == kindFloat64 || o.kind == kindFloat32
	}
	switch {
	case p.opts.Layout != "" && !times:
		return nil, fmt.Errorf("a Layout is set, but %s has no field for a time", p.typ)
	case p.opts.Location != nil && !times:
		return nil, fmt.Errorf("a Location is set, but %s has no field for a time", p.typ)
	case p.marks.set && !floats:
		return nil, fmt.Errorf("a mark of numbers (Decimal, Thousands) is set, but %s has no field for a number that could have it", p.typ)
	}
	return all, checkTimes(s, p.opts.Dialect, all)
}

// fills reports whether the ops set every field of t, at off in the struct, to
// a value that owes nothing to the one before.
func (p *plan) fills(t reflect.Type, off uintptr) bool {
	for _, o := range p.ops {
		if o.off == off && o.fast != 0 && o.typ == t && o.kind < kindText {
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

// compile makes the op of one column.
func (p *plan) compile(c *column) (op, error) {
	o := op{off: c.offset, typ: c.typ, name: c.name(), zero: c.omitEmpty}
	o.typ, o.ptr = pointedTo(c.typ)
	if o.kind = decodeKind(o.typ); o.kind == kindNone {
		return o, noConversion(c.typ, "from text to", "UnmarshalText, UnmarshalCSV or Scan")
	}
	if o.kind == kindString {
		o.intern = new(internTable)
	}
	if c.inline && !o.ptr && c.fallback == "" && p.opts.Null == "" && p.nulls == nil && o.kind != kindScan && o.kind != kindScanTime {
		o.fast = o.kind
	}
	if p.marks.set {
		if o.number = p.numberLike(o); p.marks.decimal != '.' && (o.kind == kindFloat64 || o.kind == kindFloat32) || o.number {
			o.fast = 0 // where a point is an error
		}
	}
	var err error
	if o.times, err = columnTimes(c, p.opts.Dialect, p.times, o.kind == kindTime || o.kind == kindScanTime); err != nil {
		return o, err
	}
	if o.times != nil {
		o.fast = 0
	}
	if c.fallback != "" {
		o.fallback = append([]byte(c.fallback), make([]byte, slack)...)[:len(c.fallback)]
		if err := p.try(o); err != nil {
			return o, fmt.Errorf("default: %w", err)
		}
	}
	return o, nil
}

// noConversion says that a type cannot be a column, and what would make it one.
func noConversion(t reflect.Type, way, methods string) error {
	advice := "give the type " + methods
	if inner, _ := pointedTo(t); inner.Kind() == reflect.Array {
		advice = "tag it csv[] with the number of its elements"
	}
	return fmt.Errorf("no conversion %s %s; %s, or tag the field csv:\"-\" to leave it out", way, t, advice)
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
