package csvcodec

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unsafe"
)

// Writing in a dialect.

// settled checks the dialect and brings what it says into the fields that it comes before.
func (o EncodeOptions) settled() (EncodeOptions, error) {
	if err := o.Dialect.Validate(); err != nil {
		return o, err
	}
	if o.Dialect.SkipLines > 0 {
		return o, errors.New("the Dialect's SkipLines is for reading: nothing is written before the header")
	}
	scan, err := ScanOptions{Dialect: o.Dialect, Comma: o.Comma}.withDefaults()
	if err != nil {
		return o, err
	}
	o.Comma = scan.Comma
	d := DecodeOptions{Dialect: o.Dialect, Null: o.Null, Layout: o.Layout, Location: o.Location}.settled()
	o.Null, o.Layout, o.Location = d.Null, d.Layout, d.Location
	return o, nil
}

// A form is how fields are written in a dialect that differs in that from the zero one by more than its delimiter.
type form struct {
	rules   *rules
	nulls   []string // beside the plan's
	decimal bool     // the decimal mark is a comma
	comment string
	fault   error // of the record that is being written
}

func formOf(o EncodeOptions) *form {
	d := o.Dialect
	f := &form{rules: rulesFor(d), decimal: d.Decimal == ',', comment: d.Comment}
	if len(d.Null) > 1 {
		f.nulls = d.Null[1:]
	}
	if f.rules.plain() && !f.decimal && d.Comment == "" && f.nulls == nil {
		return nil
	}
	if len(d.Delimiter) == 0 {
		f.rules.delimiter = []byte{o.Comma}
	}
	return f
}

// needsQuotes tells whether a field would be read back as something else, or is one that the zero dialect quotes.
func (f *form) needsQuotes(s string) bool {
	if s == "" {
		return false
	}
	r := f.rules
	d := string(r.delimiter)
	switch {
	case strings.Index(s+d, d) != len(s), strings.ContainsAny(s, "\r\n"):
		return true
	case f.comment != "" && strings.HasPrefix(s, f.comment):
		return true
	case strings.HasPrefix(s, string(byteOrderMark)):
		return true
	case r.quote == 0:
		return false
	}
	return strings.IndexByte(s, r.quote) >= 0 || s[0] == ' ' || s[0] == '\t' || s == `\.`
}

