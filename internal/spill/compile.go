package spill

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// plan is how values of one type are written and read.
type plan struct {
	encode func(b []byte, v reflect.Value) ([]byte, error)
	decode func(d *decoder, v reflect.Value) // v is settable and zero
	least  uint64                            // bytes that a value takes at least
}

// compiler makes plans. within are the types that it is inside of.
type compiler struct {
	zones  *zones
	within []reflect.Type
}

var timeType = reflect.TypeFor[time.Time]()

func (c *compiler) plan(t reflect.Type) (plan, error) {
	if t == timeType {
		return c.zones.plan(), nil
	}
	if slices.Contains(c.within, t) {
		return plan{}, fmt.Errorf("%v holds itself", t)
	}
	c.within = append(c.within, t)
	defer func() { c.within = c.within[:len(c.within)-1] }()
	p, err := c.composed(t)
	if err != nil {
		// Only where its fields will not do: they keep nil and NaN, text may not.
		if p, ok := marshalerPlan(t); ok {
			return p, nil
		}
		return plan{}, err
	}
	if p.least == 0 {
		return atLeastOne(p), nil
	}
	return p, nil
}

// atLeastOne adds a byte to values that take none, such as struct{}: that the length of
// a list cannot exceed what is left of the bytes is what bounds the memory taken for it.
func atLeastOne(p plan) plan {
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) { return p.encode(append(b, 0), v) },
		func(d *decoder, v reflect.Value) {
			d.byte()
			p.decode(d, v)
		}, 1,
	}
}

func (c *compiler) composed(t reflect.Type) (plan, error) {
	if p, ok := scalarPlan(t); ok {
		return p, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.pointer(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return bytesPlan(t), nil
		}
		return c.slice(t)
	case reflect.Array:
		return c.array(t)
	case reflect.Map:
		return c.mapping(t)
	case reflect.Struct:
		return c.structure(t)
	}
	return plan{}, fmt.Errorf("%v is of a kind that no file can hold", t)
}

func scalarPlan(t reflect.Type) (plan, bool) {
	switch t.Kind() {
	case reflect.Bool:
		return plan{
			func(b []byte, v reflect.Value) ([]byte, error) {
				if v.Bool() {
					return append(b, 1), nil
				}
				return append(b, 0), nil
			},
			func(d *decoder, v reflect.Value) { v.SetBool(d.byte() != 0) }, 1,
		}, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return plan{
			func(b []byte, v reflect.Value) ([]byte, error) { return binary.AppendVarint(b, v.Int()), nil },
			func(d *decoder, v reflect.Value) { v.SetInt(d.varint()) }, 1,
		}, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return plan{
			func(b []byte, v reflect.Value) ([]byte, error) { return binary.AppendUvarint(b, v.Uint()), nil },
			func(d *decoder, v reflect.Value) { v.SetUint(d.uvarint()) }, 1,
		}, true
	case reflect.Float32, reflect.Float64:
		// A float32 goes as the float64 it equals, which also keeps what a NaN says.
		return plan{
			func(b []byte, v reflect.Value) ([]byte, error) {
				return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float())), nil
			},
			func(d *decoder, v reflect.Value) { v.SetFloat(math.Float64frombits(d.word(8))) }, 8,
		}, true
	case reflect.Complex64, reflect.Complex128:
		return plan{
			func(b []byte, v reflect.Value) ([]byte, error) {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(real(v.Complex())))
				return binary.LittleEndian.AppendUint64(b, math.Float64bits(imag(v.Complex()))), nil
			},
			func(d *decoder, v reflect.Value) {
				re := math.Float64frombits(d.word(8))
				v.SetComplex(complex(re, math.Float64frombits(d.word(8))))
			}, 16,
		}, true
	case reflect.String:
		return plan{
			func(b []byte, v reflect.Value) ([]byte, error) { return appendString(b, v.String()), nil },
			func(d *decoder, v reflect.Value) { v.SetString(d.string()) }, 1,
		}, true
	}
	return plan{}, false
}

// bytesPlan writes 0 for nil, else one more than the length.
func bytesPlan(t reflect.Type) plan {
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(b, 0), nil
			}
			return append(binary.AppendUvarint(b, uint64(v.Len())+1), v.Bytes()...), nil
		},
		func(d *decoder, v reflect.Value) {
			if n := d.uvarint(); n > 0 {
				text := d.bytes(n - 1)
				v.Set(reflect.MakeSlice(t, len(text), len(text)))
				reflect.Copy(v, reflect.ValueOf(text))
			}
		}, 1,
	}
}

