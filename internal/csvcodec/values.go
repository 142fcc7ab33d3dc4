package csvcodec

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/millrace/millrace/dialect"
)

// What a dialect says of values: NULL tokens, marks of numbers, times by column, rows of other lengths.

// settled brings what the dialect says into the fields that it comes before.
func (o DecodeOptions) settled() DecodeOptions {
	d := o.Dialect
	if len(d.Null) > 0 {
		o.Null = d.Null[0]
	}
	o.Layout = cmp.Or(d.Layout, o.Layout)
	if d.Location != nil {
		o.Location = d.Location
	}
	o.DecimalComma = o.DecimalComma || d.Decimal == ','
	return o
}

// isNull tells whether a text that is not in quotes means NULL.
func (p *plan) isNull(value []byte) bool {
	return string(value) == p.opts.Null || p.nulls != nil && slices.Contains(p.nulls, string(value))
}

// missing is the span of a field that a short record lacks: no other is escaped and not quoted.
const missing span = spanEscaped

// fit brings a ragged record to the header's length, if nothing is lost by that.
func (p *plan) fit(rec *Record) bool {
	if !p.opts.Dialect.Ragged {
		return false
	}
	for n := len(rec.spans); n > p.fields; n-- {
		if last := rec.spans[n-1]; last.lo() != last.hi() || last.quoted() {
			return false
		}
		rec.spans = rec.spans[:n-1]
	}
	if len(rec.spans) < p.fields {
		rec.spans = slices.Clone(rec.spans) // the scanner counts on the length of its own
		for len(rec.spans) < p.fields {
			rec.spans = append(rec.spans, missing)
		}
		rec.escapes = true
	}
	return true
}

// marksOfNumbers are the marks in numbers, where they are not a decimal point alone.
type marksOfNumbers struct {
	set       bool
	decimal   byte
	thousands rune // 0 for none
	scratch   []byte
}

func marksOf(o DecodeOptions) marksOfNumbers {
	m := marksOfNumbers{decimal: '.', thousands: o.Dialect.Thousands}
	if o.DecimalComma {
		m.decimal = ','
	}
	m.set = m.decimal != '.' || m.thousands != 0
	return m
}

// plain returns a number with a decimal point and no other marks; ok is false where a mark stands in a wrong place.
func (m *marksOfNumbers) plain(value []byte) (plain []byte, ok bool) {
	value = bytes.TrimSpace(value)
	whole, fraction, has := bytes.Cut(value, []byte{m.decimal})
	point := m.decimal != '.' && m.thousands != '.' && bytes.IndexByte(whole, '.') >= 0
	if point || bytes.ContainsAny(fraction, ".,") {
		return nil, false
	}
	m.scratch = m.scratch[:0]
	if m.thousands != 0 && bytes.ContainsRune(fraction, m.thousands) {
		return nil, false
	}
	if m.thousands == 0 || !bytes.ContainsRune(whole, m.thousands) {
		m.scratch = append(m.scratch, whole...)
	} else {
		digits := whole
		if len(digits) > 0 && (digits[0] == '-' || digits[0] == '+') {
			m.scratch = append(m.scratch, digits[0])
			digits = digits[1:]
		}
		for i, group := range bytes.Split(digits, utf8.AppendRune(nil, m.thousands)) {
			if len(group) == 0 || len(group) > 3 || i > 0 && len(group) != 3 || !allDigits(group) {
				return nil, false
			}
			m.scratch = append(m.scratch, group...)
		}
	}
	if has {
		m.scratch = append(append(m.scratch, '.'), fraction...)
	}
	return m.scratch, true
}

func allDigits(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < '0' || r > '9' })
}

// storeMarked is store for a number that may have marks.
func (p *plan) storeMarked(o *op, data []byte, lo, hi int, dst unsafe.Pointer) *fault {
	value := data[lo:hi]
	if o.typ == typeDuration {
		if v, ok := parseDuration(value); ok {
			*(*int64)(dst) = v
			return nil
		}
	}
	plain, ok := p.marks.plain(value)
	if !ok {
		return &fault{quoteValue(value) + " is not a number: " + p.marks.String(), ErrSyntax}
	}
	n := len(plain)
	p.marks.scratch = append(plain, make([]byte, slack)...)
	f := p.storePlain(o, p.marks.scratch, 0, n, dst)
	if f != nil {
		f.reason = strings.Replace(f.reason, quoteValue(p.marks.scratch[:n]), quoteValue(value), 1)
	}
	return f
}

