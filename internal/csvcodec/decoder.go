package csvcodec

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/gocarina/gocsv"

	"github.com/millrace/millrace/dialect"
)

// DecodeOptions say how values are read. The zero value is strict.
type DecodeOptions struct {
	// Dialect says the same and more, where it says anything: its fields come before those below.
	Dialect dialect.CSV
	// OnlyColumns refuses a header with columns that the struct does not name.
	OnlyColumns bool
	// Null is the text that means NULL: a pointer field becomes nil. Defaults to
	// the empty text. A text in quotes is never NULL for a pointer to a string
	// (so "" is the empty string and nothing is NULL, as in Postgres); for other
	// pointers quotes make no difference. With a Null that is not empty, NULL in a field that
	// is not a pointer is an error.
	Null string
	// Layout is how time.Time values are written, as for [time.Parse]. Defaults
	// to any of RFC 3339, a date, and a date and time (see the package comment).
	Layout string
	// Location is where the clocks stood that showed the times without an offset. A time
	// that they skipped is an error; of one that they showed twice the first is meant; a
	// date is the beginning of its day. Defaults to UTC.
	Location *time.Location
	// DecimalComma reads the comma in a float as its decimal mark, and then a point is an
	// error. By default the comma is one: 1,234 is a thousand or one and a bit, and the
	// file does not say which.
	DecimalComma bool
	// AllowInvalidText lets NUL bytes and invalid UTF-8 into strings. By default
	// they are errors; a Postgres text can hold neither.
	AllowInvalidText bool
	// AllowMissing lets the header lack columns that the struct names; their
	// fields stay zero.
	AllowMissing bool
}

// A Decoder reads records into structs of type T: one plan, made once for the
// type and the header. It is for one goroutine; make one for each.
//
// The strings that it makes lie together in blocks of up to 64 KiB, and the
// values behind pointers in slabs of 256: keeping one keeps its block. What is
// to outlive its batch by far, as a key in a map does, should be copied with
// strings.Clone.
type Decoder[T any] struct {
	plan *plan
}

// NewDecoder makes the plan for T, a struct, under a header. Columns of the
// header that T does not name are ignored and not decoded. A [*HeaderError]
// says which columns are missing, or appear twice; other errors are about T.
func NewDecoder[T any](header []string, o DecodeOptions) (*Decoder[T], error) {
	p, err := newPlan(reflect.TypeFor[T](), header, o)
	if err != nil {
		return nil, err
	}
	return &Decoder[T]{plan: p}, nil
}

// Decode sets *dst to what the record says; fields that no column names become
// zero. The error, if any, is an [*Error], and *dst is then undefined. Nothing
// in *dst refers to the record afterwards.
func (d *Decoder[T]) Decode(rec *Record, dst *T) error {
	if !d.plan.filled {
		clear(unsafe.Slice(dst, 1))
	}
	if e := d.plan.decode(rec, unsafe.Pointer(dst)); e != nil {
		return e
	}
	return nil
}

// decode sets the struct at base, which is zero unless the plan fills it.
func (p *plan) decode(rec *Record, base unsafe.Pointer) *Error {
	if len(rec.spans) != p.fields && !p.fit(rec) {
		return rec.fail(-1, "", fieldCount(rec, p.fields), ErrFieldCount)
	}
	if p.other {
		if p.whole {
			return p.decodeWhole(rec, base)
		}
		if p.rest != nil {
			if e := p.decodeRest(rec, base); e != nil {
				return e
			}
		}
		if e := p.decodeReach(rec, base); e != nil {
			return e
		}
	}
	if rec.escapes {
		for i := range p.ops {
			if e := p.set(rec, &p.ops[i], base); e != nil {
				return e
			}
		}
		return nil
	}
	data := rec.data
	for i := range p.ops {
		o := &p.ops[i]
		sp := rec.spans[o.col]
		lo, hi := sp.lo(), sp.hi()
		// off is the offset of a field of the struct at base, and kind tells its
		// type, so this and what is stored stay inside the struct.
		dst := unsafe.Add(base, o.off)
		switch o.fast {
		case kindInt64:
			if n := uint(hi - lo); n-1 < 8 {
				if v, ok := digits8(leading8(data, lo, int(n))); ok {
					*(*int64)(dst) = int64(v)
					continue
				}
			}
		case kindFloat64:
			if n := uint(hi - lo); n-1 < 8 {
				if v, ok := shortFloat(load8(data, lo), n); ok {
					*(*float64)(dst) = v
					continue
				}
			}
		case kindString:
			if s, f := p.text(o.intern, data, lo, hi); f == nil {
				*(*string)(dst) = s
				continue
			}
		case kindTime:
			if hi-lo == len(time.DateOnly) && p.times.dates {
				if seconds, ok := parseDate(data, lo); ok {
					*(*time.Time)(dst) = time.Unix(seconds, 0).UTC()
					continue
				}
			}
		}
		if e := p.set(rec, o, base); e != nil {
			return e
		}
	}
	return nil
}