// quoted appends a field in quotes.
func (p *encodePlan) quoted(dst []byte, s string) []byte {
	if p.form == nil {
		return appendQuoted(dst, s)
	}
	r := p.form.rules
	if r.quote == 0 {
		if p.form.fault == nil {
			p.form.fault = fmt.Errorf("%s would have to be in quotes, and the Dialect has none", quoteValue([]byte(s)))
		}
		return dst
	}
	dst = append(dst, r.quote)
	for i := range len(s) {
		switch c := s[i]; {
		case r.escape != 0 && (c == r.quote || c == r.escape):
			dst = append(dst, r.escape, c)
		case c == r.quote:
			dst = append(dst, c, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, r.quote)
}

// check finds what only the whole record shows.
func (f *form) check(record []byte) error {
	err := f.fault
	f.fault = nil
	if err == nil && f.comment != "" && bytes.HasPrefix(record, []byte(f.comment)) {
		return errors.New("the record would be read as a comment")
	}
	return err
}

// appendForm is appendText in a dialect.
func (p *encodePlan) appendForm(dst []byte, s string) []byte {
	if p.form.needsQuotes(s) {
		return p.quoted(dst, s)
	}
	return append(dst, s...)
}

func (p *encodePlan) delimit(dst []byte) []byte {
	if p.form == nil {
		return append(dst, p.comma)
	}
	return append(dst, p.form.rules.delimiter...)
}

func (p *encodePlan) isNull(s string) bool {
	return s == p.null || p.form != nil && slices.Contains(p.form.nulls, s)
}

// appendNumber puts the dialect's decimal mark into the number that was appended from start on.
func (p *encodePlan) appendNumber(dst []byte, start int) []byte {
	if p.form != nil && p.form.decimal {
		if i := bytes.IndexByte(dst[start:], '.'); i >= 0 {
			dst[start+i] = ','
		}
	}
	return p.appendPlain(dst, start)
}

var decimalText = regexp.MustCompile(`^[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?$`)

// mark is appendNumber for the text of a type that writes itself.
func (f *form) mark(text string) string {
	if decimalText.MatchString(text) {
		return strings.Replace(text, ".", ",", 1)
	}
	return text
}

// readsAsNumber tells types whose text is a number to the reader.
func readsAsNumber(t reflect.Type) bool {
	p := plan{typ: t}
	return p.numberLike(op{kind: decodeKind(t), typ: t})
}

// order lists the columns as they are written: those with a position in their place, the others around them; or as
// Columns says. What is nil is in the map.
func (p *encodePlan) order(s *shape, o EncodeOptions) ([]*column, error) {
	all := make([]*column, len(s.columns))
	if s.rest != nil {
		p.rest = &restEncoder{off: s.rest.offset, p: p, learn: o.Columns == nil}
	}
	var err error
	switch {
	case o.Columns != nil:
		all, err = p.named(s, o.Columns)
	default:
		err = place(s, all)
	}
	if err != nil {
		return nil, err
	}
	for i, c := range all {
		if c == nil {
			p.header = append(p.header, o.Columns[i])
			continue
		}
		p.header = append(p.header, c.name())
	}
	return all, nil
}

func place(s *shape, all []*column) error {
	for i := range s.columns {
		c := &s.columns[i]
		if c.position > len(all) {
			return fmt.Errorf("field %s is column %d, and there are %d to write", c.field, c.position, len(all))
		}
		if c.position > 0 {
			all[c.position-1] = c
		}
	}
	next := 0
	for i := range s.columns {
		if s.columns[i].position > 0 {
			continue
		}
		for all[next] != nil {
			next++
		}
		all[next] = &s.columns[i]
	}
	return nil
}

// named finds the columns that the names are of.
func (p *encodePlan) named(s *shape, names []string) ([]*column, error) {
	all := make([]*column, len(names))
	for i := range s.columns {
		c := &s.columns[i]
		at := slices.Index(names, c.name())
		switch {
		case at < 0:
			return nil, fmt.Errorf("Columns lacks %q, which is field %s", c.name(), c.field)
		case c.position > 0 && c.position != at+1:
			return nil, fmt.Errorf("Columns has %q in position %d, and field %s is column %d",
				c.name(), at+1, c.field, c.position)
		}
		all[at] = c
	}
	for i, c := range all {
		switch {
		case c != nil:
		case p.rest == nil:
			return nil, fmt.Errorf("Columns has %q, which no field of %s is", names[i], p.typ)
		case slices.Index(names, names[i]) != i:
			return nil, fmt.Errorf("Columns has %q twice", names[i])
		default:
			p.rest.names = append(p.rest.names, names[i])
		}
	}
	return all, nil
}

// A restEncoder writes the columns that are in a map. Unless Columns says them, the first record does.
type restEncoder struct {
	p     *encodePlan
	off   uintptr
	names []string
	learn bool
	of    map[string]string // the record's

}

// begin looks at the map of a record, and learns the columns from the first.
func (r *restEncoder) begin(base unsafe.Pointer) error {
	r.of = *(*map[string]string)(unsafe.Add(base, r.off)) // off is the offset of a field of this type
	if r.learn {
		r.learn = false
		r.names = slices.Sorted(maps.Keys(r.of))
		for _, name := range r.names {
			r.p.header = append(r.p.header, name)
			r.p.ops = append(r.p.ops, encodeOp{name: name, aside: true})
		}
	}
	for name := range r.of {
		if !slices.Contains(r.names, name) {
			return fmt.Errorf("column %q: the header, which the first record made, lacks it: set Columns", name)
		}
	}
	return nil
}

// appendRest appends one column of the map. What is not in it is NULL.
func (p *encodePlan) appendRest(dst []byte, o *encodeOp, _ unsafe.Pointer) ([]byte, error) {
	value, ok := p.rest.of[o.name]
	switch {
	case ok:
		return p.appendString(dst, value, false), nil
	case p.null == "":
		return dst, errors.New("the map lacks it, and NULL would be read back as the empty text")
	}
	return append(dst, p.null...), nil
}

// restOps completes the ops by those of the map.
func (p *encodePlan) restOps(columns []*column) {
	if p.rest == nil || p.rest.learn {
		return
	}
	ops := p.ops
	p.ops = nil
	for i, c := range columns {
		if c == nil {
			p.ops = append(p.ops, encodeOp{name: p.header[i], aside: true})
			continue
		}
		p.ops = append(p.ops, ops[0])
		ops = ops[1:]
	}
}
