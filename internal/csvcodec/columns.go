package csvcodec

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gocarina/gocsv"
)

// A column is one field of a struct, seen through gocsv's tags.
type column struct {
	// names are the header names that the field answers to; the encoder writes the first.
	names     []string
	omitEmpty bool
	// partial fields answer to every header name that contains one of theirs.
	partial bool
	// fallback is the text used for an empty value (`default=`).
	fallback string
	// tagged says that the csv tag names the column, which is therefore required.
	tagged bool

	// index leads to the field, through structs, pointers and array elements.
	index []int
	typ   reflect.Type
	// inline says that the field lies in the struct itself, offset bytes from its
	// beginning: no pointer and no array stands between.
	inline bool
	offset uintptr
}

func (c *column) name() string { return c.names[0] }

// matches is gocsv's rule, with its leniency for spaces and invisible characters around a name.
func (c *column) matches(header string) bool {
	for _, name := range c.names {
		if header == name || strings.TrimSpace(header) == name ||
			(c.partial && strings.Contains(header, name)) || withoutZeroWidth(header) == name {
			return true
		}
	}
	return false
}

func withoutZeroWidth(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\u200B', '\u200C', '\u200D', '\uFEFF':
			return -1
		}
		return r
	}, s)
}

const tagName = "csv"

var (
	typeMarshaler     = reflect.TypeFor[gocsv.TypeMarshaller]()
	typeUnmarshaler   = reflect.TypeFor[gocsv.TypeUnmarshaller]()
	typeWithFields    = reflect.TypeFor[gocsv.TypeUnmarshalCSVWithFields]()
	typeTextMarshal   = reflect.TypeFor[encoding.TextMarshaler]()
	typeTextUnmarshal = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// columnsOf lists the columns of a struct as gocsv does, in its order.
func columnsOf(t reflect.Type) ([]column, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a CSV record is read into and written from a struct, not %s", t)
	}
	var w columnWalk
	if err := w.structFields(t, column{inline: true}, nil); err != nil {
		return nil, err
	}
	if len(w.columns) == 0 {
		return nil, fmt.Errorf("%s has no exported field that could be a CSV column", t)
	}
	// In a struct without any tag the field names are meant.
	if !slices.ContainsFunc(w.columns, func(c column) bool { return c.tagged }) {
		for i := range w.columns {
			w.columns[i].tagged = true
		}
	}
	return w.columns, nil
}

// Columns returns the names of T's columns, as an [Encoder] writes them and a
// header should have them. The error says why T cannot be a CSV record.
func Columns[T any]() ([]string, error) {
	columns, err := columnsOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name()
	}
	return names, nil
}

type columnWalk struct {
	columns []column
	open    []reflect.Type // the structs being walked, to refuse one inside itself
}

// structFields adds the columns of t, a struct at parent's place. prefixes are
// the names of the field that it is, none for an embedded struct.
func (w *columnWalk) structFields(t reflect.Type, parent column, prefixes []string) error {
	if slices.Contains(w.open, t) {
		return fmt.Errorf("%s contains itself; tag the field csv:\"-\" to leave it out", t)
	}
	w.open = append(w.open, t)
	defer func() { w.open = w.open[:len(w.open)-1] }()

	for i := range t.NumField() {
		f := t.Field(i)
		if f.PkgPath != "" {
			continue
		}
		c := column{
			index: append(slices.Clone(parent.index), i), typ: f.Type,
			inline: parent.inline, offset: parent.offset + f.Offset,
		}
		if !f.Anonymous && !c.readTag(f, prefixes) {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && !isOneValue(inner) {
			c.inline = c.inline && f.Type.Kind() == reflect.Struct
			names := c.names
			if f.Anonymous {
				names = prefixes
			}
			if err := w.structFields(inner, c, names); err != nil {
				return err
			}
			continue
		}
		if f.Anonymous {
			continue // gocsv does not see an embedded field that is one value
		}
		if k := f.Type.Kind(); k == reflect.Slice || k == reflect.Array {
			if err := w.elements(f, c); err != nil {
				return err
			}
			continue
		}
		w.columns = append(w.columns, c)
	}
	return nil
}

// readTag fills in what the tag says and the names. It reports false for a field that is left out.
func (c *column) readTag(f reflect.StructField, prefixes []string) bool {
	for entry := range strings.SplitSeq(f.Tag.Get(tagName), ",") {
		entry = strings.TrimSpace(entry)
		switch {
		case entry == "omitempty":
			c.omitEmpty = true
		case strings.HasPrefix(entry, "partial"):
			c.partial = true
		case strings.HasPrefix(entry, "default="):
			c.fallback = strings.TrimPrefix(entry, "default=")
		default:
			c.names = append(c.names, entry)
		}
	}
	switch {
	case len(c.names) == 1 && c.names[0] == "-":
		return false
	case len(c.names) > 0 && c.names[0] != "":
		c.tagged = true
	default:
		c.names = []string{f.Name}
	}
	// A nested struct's names are its field's and its own, joined by a dot. (With
	// several prefixes gocsv compounds them as here; the files of such structs exist.)
	if len(prefixes) > 0 {
		var names []string
		for _, prefix := range prefixes {
			for _, name := range c.names {
				names = append(names, prefix+"."+name)
			}
			c.names = names
		}
	}
	return true
}

// elements adds the columns of a slice or an array: one for the whole, or with
// a csv[] tag one for each element or each element's fields.
func (w *columnWalk) elements(f reflect.StructField, c column) error {
	length := -1
	if tag, ok := f.Tag.Lookup(tagName + "[]"); ok {
		length, _ = strconv.Atoi(tag)
	}
	elem := f.Type.Elem()
	if elem.Kind() != reflect.Struct {
		if length <= 0 {
			w.columns = append(w.columns, c)
			return nil
		}
		for i := range length {
			e := c
			e.index, e.typ, e.inline, e.names = append(slices.Clone(c.index), i), elem, false, nil
			for _, name := range c.names {
				e.names = append(e.names, fmt.Sprintf("%s[%d]", name, i))
			}
			w.columns = append(w.columns, e)
		}
		return nil
	}
	// gocsv looks into the element's type even where it takes the field whole.
	inner := columnWalk{open: w.open}
	if err := inner.structFields(elem, column{}, nil); err != nil {
		return err
	}
	if length == -1 {
		w.columns = append(w.columns, c)
		return nil
	}
	for i := range length {
		for _, field := range inner.columns {
			e := field
			e.index = append(append(slices.Clone(c.index), i), field.index...)
			e.tagged, e.inline, e.names = c.tagged || field.tagged, false, nil
			for _, name := range c.names {
				for _, fieldName := range field.names {
					e.names = append(e.names, fmt.Sprintf("%s[%d].%s", name, i, fieldName))
				}
			}
			w.columns = append(w.columns, e)
		}
	}
	return nil
}

// isOneValue reports whether gocsv takes a struct as one value rather than as its fields.
func isOneValue(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, i := range []reflect.Type{typeMarshaler, typeTextMarshal, typeUnmarshaler, typeWithFields} {
		if t.Implements(i) || p.Implements(i) {
			return true
		}
	}
	return false
}
