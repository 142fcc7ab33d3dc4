package parquet

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// A bad says why a record cannot be stored as it is.
type bad struct{ column, value, reason string }

// A check looks at a value of one type, nil if every value of it can be stored. It is made once for a type; values are
// reached by address, since a check by reflection would cost more than writing them.
type check func(at unsafe.Pointer) *bad

// checkOf makes the check of T, whose schema it knows, or says which field could not be written.
func checkOf[T any](schema *pq.Schema) (check, error) {
	var c checks
	all := c.ofStruct(reflect.TypeFor[T](), schema, nil)
	return all, errors.Join(c.problems...)
}

// checks makes checks, and gathers what no check would help.
type checks struct{ problems []error }

// ofStruct checks the fields of a struct that are columns of node.
func (c *checks) ofStruct(t reflect.Type, node pq.Node, path []string) check {
	type part struct {
		offset uintptr
		check  check
	}
	var parts []part
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Tag.Get("parquet") == "" && f.Type.Kind() == reflect.Struct { // its fields are ours
			if inner := c.ofStruct(f.Type, node, path); inner != nil {
				parts = append(parts, part{f.Offset, inner})
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		if name == "" {
			name = f.Name
		}
		column := field(node, name)
		if name == "-" || !f.IsExported() || column == nil {
			continue
		}
		if inner := c.ofValue(f.Type, column, append(path[:len(path):len(path)], name)); inner != nil {
			parts = append(parts, part{f.Offset, inner})
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return func(at unsafe.Pointer) *bad {
		for i := range parts {
			if bad := parts[i].check(unsafe.Add(at, parts[i].offset)); bad != nil {
				return bad
			}
		}
		return nil
	}
}

var timeType = reflect.TypeFor[time.Time]()

func (c *checks) ofValue(t reflect.Type, node pq.Node, path []string) check {
	name := strings.Join(path, ".")
	if node.Leaf() && t.Kind() != reflect.Pointer && t.Kind() != reflect.Slice {
		return c.ofLeaf(t, node, name)
	}
	switch t.Kind() {
	case reflect.Pointer:
		if inner := c.ofValue(t.Elem(), node, path); inner != nil {
			return func(at unsafe.Pointer) *bad {
				if to := *(*unsafe.Pointer)(at); to != nil {
					return inner(to)
				}
				return nil
			}
		}
	case reflect.Slice:
		return c.ofSlice(t, node, path)
	case reflect.Struct:
		return c.ofStruct(t, node, path)
	case reflect.Map:
		return c.ofMap(t, node, path)
	}
	return nil
}

func (c *checks) ofSlice(t reflect.Type, node pq.Node, path []string) check {
	if t.Elem().Kind() == reflect.Uint8 {
		return nil
	}
	if list := field(node, "list"); list != nil && !node.Leaf() { // the tag list
		if node = field(list, "element"); node == nil {
			return nil
		}
	}
	inner := c.ofValue(t.Elem(), node, path)
	if inner == nil {
		return nil
	}
	size := t.Elem().Size()
	return func(at unsafe.Pointer) *bad {
		s := *(*[]struct{})(at)
		first := unsafe.Pointer(unsafe.SliceData(s))
		for i := range len(s) {
			if bad := inner(unsafe.Add(first, uintptr(i)*size)); bad != nil {
				return bad
			}
		}
		return nil
	}
}

// ofMap goes by reflection, as a map has no addresses.
func (c *checks) ofMap(t reflect.Type, node pq.Node, path []string) check {
	pairs := field(node, "key_value")
	if pairs == nil {
		return nil
	}
	var keys, values check
	if k := field(pairs, "key"); k != nil {
		keys = c.ofValue(t.Key(), k, append(path[:len(path):len(path)], "key"))
	}
	if v := field(pairs, "value"); v != nil {
		values = c.ofValue(t.Elem(), v, append(path[:len(path):len(path)], "value"))
	}
	if keys == nil && values == nil {
		return nil
	}
	return func(at unsafe.Pointer) *bad {
		for k, v := range reflect.NewAt(t, at).Elem().Seq2() {
			for _, side := range []struct {
				check check
				value reflect.Value
			}{{keys, k}, {values, v}} {
				if side.check == nil {
					continue
				}
				copied := reflect.New(side.value.Type())
				copied.Elem().Set(side.value)
				if bad := side.check(copied.UnsafePointer()); bad != nil {
					return bad
				}
			}
		}
		return nil
	}
}

func (c *checks) ofLeaf(t reflect.Type, node pq.Node, name string) check {
	logical := logical(node.Type())
	if _, ok := logical.(*format.TimestampType); !ok && t == timeType {
		// The library would write nanoseconds into the column, cut to its width.
		c.problems = append(c.problems, fmt.Errorf("column %q is %v: a time.Time is written as TIMESTAMP only; for a date use an int32, "+
			"the days since 1970-01-01, with the tag date", name, node.Type()))
	}
	if t.Kind() == reflect.Array && t.Len() != node.Type().Length() {
		c.problems = append(c.problems, fmt.Errorf("column %q is %v of %d bytes: its field needs as many, or no tag", name, node.Type(), node.Type().Length()))
	}
	switch l := logical.(type) {
	case *format.DecimalType:
		return decimalCheck(t, l, name)
	case *format.TimeType:
		if t == reflect.TypeFor[time.Duration]() {
			return durationCheck(unitName(l.Unit), name)
		}
	case *format.TimestampType:
		if t == timeType {
			return timestampCheck(unitName(l.Unit), name)
		}
	case *format.StringType, *format.EnumType, *format.JsonType:
		if t.Kind() == reflect.String {
			return func(at unsafe.Pointer) *bad {
				if s := *(*string)(at); !utf8.ValidString(s) {
					return &bad{name, s, "is not UTF-8; a []byte is stored as it is"}
				}
				return nil
			}
		}
	}
	return nil
}

// decimalCheck holds integers against the number of digits. The bytes of larger decimals are the user's own.
func decimalCheck(t reflect.Type, l *format.DecimalType, name string) check {
	limit := int64(1)
	for range l.Precision {
		if limit > (1<<63-1)/10 {
			return nil // it holds every int64
		}
		limit *= 10
	}
	tell := func(v int64) *bad {
		if v > -limit && v < limit {
			return nil
		}
		return &bad{name, fmt.Sprint(v), fmt.Sprintf("has more than %d digits", l.Precision)}
	}
	switch t.Kind() {
	case reflect.Int32:
		return func(at unsafe.Pointer) *bad { return tell(int64(*(*int32)(at))) }
	case reflect.Int64, reflect.Int:
		return func(at unsafe.Pointer) *bad { return tell(*(*int64)(at)) }
	}
	return nil
}

// The times that an int64 of nanoseconds holds.
var (
	firstNano = time.Unix(0, -1<<63)
	lastNano  = time.Unix(0, 1<<63-1)
)

// nanos are how long the units are.
var nanos = map[string]int{"millisecond": 1e6, "microsecond": 1e3, "nanosecond": 1}

func durationCheck(unit, name string) check {
	rest := time.Duration(nanos[unit])
	return func(at unsafe.Pointer) *bad {
		switch v := *(*time.Duration)(at); {
		case v%rest != 0:
			return &bad{name, v.String(), "has more digits than a " + unit + " holds; truncate it, or use another unit in the tag"}
		case v < 0 || v >= 24*time.Hour:
			return &bad{name, v.String(), "is no time of day"}
		}
		return nil
	}
}

func timestampCheck(unit, name string) check {
	rest := nanos[unit]
	return func(at unsafe.Pointer) *bad {
		v := (*time.Time)(at)
		if v.Nanosecond()%rest != 0 {
			return &bad{name, v.Format(time.RFC3339Nano), "has more digits than a " + unit + " holds; truncate it, or use another unit in the tag"}
		}
		if rest == 1 && (v.Before(firstNano) || v.After(lastNano)) {
			return &bad{name, v.Format(time.RFC3339Nano), "is outside the years 1678 to 2262, which nanoseconds reach; " +
				"use timestamp(microsecond) in the tag"}
		}
		return nil
	}
}
