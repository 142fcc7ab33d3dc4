package jsoncodec

import (
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// A plan reads the common records of a flat struct without reflection. What it takes, it takes as package json does;
// whatever it does not know it leaves to that: unknown and doubled members, null, odd numbers, and all that is wrong.
type plan struct {
	ops    []op
	byName map[string]int
}

type op struct {
	quoted string // "name":
	off    uintptr
	kind   reflect.Kind // Struct for time.Time
	intern map[string]string
}

// maxIntern bounds what a field remembers, so that values that repeat are one string.
const maxIntern = 1024

// newPlan returns nil where T is not flat.
func newPlan(t reflect.Type) *plan {
	p := &plan{byName: map[string]int{}}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("json") == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		kind := f.Type.Kind()
		if f.Anonymous || strings.Contains(options, "string") || f.Type != typeTime && hasMethod(f.Type) {
			return nil
		}
		switch kind {
		case reflect.Int64, reflect.Int, reflect.Int32, reflect.Float64, reflect.Bool, reflect.String:
		case reflect.Struct:
			if f.Type != typeTime {
				return nil
			}
		default:
			return nil
		}
		if name == "" {
			name = f.Name
		}
		quoted, err := jsontext.AppendQuote(nil, name)
		if f.Type == typeNumber || err != nil {
			return nil
		}
		p.byName[name] = len(p.ops)
		p.ops = append(p.ops, op{quoted: string(quoted) + ":", off: f.Offset, kind: kind, intern: map[string]string{}})
	}
	if len(p.ops) > 64 {
		return nil
	}
	return p
}

// decode sets the zero struct at base to the record data[lo:hi], behind which slack bytes can be read. False leaves it
// half set.
func (p *plan) decode(data []byte, lo, hi int, base unsafe.Pointer) bool {
	seen := uint64(0)
	i := space(data, lo+1)
	if i >= hi || data[i] == '}' {
		return i == hi-1
	}
	for k := 0; ; k++ {
		if k == len(p.ops) || len(data)-i < len(p.ops[k].quoted) || string(data[i:i+len(p.ops[k].quoted)]) != p.ops[k].quoted {
			end := plainString(data, i)
			if end < 0 {
				return false
			}
			var ok bool
			if k, ok = p.byName[string(data[i+1:end])]; !ok {
				return false
			}
			if i = space(data, end+1); data[i] != ':' {
				return false
			}
			i++
		} else {
			i += len(p.ops[k].quoted)
		}
		if seen&(1<<k) != 0 {
			return false
		}
		seen |= 1 << k
		i = space(data, i)
		if i = p.ops[k].value(data, i, base); i < 0 {
			return false
		}
		i = space(data, i)
		switch {
		case data[i] == '}':
			return i == hi-1
		case data[i] != ',':
			return false
		}
		i = space(data, i+1)
	}
}

func space(data []byte, i int) int {
	for i < len(data)-1 && isSpace(data[i]) {
		i++
	}
	return i
}

// plainString returns the position of the quote that ends the string at i, or -1 if it holds an escape or what is no text.
func plainString(data []byte, i int) int {
	if data[i] != '"' {
		return -1
	}
	high := byte(0)
	for j := i + 1; j < len(data); j++ {
		switch c := data[j]; {
		case c == '"':
			if high >= 0x80 && !utf8.Valid(data[i+1:j]) {
				return -1
			}
			return j
		case c == '\\' || c < ' ':
			return -1
		default:
			high |= c
		}
	}
	return -1
}

// value reads one value into its field and returns the position behind it, or -1.
func (o *op) value(data []byte, i int, base unsafe.Pointer) int {
	dst := unsafe.Add(base, o.off) // the field of the struct at base that o.kind tells the type of
	switch o.kind {
	case reflect.String:
		end := plainString(data, i)
		if end < 0 {
			return -1
		}
		*(*string)(dst) = o.text(data[i+1 : end])
		return end + 1
	case reflect.Struct:
		end := plainString(data, i)
		if end < 0 {
			return -1
		}
		t, ok := parseTime(data[i+1 : end])
		if !ok {
			return -1
		}
		*(*time.Time)(dst) = t
		return end + 1
	case reflect.Bool:
		if string(data[i:min(i+4, len(data))]) == "true" {
			*(*bool)(dst) = true
			return i + 4
		}
		if string(data[i:min(i+5, len(data))]) == "false" {
			return i + 5
		}
		return -1
	}
	return o.number(data, i, dst)
}

// number reads digits, and for a float a fraction too, of up to 15 digits, which are exact.
func (o *op) number(data []byte, i int, dst unsafe.Pointer) int {
	negative := data[i] == '-'
	if negative {
		i++
	}
	from, whole, places, point := i, uint64(0), 0, -1
	for ; i < len(data); i++ {
		d := data[i] - '0'
		if d > 9 {
			if data[i] != '.' || point >= 0 || o.kind != reflect.Float64 {
				break
			}
			point = i
			continue
		}
		whole = whole*10 + uint64(d)
	}
	digits := i - from
	if point >= 0 {
		places = i - point - 1
		digits--
		if places == 0 || point == from {
			return -1
		}
	}
	if digits == 0 || digits > 15 || data[from] == '0' && digits > 1 && point != from+1 {
		return -1
	}
	switch c := data[i]; {
	case c == ',' || c == '}' || isSpace(c):
	default:
		return -1
	}
	if o.kind == reflect.Float64 {
		f := float64(whole) / exactPow10[places]
		if negative {
			f = -f
		}
		*(*float64)(dst) = f
		return i
	}
	v := int64(whole)
	if negative {
		v = -v
	}
	switch {
	case o.kind == reflect.Int64:
		*(*int64)(dst) = v
	case o.kind == reflect.Int && int64(int(v)) == v:
		*(*int)(dst) = int(v)
	case o.kind == reflect.Int32 && int64(int32(v)) == v:
		*(*int32)(dst) = int32(v)
	default:
		return -1
	}
	return i
}

// exactPow10 are powers of ten that a float64 holds.
var exactPow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func (o *op) text(b []byte) string {
	if len(b) > 64 {
		return string(b)
	}
	if s, ok := o.intern[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(o.intern) < maxIntern {
		o.intern[s] = s
	}
	return s
}