// set converts one field by all the rules.
func (p *plan) set(rec *Record, o *op, base unsafe.Pointer) *Error {
	return p.setAt(rec, o, unsafe.Add(base, o.off)) // as in decode
}

// setAt is set where the field is at dst.
func (p *plan) setAt(rec *Record, o *op, dst unsafe.Pointer) *Error {
	sp := rec.spans[o.col]
	data, lo, hi := rec.locate(sp)
	if o.fast == 0 {
		done, f := p.setNull(o, sp, &data, &lo, &hi, dst)
		if f != nil {
			return rec.fail(o.col, o.name, f.reason, f.cause)
		}
		if done {
			return nil
		}
		if o.ptr {
			v := o.slab.next(o.typ)
			*(*unsafe.Pointer)(dst) = v
			dst = v
		}
	}
	if lo == hi && o.zero {
		reflect.NewAt(o.typ, dst).Elem().SetZero()
		return nil
	}
	if f := p.store(o, data, lo, hi, dst); f != nil {
		return rec.fail(o.col, o.name, f.reason, f.cause)
	}
	return nil
}

// setNull deals with a value that is empty or NULL: it replaces an empty one by the
// default, and reports that a NULL is done. In quotes a text is a text, to whatever takes
// any; a number in quotes is as one without.
func (p *plan) setNull(o *op, sp span, data *[]byte, lo, hi *int, dst unsafe.Pointer) (done bool, f *fault) {
	text := sp.quoted() && (o.kind == kindString || o.kind >= kindText)
	empty := *lo == *hi
	null := sp == missing || p.isNull((*data)[*lo:*hi])
	switch {
	case text:
		return false, nil
	case (empty || null) && o.fallback != nil:
		*data, *lo, *hi = o.fallback[:len(o.fallback)+slack], 0, len(o.fallback)
		return false, nil
	case (empty || null) && o.zero:
		*hi = *lo
		return o.ptr || o.kind == kindScan || o.kind == kindScanTime, nil
	case !null:
		return false, nil
	case o.ptr:
		return true, nil
	case o.kind == kindScan || o.kind == kindScanTime:
		return true, scanNull(o, dst)
	case !empty:
		return false, &fault{quoteValue((*data)[*lo:*hi]) + " means NULL, but the field is not a pointer", ErrNull}
	}
	return false, nil
}

// emptyFault says that nothing stands where a value is wanted.
func emptyFault() *fault {
	return &fault{"is empty; for NULL use a pointer, for a value say omitempty or default= in its csv tag", ErrNoValue}
}

func fieldCount(rec *Record, want int) string {
	got, s := len(rec.spans), "s"
	if got == 1 {
		s = ""
	}
	reason := fmt.Sprintf("%d field%s, but the header has %d", got, s, want)
	if last := rec.spans[got-1]; got == want+1 && last.lo() == last.hi() && !last.quoted() {
		reason += "; the line ends in a delimiter and the header does not: set Dialect.Ragged to pass over it"
	} else if got < want {
		reason += "; Dialect.Ragged reads missing fields as NULL"
	}
	if raw := rec.Raw(); bytes.Count(raw[:len(raw)-1], lineFeed) > 0 {
		last := rec.line + bytes.Count(raw[:len(raw)-1], lineFeed)
		reason += fmt.Sprintf("; a quoted field makes one record of lines %d to %d", rec.line, last)
	}
	return reason
}

// A fault is a value that cannot be converted.
type fault struct {
	reason string
	cause  error
}

// store converts the text data[lo:hi], which has slack bytes behind it, and
// stores it at dst, which is a variable of the op's type.
func (p *plan) store(o *op, data []byte, lo, hi int, dst unsafe.Pointer) *fault {
	if p.marks.set && (o.number || o.kind <= kindFloat32) {
		return p.storeMarked(o, data, lo, hi, dst)
	}
	return p.storePlain(o, data, lo, hi, dst)
}