func (m *marksOfNumbers) String() string {
	s := fmt.Sprintf("its decimal mark is %q", m.decimal)
	if m.thousands != 0 {
		return s + fmt.Sprintf(", and %q stands between thousands only", m.thousands)
	}
	return s + "; set Dialect.Thousands if another stands between thousands"
}

// timesOf is how the times of a column are read.
func (p *plan) timesOf(o *op) *timeParser {
	if o.times != nil {
		return o.times
	}
	return &p.times
}

// columnTimes returns how the times of a column are written, nil if as all.
func columnTimes(c *column, d dialect.CSV, all timeParser, isTime bool) (*timeParser, error) {
	if !isTime {
		switch {
		case c.layout != "":
			return nil, fmt.Errorf("%s has no effect on %s, which is no time", keyLayout, c.typ)
		case c.location != "":
			return nil, fmt.Errorf("%s has no effect on %s, which is no time", keyLocation, c.typ)
		}
		return nil, nil
	}
	set := d.Times[c.name()]
	layout := cmp.Or(set.Layout, c.layout)
	location := set.Location
	if location == nil && c.location != "" {
		var err error
		if location, err = time.LoadLocation(c.location); err != nil {
			return nil, fmt.Errorf("%s:%q: %w", keyLocation, c.location, err)
		}
	}
	if layout == "" && location == nil {
		return nil, nil
	}
	if err := checkLayout(layout); err != nil {
		return nil, err
	}
	if location == nil {
		location = all.location
	}
	own := newTimeParser(cmp.Or(layout, all.layout), location)
	return &own, nil
}

// checkTimes refuses times of columns that hold none.
func checkTimes(s *shape, d dialect.CSV, all []op) error {
	for name := range d.Times {
		i := slices.IndexFunc(s.columns, func(c column) bool { return c.name() == name })
		if i < 0 || all[i].kind != kindTime && all[i].kind != kindScanTime {
			return fmt.Errorf("the Dialect's Times names the column %q, which no field for a time has", name)
		}
	}
	return nil
}

// The field that takes all columns that no other names.

var typeRest = reflect.TypeFor[map[string]string]()

type restOp struct {
	off   uintptr
	cols  []int
	names []string
}

// restOf says which columns go into the map.
func restOf(s *shape, header []string, match []int) (*restOp, error) {
	if s.rest == nil {
		return nil, nil
	}
	r := &restOp{off: s.rest.offset}
	for i, name := range header {
		if match[i] >= 0 {
			continue
		}
		if slices.Contains(r.names, name) {
			hint := fmt.Sprintf("the map %s can hold one of them", s.rest.field)
			return nil, &HeaderError{Duplicate: name, Present: header, Hint: hint}
		}
		r.cols, r.names = append(r.cols, i), append(r.names, name)
	}
	return r, nil
}

// decodeRest fills the map. What is NULL by another token than the empty text is not in it.
func (p *plan) decodeRest(rec *Record, base unsafe.Pointer) *Error {
	all := make(map[string]string, len(p.rest.cols))
	for i, col := range p.rest.cols {
		sp := rec.spans[col]
		data, lo, hi := rec.locate(sp)
		if sp == missing || !sp.quoted() && lo != hi && p.isNull(data[lo:hi]) {
			continue
		}
		if !p.opts.AllowInvalidText {
			if f := checkText(data, lo, hi); f != nil {
				return rec.fail(col, p.rest.names[i], f.reason, f.cause)
			}
		}
		all[p.rest.names[i]] = p.arena.clone(data, lo, hi)
	}
	// off is the offset of a field of this type in the struct at base.
	*(*map[string]string)(unsafe.Add(base, p.rest.off)) = all
	return nil
}

// Headers.

func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// foldedNames are the columns by name in lower case; nil unless that is wanted.
func foldedNames(columns []column, anyCase bool) map[string]int {
	if !anyCase {
		return nil
	}
	folded := map[string]int{}
	for i, c := range columns {
		for _, name := range c.names {
			if _, taken := folded[fold(name)]; !taken && c.position == 0 {
				folded[fold(name)] = i
			}
		}
	}
	return folded
}

func unknownColumns(header []string, match []int) error {
	e := &HeaderError{Present: header}
	for i, name := range header {
		if match[i] < 0 {
			e.Unknown = append(e.Unknown, name)
		}
	}
	if len(e.Unknown) == 0 {
		return nil
	}
	return e
}

func quoteAll(names []string) string {
	const show = 20
	var b strings.Builder
	for i, name := range names[:min(len(names), show)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteValue([]byte(name)))
	}
	if n := len(names) - show; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}