func (c *compiler) pointer(t reflect.Type) (plan, error) {
	elem, err := c.plan(t.Elem())
	if err != nil {
		return plan{}, err
	}
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(b, 0), nil
			}
			return elem.encode(append(b, 1), v.Elem())
		},
		func(d *decoder, v reflect.Value) {
			if d.byte() == 0 {
				return
			}
			to := reflect.New(t.Elem())
			elem.decode(d, to.Elem())
			v.Set(to.Convert(t))
		}, 1,
	}, nil
}

func (c *compiler) slice(t reflect.Type) (plan, error) {
	elem, err := c.plan(t.Elem())
	if err != nil {
		return plan{}, err
	}
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(b, 0), nil
			}
			b = binary.AppendUvarint(b, uint64(v.Len())+1)
			return encodeElements(b, v, elem)
		},
		func(d *decoder, v reflect.Value) {
			n := d.uvarint()
			if n == 0 {
				return
			}
			size := d.length(n-1, elem.least)
			if d.err != nil {
				return
			}
			v.Set(reflect.MakeSlice(t, size, size))
			decodeElements(d, v, elem)
		}, 1,
	}, nil
}

func (c *compiler) array(t reflect.Type) (plan, error) {
	elem, err := c.plan(t.Elem())
	if err != nil {
		return plan{}, err
	}
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) { return encodeElements(b, v, elem) },
		func(d *decoder, v reflect.Value) { decodeElements(d, v, elem) },
		elem.least * uint64(t.Len()),
	}, nil
}

func encodeElements(b []byte, v reflect.Value, elem plan) (_ []byte, err error) {
	for i := range v.Len() {
		if b, err = elem.encode(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func decodeElements(d *decoder, v reflect.Value, elem plan) {
	for i := 0; i < v.Len() && d.err == nil; i++ {
		elem.decode(d, v.Index(i))
	}
}

func (c *compiler) mapping(t reflect.Type) (plan, error) {
	key, err := c.plan(t.Key())
	if err != nil {
		return plan{}, err
	}
	elem, err := c.plan(t.Elem())
	if err != nil {
		return plan{}, err
	}
	return plan{
		func(b []byte, v reflect.Value) (_ []byte, err error) {
			if v.IsNil() {
				return append(b, 0), nil
			}
			b = binary.AppendUvarint(b, uint64(v.Len())+1)
			for iter := v.MapRange(); iter.Next(); {
				if b, err = key.encode(b, iter.Key()); err != nil {
					return nil, err
				}
				if b, err = elem.encode(b, iter.Value()); err != nil {
					return nil, err
				}
			}
			return b, nil
		},
		func(d *decoder, v reflect.Value) {
			n := d.uvarint()
			if n == 0 {
				return
			}
			size := d.length(n-1, key.least+elem.least)
			if d.err != nil {
				return
			}
			made := reflect.MakeMapWithSize(t, size)
			for i := 0; i < size && d.err == nil; i++ {
				k, e := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
				key.decode(d, k)
				elem.decode(d, e)
				made.SetMapIndex(k, e)
			}
			v.Set(made)
		}, 1,
	}, nil
}

func (c *compiler) structure(t reflect.Type) (plan, error) {
	type field struct {
		plan
		index int
	}
	var fields []field
	var least uint64
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			continue
		}
		if !f.IsExported() && (!f.Anonymous || f.Type.Kind() != reflect.Struct) {
			return plan{}, fmt.Errorf("field %s of %v is not exported", f.Name, t)
		}
		p, err := c.plan(f.Type)
		if !f.IsExported() { // an embedded struct: its fields may be set, its methods not be called
			p, err = c.structure(f.Type)
		}
		if err != nil {
			return plan{}, fmt.Errorf("field %s of %v: %w", f.Name, t, err)
		}
		fields = append(fields, field{p, i})
		least += p.least
	}
	return plan{
		func(b []byte, v reflect.Value) (_ []byte, err error) {
			for i := range fields {
				if b, err = fields[i].encode(b, v.Field(fields[i].index)); err != nil {
					return nil, err
				}
			}
			return b, nil
		},
		func(d *decoder, v reflect.Value) {
			for i := range fields {
				fields[i].decode(d, v.Field(fields[i].index))
			}
		}, least,
	}, nil
}