// storePlain is store where numbers have no marks but a decimal point.
func (p *plan) storePlain(o *op, data []byte, lo, hi int, dst unsafe.Pointer) *fault {
	switch o.kind {
	case kindInt64:
		v, ok := parseInt(data, lo, hi)
		if !ok && o.typ == typeDuration {
			v, ok = parseDuration(data[lo:hi])
		}
		if !ok {
			return intFault(data[lo:hi], "int64", 64)
		}
		*(*int64)(dst) = v
	case kindInt32:
		v, ok := parseInt(data, lo, hi)
		if !ok || v != int64(int32(v)) {
			return intFault(data[lo:hi], "int32", 32)
		}
		*(*int32)(dst) = int32(v)
	case kindInt16:
		v, ok := parseInt(data, lo, hi)
		if !ok || v != int64(int16(v)) {
			return intFault(data[lo:hi], "int16", 16)
		}
		*(*int16)(dst) = int16(v)
	case kindInt8:
		v, ok := parseInt(data, lo, hi)
		if !ok || v != int64(int8(v)) {
			return intFault(data[lo:hi], "int8", 8)
		}
		*(*int8)(dst) = int8(v)
	case kindUint64:
		v, ok := parseUint(data, lo, hi)
		if !ok {
			return uintFault(data[lo:hi], "uint64", 64)
		}
		*(*uint64)(dst) = v
	case kindUint32:
		v, ok := parseUint(data, lo, hi)
		if !ok || v != uint64(uint32(v)) {
			return uintFault(data[lo:hi], "uint32", 32)
		}
		*(*uint32)(dst) = uint32(v)
	case kindUint16:
		v, ok := parseUint(data, lo, hi)
		if !ok || v != uint64(uint16(v)) {
			return uintFault(data[lo:hi], "uint16", 16)
		}
		*(*uint16)(dst) = uint16(v)
	case kindUint8:
		v, ok := parseUint(data, lo, hi)
		if !ok || v != uint64(uint8(v)) {
			return uintFault(data[lo:hi], "uint8", 8)
		}
		*(*uint8)(dst) = uint8(v)
	case kindFloat64:
		v, ok := parseFloat64(data, lo, hi)
		if !ok {
			var err error
			if v, err = parseFloatSlow(data[lo:hi], 64); err != nil {
				return floatFault(data[lo:hi], "float64", err)
			}
		}
		*(*float64)(dst) = v
	case kindFloat32:
		v, err := parseFloatSlow(data[lo:hi], 32)
		if err != nil {
			return floatFault(data[lo:hi], "float32", err)
		}
		*(*float32)(dst) = float32(v)
	case kindBool:
		v, ok := parseBool(data[lo:hi])
		if !ok && lo == hi {
			return emptyFault()
		}
		if !ok {
			return &fault{quoteValue(data[lo:hi]) + " is not a boolean", ErrSyntax}
		}
		*(*bool)(dst) = v
	case kindString:
		s, f := p.text(o.intern, data, lo, hi)
		if f != nil {
			return f
		}
		*(*string)(dst) = s
	case kindTime:
		v, f := p.timesOf(o).parse(data, lo, hi)
		if f != nil {
			return f
		}
		*(*time.Time)(dst) = v
	case kindText:
		// A pointer in an interface is the pointer itself: nothing is allocated.
		v := reflect.NewAt(o.typ, dst).Interface().(encoding.TextUnmarshaler)
		if err := v.UnmarshalText(data[lo:hi:hi]); err != nil {
			if lo == hi {
				return emptyFault()
			}
			return ownFault(o.name, data[lo:hi], err)
		}
	case kindCSV:
		v := reflect.NewAt(o.typ, dst).Interface().(gocsv.TypeUnmarshaller)
		if err := v.UnmarshalCSV(p.arena.clone(data, lo, hi)); err != nil {
			if lo == hi {
				return emptyFault()
			}
			return ownFault(o.name, data[lo:hi], err)
		}
	case kindScan, kindScanTime:
		return p.scan(o, data, lo, hi, dst)
	case kindJSON:
		if !p.opts.AllowInvalidText {
			if f := checkText(data, lo, hi); f != nil {
				return f
			}
		}
		return readJSON(o, data[lo:hi], dst)
	default:
		return &fault{"no conversion", errors.ErrUnsupported}
	}
	return nil
}
