package csvcodec

import (
	"reflect"
	"unsafe"
)

// Fields behind pointers to structs and in slices, which no offset leads to. They go by
// reflection, which is slower and for few.

// A reachOp is the op of such a field.
type reachOp struct {
	op
	index []int
}

// reach walks to the field that index leads to from v. Where a pointer is nil or a slice
// too short it makes what is missing, or else reports false.
func reach(v reflect.Value, index []int, grow bool) (reflect.Value, bool) {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !grow {
					return v, false
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Struct:
			v = v.Field(i)
		case reflect.Slice:
			if i >= v.Len() {
				if !grow {
					return v, false
				}
				longer := reflect.MakeSlice(v.Type(), i+1, i+1)
				reflect.Copy(longer, v)
				v.Set(longer)
			}
			v = v.Index(i)
		default:
			v = v.Index(i)
		}
	}
	return v, true
}

// decodeReach sets the fields behind pointers and in slices. A pointer is nil, and a
// slice ends, where all of its columns are NULL: so are they written.
func (p *plan) decodeReach(rec *Record, base unsafe.Pointer) *Error {
	root := reflect.NewAt(p.typ, base).Elem() // base is a variable of this type, which the caller holds
	for _, present := range []bool{true, false} {
		for i := range p.reach {
			o := &p.reach[i]
			if p.present(rec, &o.op) != present {
				continue
			}
			if v, ok := reach(root, o.index, present); ok {
				if e := p.setAt(rec, &o.op, v.Addr().UnsafePointer()); e != nil {
					return e
				}
			}
		}
	}
	return nil
}

// present tells a value, or a default, from NULL.
func (p *plan) present(rec *Record, o *op) bool {
	sp := rec.spans[o.col]
	null := sp == missing || !sp.quoted() && p.isNull(rec.data[sp.lo():sp.hi()])
	return o.fallback != nil && (null || sp.lo() == sp.hi()) || !null
}

// A reachEncoder follows, for one record, which pointers and elements are there and
// whether some column of theirs says so. What all columns leave empty would be read back
// as nil, or not at all.
type reachEncoder struct {
	holders map[string]int // the path of a pointer or an element
	names   []string
	there   []bool
	shown   []bool
}

// holdersOf lists what stands between the struct and the field that index leads to.
func (e *reachEncoder) holdersOf(t reflect.Type, index []int, name string) (holders []int) {
	for at, i := range index {
		inSlice := false
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
			holders = append(holders, e.holder(index[:at], name))
		}
		switch t.Kind() {
		case reflect.Struct:
			t = t.Field(i).Type
		default:
			inSlice = t.Kind() == reflect.Slice
			t = t.Elem()
		}
		if inSlice {
			holders = append(holders, e.holder(append(index[:at:at], i, -1), name))
		}
	}
	return holders
}

func (e *reachEncoder) holder(path []int, name string) int {
	key := ""
	for _, i := range path {
		key += string(rune(i+2)) + ","
	}
	if e.holders == nil {
		e.holders = map[string]int{}
	}
	h, ok := e.holders[key]
	if !ok {
		h = len(e.names)
		e.holders[key] = h
		e.names = append(e.names, name)
		e.there, e.shown = append(e.there, false), append(e.shown, false)
	}
	return h
}

// note says that a field is there, and whether it shows in its column.
func (e *reachEncoder) note(holders []int, shown bool) {
	for _, h := range holders {
		e.there[h] = true
		e.shown[h] = e.shown[h] || shown
	}
}

// hidden returns the first column of something that is there and that no column shows.
func (e *reachEncoder) hidden() (name string, found bool) {
	for h, there := range e.there {
		if there && !e.shown[h] && !found {
			name, found = e.names[h], true
		}
		e.there[h], e.shown[h] = false, false
	}
	return name, found
}
