package csvcodec

import (
	"database/sql"
	"encoding"
	"fmt"
	"reflect"
	"slices"
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

	layout, location string // of csv.layout and csv.location
	position         int    // of csv.column, from 1; 0 for none
	named            bool   // a tag names it

	field string // its name in Go, for messages: Home.Street
	depth int    // how many embedded structs it lies in
	// nest is the tagged struct whose fields are columns that it lies in, -1 for none.
	nest int
	// index leads to the field, through structs, pointers and elements.
	index []int
	typ   reflect.Type
	// inline says that the field lies in the struct itself, offset bytes from its
	// beginning: no pointer and no slice stands between.
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

var (
	typeMarshaler     = reflect.TypeFor[gocsv.TypeMarshaller]()
	typeUnmarshaler   = reflect.TypeFor[gocsv.TypeUnmarshaller]()
	typeWithFields    = reflect.TypeFor[gocsv.TypeUnmarshalCSVWithFields]()
	typeTextMarshal   = reflect.TypeFor[encoding.TextMarshaler]()
	typeTextUnmarshal = reflect.TypeFor[encoding.TextUnmarshaler]()
	typeScanner       = reflect.TypeFor[sql.Scanner]()
)

// A nest is a struct field that a tag names and that is no value of its own: its
// fields are the columns.
type nest struct {
	field string
	name  string
	typ   reflect.Type
}

// A shape is what a struct type says about columns.
type shape struct {
	columns []column
	rest    *column // the field of the columns that no other names, if there is one
	nests   []nest
}

// shapeOf lists the columns of a struct as gocsv does, in its order.
func shapeOf(t reflect.Type) (*shape, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a CSV record is read into and written from a struct, not %s", t)
	}
	var w columnWalk
	if err := w.structFields(t, column{inline: true, nest: -1}, nil); err != nil {
		return nil, err
	}
	if len(w.columns) == 0 && w.rest == nil {
		return nil, fmt.Errorf("%s has no exported field that could be a CSV column", t)
	}
	// In a struct without any tag the field names are meant.
	if len(w.nests) == 0 && w.rest == nil &&
		!slices.ContainsFunc(w.columns, func(c column) bool { return c.tagged || c.position > 0 }) {
		for i := range w.columns {
			w.columns[i].tagged = true
		}
	}
	if err := w.resolve(); err != nil {
		return nil, err
	}
	return &w.shape, nil
}

// Columns returns the names of T's columns, as an [Encoder] writes them and a
// header should have them, "" where positions leave one out. The error says why T cannot be a CSV record.
func Columns[T any]() ([]string, error) {
	s, err := shapeOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	n := len(s.columns)
	for i := range s.columns {
		n = max(n, s.columns[i].position)
	}
	all, names := make([]*column, n), make([]string, n)
	if err := place(s, all); err != nil {
		return nil, err
	}
	for i, c := range all {
		if c != nil {
			names[i] = c.name()
		}
	}
	return names, nil
}

