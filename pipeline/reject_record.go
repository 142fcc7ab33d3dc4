package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/millrace/millrace/internal/cleantext"
)

// maxRecord is how many bytes of JSON a reject's record may have.
const maxRecord = 8 << 10

// recordJSON writes a record as JSON that every database and every reader can take. It never fails: what
// has no JSON, a NaN say, is written as the text that fmt makes of it.
func recordJSON(record any) json.RawMessage {
	loose := looseJSON{left: mostLoose, path: map[uintptr]bool{}}
	return fitJSON(loose.value(reflect.ValueOf(record)))
}

// strictJSON is what encoding/json makes of a value; an error also when a method of the value's own panics.
func strictJSON(v any) (document json.RawMessage, err error) {
	var b bytes.Buffer
	err = protect(func() error {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// looseJSON takes a value apart that encoding/json refuses: a circle, or one with a NaN in it.
type looseJSON struct {
	left int              // values that may still be written: what is written is cut anyway
	path map[uintptr]bool // pointers and maps that lead to the value
}

// mostLoose bounds looseJSON.left: more values than maxRecord has room for are not worth the time.
const mostLoose = 1000

// value is strictJSON where that works.
func (l *looseJSON) value(v reflect.Value) json.RawMessage {
	if !v.IsValid() {
		return json.RawMessage("null")
	}
	if l.left--; l.left < 0 {
		return quoted("…")
	}
	if v.CanInterface() {
		if document, err := strictJSON(v.Interface()); err == nil {
			return document
		}
	}
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Map {
		at := v.Pointer()
		if l.path[at] {
			return quoted("…")
		}
		l.path[at] = true
		defer delete(l.path, at)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return l.value(v.Elem())
	case reflect.Struct:
		return object(l.fields(nil, v))
	case reflect.Map:
		var members []json.RawMessage
		for each := v.MapRange(); l.left > 0 && each.Next(); {
			members = append(members, quoted(fmt.Sprint(each.Key())), l.value(each.Value()))
		}
		return object(members)
	case reflect.Slice, reflect.Array:
		var items [][]byte
		for i := 0; l.left > 0 && i < v.Len(); i++ {
			items = append(items, l.value(v.Index(i)))
		}
		return slicesOf('[', items, ']')
	}
	return quoted(fmt.Sprint(v))
}

// fields appends names and values of a struct's members.
func (l *looseJSON) fields(members []json.RawMessage, v reflect.Value) []json.RawMessage {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			members = l.fields(members, v.Field(i))
		case f.IsExported():
			if name == "" {
				name = f.Name
			}
			members = append(members, quoted(name), l.value(v.Field(i)))
		}
	}
	return members
}

func object(members []json.RawMessage) json.RawMessage {
	pairs := make([][]byte, 0, len(members)/2)
	for i := 0; i+1 < len(members); i += 2 {
		pairs = append(pairs, bytes.Join([][]byte{members[i], members[i+1]}, []byte(":")))
	}
	return slicesOf('{', pairs, '}')
}

func slicesOf(open byte, items [][]byte, closing byte) json.RawMessage {
	return append(append([]byte{open}, bytes.Join(items, []byte(","))...), closing)
}

func quoted(s string) json.RawMessage {
	document, _ := strictJSON(s) // text always has JSON
	return document
}

// maxDepth is how deep arrays and objects of a record may be nested.
const maxDepth = 32

// fitJSON returns a document as valid JSON of at most maxRecord bytes, without NUL, unpaired surrogates and numbers
// that no database holds. Texts are shortened no more than is needed, then long arrays too. What is no
// JSON becomes a string.
func fitJSON(document json.RawMessage) json.RawMessage {
	for _, limit := range []fitter{
		{math.MaxInt, math.MaxInt}, {1000, math.MaxInt}, {200, math.MaxInt}, {50, math.MaxInt}, {50, 50}, {20, 10}, {10, 5},
	} {
		d := json.NewDecoder(bytes.NewReader(document))
		d.UseNumber()
		fitted, err := limit.value(d, nil, 0)
		if err != nil || d.More() {
			return quoted(cleantext.Short(string(document), 1000))
		}
		if len(fitted) <= maxRecord {
			return fitted
		}
	}
	return quoted(cleantext.Short(string(document), 1000))
}

// fitter rewrites JSON with texts of at most so many bytes, and so many items in an array or an object.
type fitter struct{ text, items int }

func (f fitter) value(d *json.Decoder, out []byte, depth int) ([]byte, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return f.nested(d, v, out, depth)
	case string:
		return append(out, quoted(cleantext.Short(v, f.text))...), nil
	case json.Number:
		if text := string(v); len(text) > 100 || longExponent(text) {
			return append(out, quoted(cleantext.Short(text, f.text))...), nil
		}
		return append(out, v...), nil
	case bool:
		return fmt.Append(out, v), nil
	}
	return append(out, "null"...), nil
}

// longExponent tells numbers that a numeric of Postgres cannot hold from the others.
func longExponent(number string) bool {
	at := strings.IndexAny(number, "eE")
	return at >= 0 && len(strings.TrimLeft(number[at+1:], "+-0")) > 3
}

// nested writes an array or an object whose beginning was read.
func (f fitter) nested(d *json.Decoder, open json.Delim, out []byte, depth int) (_ []byte, err error) {
	start := len(out)
	out = append(out, byte(open))
	for n := 0; d.More(); n++ {
		before := len(out)
		if n > 0 {
			out = append(out, ',')
		}
		if open == '{' {
			if out, err = f.value(d, out, depth+1); err != nil {
				return nil, err
			}
			out = append(out, ':')
		}
		if out, err = f.value(d, out, depth+1); err != nil {
			return nil, err
		}
		if n >= f.items { // read, and dropped
			out = out[:before]
		}
	}
	closing, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return append(out[:start], quoted("…")...), nil
	}
	return append(out, closing.(json.Delim).String()...), nil
}
