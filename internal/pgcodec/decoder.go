package pgcodec

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// Decoder turns rows into records. It is made once for a struct and a result.
// It is not safe for concurrent use; lanes that decode side by side make one each.
type Decoder[T any] struct {
	plans   []decodePlan
	names   []planNames // of plans
	columns int
	records *slab // where T is a pointer: the structs
}

// decodePlan decodes one column into one field.
type decodePlan struct {
	index  int // of the column
	offset uintptr
	valueDecoder
}

// planNames is what an error says of a plan.
type planNames struct {
	field, column string
	null          string // what to say of a null that the field cannot hold
}

// valueDecoder decodes a value into the memory that p points to, which has held
// something else or nothing.
type valueDecoder struct {
	decode func(src []byte, p unsafe.Pointer) error
	// null is true if decode takes a nil src, the null value.
	null bool
}

// NewDecoder plans the conversion of a result's columns to T, a struct or a
// pointer to one. Columns that T has no field for are ignored. A nil m stands for pgx's
// default types; m is only read before NewDecoder returns.
//
// The error joins all problems: [*MissingColumnError] for a field without a
// column, [*TypeError] for a column that its field cannot hold.
func NewDecoder[T any](cols []Column, m *pgtype.Map) (*Decoder[T], error) {
	t := reflect.TypeFor[T]()
	fields, err := Fields(t)
	if err != nil {
		return nil, err
	}
	index, problems := match(fields, cols)
	d := &Decoder[T]{columns: len(cols)}
	if t.Kind() == reflect.Pointer {
		d.records = newSlab(t.Elem())
	}
	c := newCompiler(m)
	c.arena = &arena{size: arenaBlock}
	for i, f := range fields {
		if index[i] < 0 {
			continue // among the problems
		}
		col := cols[index[i]]
		w := newWireType(col, c.m)
		value, ok := c.decoder(f.Type, w)
		if !ok {
			problems = append(problems, &TypeError{Field: f.Path, GoType: f.Type, Column: col.Name, Type: w.name, Fits: w.fits()})
			continue
		}
		d.plans = append(d.plans, decodePlan{index: index[i], offset: f.Offset, valueDecoder: value})
		d.names = append(d.names, planNames{
			field: f.Path, column: col.Name,
			null: fmt.Sprintf("field %s (%s) cannot hold null: use %s", f.Path, f.Type, w.nullFits(f.Type)),
		})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return d, nil
}

// nullFits names types that hold null beside the values of a column.
func (w *wireType) nullFits(t reflect.Type) string {
	if name := pgtypeNames[w.kind]; name != "" {
		return fmt.Sprintf("*%s or pgtype.%s", t, name)
	}
	return fmt.Sprintf("*%s", t)
}

var pgtypeNames = map[kind]string{
	kindBool: "Bool", kindInt2: "Int2", kindInt4: "Int4", kindInt8: "Int8", kindFloat4: "Float4", kindFloat8: "Float8",
	kindNumeric: "Numeric", kindText: "Text", kindUUID: "UUID",
	kindDate: "Date", kindTime: "Time", kindTimestamp: "Timestamp", kindTimestamptz: "Timestamptz",
}

// Decode converts a row into dst. raw holds a value a column, in the order that
// the Decoder was made for, nil for null: what pgx's rows.RawValues gives. raw is
// not kept. On an error, a [*ValueError] if it is a value's, dst is partly written.
//
// Where T is a pointer, *dst is set to a new struct; otherwise only the mapped
// fields are written.
func (d *Decoder[T]) Decode(raw [][]byte, dst *T) error {
	if len(raw) != d.columns {
		return fmt.Errorf("a row has %d values, and the result has %d columns", len(raw), d.columns)
	}
	base := unsafe.Pointer(dst)
	if d.records != nil {
		record := d.records.take(1)
		*(*unsafe.Pointer)(base) = record
		base = record
	}
	for i := range d.plans {
		p := &d.plans[i]
		src := raw[p.index]
		if src == nil && !p.null {
			return d.names[i].nullError()
		}
		// The offset is the field's own, from reflect.
		if err := p.decode(src, unsafe.Add(base, p.offset)); err != nil {
			if src == nil {
				return d.names[i].nullError()
			}
			return asValueError(err, d.names[i].column, d.names[i].field)
		}
	}
	return nil
}

func (p *planNames) nullError() error {
	return &ValueError{Column: p.column, Field: p.field, Reason: p.null, Null: true}
}