type columnWalk struct {
	shape
	open []reflect.Type // the structs being walked, to refuse one inside itself
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
			index: append(slices.Clone(parent.index), i), typ: f.Type, nest: parent.nest, depth: parent.depth,
			inline: parent.inline, offset: parent.offset + f.Offset, field: f.Name,
		}
		if parent.field != "" {
			c.field = parent.field + "." + f.Name
		}
		tag, err := parseTag(f)
		if err != nil {
			return err
		}
		if tag.skip {
			continue
		}
		if f.Anonymous {
			err = w.embedded(f, c, &tag, prefixes)
		} else {
			c.omitEmpty, c.partial, c.fallback, c.tagged = tag.omitEmpty, tag.partial, tag.fallback, len(tag.names) > 0
			c.names = tag.namesOf(f, prefixes)
			c.layout, c.location, c.position = tag.layout, tag.location, tag.position
			c.named = len(tag.names) > 0
			err = w.named(f, c, &tag)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// embedded adds the columns of an embedded struct, which are those of the outer one.
func (w *columnWalk) embedded(f reflect.StructField, c column, tag *fieldTag, prefixes []string) error {
	inner, pointer := pointedTo(f.Type)
	if inner.Kind() != reflect.Struct || isOneValue(inner) {
		// gocsv does not see it, and loses what it holds.
		return fmt.Errorf("field %s (%s) is embedded and one value, which has no column: "+
			"give the field a name, or tag it csv:\"-\" to leave it out", c.field, f.Type)
	}
	if len(tag.names) > 0 || tag.ignored() != "" || tag.own() != "" {
		return fmt.Errorf("field %s (%s) is embedded, and its tag csv:%q has no effect: "+
			"give the field a name to put it before its columns' names", c.field, f.Type, f.Tag.Get(tagName))
	}
	c.inline = c.inline && !pointer
	c.depth++
	return w.structFields(inner, c, prefixes)
}

// named adds the columns of a field that is not embedded.
func (w *columnWalk) named(f reflect.StructField, c column, tag *fieldTag) error {
	if f.Type == typeRest && len(tag.names) == 1 && tag.names[0] == "*" {
		if w.rest != nil {
			return fmt.Errorf("fields %s and %s both take all other columns", w.rest.field, c.field)
		}
		if option := tag.ignored(); option != "" {
			return fmt.Errorf("field %s takes all other columns: %s has no effect there", c.field, option)
		}
		if !c.inline {
			return fmt.Errorf("field %s takes all other columns, and has to lie in the struct itself", c.field)
		}
		w.rest = &c
		return nil
	}
	inner, pointer := pointedTo(f.Type)
	if own := tag.own(); own != "" && (tag.length > 0 || inner.Kind() == reflect.Struct && !isOneValue(inner) && inner != typeTime) {
		return fmt.Errorf("field %s (%s): %s has no effect on what is several columns", c.field, f.Type, own)
	}
	if inner.Kind() == reflect.Struct && !isOneValue(inner) {
		// A pointer is nil where all columns are empty, so omitempty is granted there.
		option := tag.ignored()
		if option != "" && (!pointer || option != "omitempty") {
			return fmt.Errorf("field %s (%s): %s has no effect on a struct whose fields are the columns", c.field, f.Type, option)
		}
		if len(tag.names) > 0 {
			w.nests = append(w.nests, nest{c.field, c.name(), f.Type})
			c.nest = len(w.nests) - 1
		}
		c.inline = c.inline && !pointer
		before := len(w.columns)
		if err := w.structFields(inner, c, c.names); err != nil {
			return err
		}
		if len(w.columns) == before {
			return fmt.Errorf("field %s (%s) cannot be a column: the type has neither exported fields nor UnmarshalText, "+
				"UnmarshalCSV or Scan; tag the field csv:\"-\" to leave it out", c.field, f.Type)
		}
		return nil
	}
	if tag.length > 0 {
		return w.elements(f.Type, c, tag.length)
	}
	w.columns = append(w.columns, c)
	return nil
}

// elements adds the columns of a slice or an array with a csv[] tag: one for each
// element or each element's fields.
func (w *columnWalk) elements(t reflect.Type, c column, length int) error {
	elem := t.Elem()
	fields := elem.Kind() == reflect.Struct && !isOneValue(elem)
	if option := (&fieldTag{omitEmpty: c.omitEmpty, partial: c.partial, fallback: c.fallback}).ignored(); fields && option != "" {
		return fmt.Errorf("field %s (%s): %s has no effect on a struct whose fields are the columns", c.field, t, option)
	}
	for i := range length {
		e := c
		e.index, e.typ = append(slices.Clone(c.index), i), elem
		e.field = fmt.Sprintf("%s[%d]", c.field, i)
		e.inline = c.inline && t.Kind() == reflect.Array
		e.offset = c.offset + uintptr(i)*elem.Size()
		e.names = nil
		for _, name := range c.names {
			e.names = append(e.names, fmt.Sprintf("%s[%d]", name, i))
		}
		if !fields {
			w.columns = append(w.columns, e)
			continue
		}
		before := len(w.columns)
		if err := w.structFields(elem, e, e.names); err != nil {
			return err
		}
		if len(w.columns) == before {
			return fmt.Errorf("field %s (%s) has no exported field that could be a column", c.field, t)
		}
		for j := range w.columns[before:] { // the tag names the elements' columns too
			w.columns[before+j].tagged = w.columns[before+j].tagged || c.tagged
		}
	}
	return nil
}

// resolve settles which field has a name that several have, by Go's rule: the
// one that fewer embedded structs hold. Where that does not decide, nobody could tell.
func (w *columnWalk) resolve() error {
	owner := make(map[string]int, len(w.columns))
	for i, c := range w.columns {
		if c.position > 0 {
			continue // its name need not be its own
		}
		for _, name := range c.names {
			j, taken := owner[name]
			if !taken || c.depth < w.columns[j].depth {
				owner[name] = i
			}
		}
	}
	kept := w.columns[:0:0]
	for i, c := range w.columns {
		if c.position > 0 {
			kept = append(kept, c)
			continue
		}
		var names []string
		for _, name := range c.names {
			j := owner[name]
			if j != i && w.columns[j].depth == c.depth {
				return fmt.Errorf("fields %s and %s both have the column %q", w.columns[j].field, c.field, name)
			}
			if j == i {
				names = append(names, name)
			}
		}
		if c.names = names; len(names) > 0 {
			kept = append(kept, c)
		}
	}
	w.columns = kept
	taken := map[int]string{}
	for _, c := range kept {
		if other := taken[c.position]; c.position > 0 && other != "" {
			return fmt.Errorf("fields %s and %s both are column %d", other, c.field, c.position)
		}
		taken[c.position] = c.field
	}
	return nil
}

func pointedTo(t reflect.Type) (inner reflect.Type, pointer bool) {
	if t.Kind() == reflect.Pointer {
		return t.Elem(), true
	}
	return t, false
}

// isOneValue reports whether a struct is one value rather than its fields: whether it
// has a method of gocsv's, of package encoding or database/sql's Scan.
func isOneValue(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, i := range []reflect.Type{
		typeMarshaler, typeTextMarshal, typeUnmarshaler, typeWithFields, typeTextUnmarshal, typeScanner,
	} {
		if p.Implements(i) {
			return true
		}
	}
	return false
}
