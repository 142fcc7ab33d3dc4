package pgcodec

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"

	"github.com/jackc/pgx/v5/pgtype"
)

// ColumnsFor gives the columns of a table that is to hold records of type t, a
// struct or a pointer to one: a column a field, named by its tag or by its Go
// name in snake case, with the type that loses nothing (TypeName, as CREATE
// TABLE takes it), not null unless the field can hold null.
//
//	bool             boolean             int8, int16, uint8    smallint
//	int32, uint16    integer             int, int64, uint32    bigint
//	uint, uint64     numeric(20,0)       float32, float64      real, double precision
//	string           text                []byte                bytea
//	time.Time        timestamp with time zone                  [16]byte     uuid
//	decimal types    numeric             json.RawMessage, maps, other structs   jsonb
//	slices           the element's type and []
//
// The types of pgtype, net and database/sql give the type that they are made
// for. All fields without a type are in the error.
func ColumnsFor(t reflect.Type, m *pgtype.Map) ([]Column, error) {
	if m == nil {
		m = pgtype.NewMap()
	}
	fields, err := Fields(t)
	if err != nil {
		return nil, err
	}
	var problems []error
	cols := make([]Column, len(fields))
	for i, f := range fields {
		col, ok := columnFor(f.Type, m)
		if !ok {
			problems = append(problems, fmt.Errorf("field %s (%s): no column type follows from it; create the table yourself, or give the field another type", f.Path, f.Type))
		}
		col.Name = f.columnName()
		cols[i] = col
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return cols, nil
}

// columnTypes are the types whose kind does not tell.
var columnTypes = map[reflect.Type]uint32{
	timeType:                              pgtype.TimestamptzOID,
	reflect.TypeFor[json.RawMessage]():    pgtype.JSONBOID,
	reflect.TypeFor[big.Int]():            pgtype.NumericOID,
	reflect.TypeFor[pgtype.Date]():        pgtype.DateOID,
	reflect.TypeFor[pgtype.Time]():        pgtype.TimeOID,
	reflect.TypeFor[pgtype.Timestamp]():   pgtype.TimestampOID,
	reflect.TypeFor[pgtype.Numeric]():     pgtype.NumericOID,
	reflect.TypeFor[pgtype.UUID]():        pgtype.UUIDOID,
	reflect.TypeFor[pgtype.Interval]():    pgtype.IntervalOID,
	reflect.TypeFor[pgtype.Timestamptz](): pgtype.TimestamptzOID,
}

var columnKinds = map[reflect.Kind]uint32{
	reflect.Bool: pgtype.BoolOID,
	reflect.Int8: pgtype.Int2OID, reflect.Int16: pgtype.Int2OID, reflect.Uint8: pgtype.Int2OID,
	reflect.Int32: pgtype.Int4OID, reflect.Uint16: pgtype.Int4OID,
	reflect.Int: pgtype.Int8OID, reflect.Int64: pgtype.Int8OID, reflect.Uint32: pgtype.Int8OID,
	reflect.Uint: pgtype.NumericOID, reflect.Uint64: pgtype.NumericOID,
	reflect.Float32: pgtype.Float4OID, reflect.Float64: pgtype.Float8OID,
	reflect.String: pgtype.TextOID,
}

func columnFor(t reflect.Type, m *pgtype.Map) (Column, bool) {
	t = plainTime(t)
	if value, _, ok := nullable(t); ok && t != reflect.TypeFor[pgtype.UUID]() {
		col, ok := columnFor(value.Type, m)
		col.NotNull = false
		return col, ok
	}
	if oid, ok := columnTypes[t]; ok {
		return typeColumn(oid, !t.Implements(valuerType) && t.Kind() != reflect.Slice, m), true
	}
	if t.Kind() == reflect.Pointer {
		col, ok := columnFor(t.Elem(), m)
		col.NotNull = false
		return col, ok
	}
	if known, ok := m.TypeForValue(reflect.New(t).Elem().Interface()); ok && known.OID != 0 {
		_, scalar := columnKinds[t.Kind()]
		if !scalar || t.PkgPath() != "" {
			return typeColumn(known.OID, t.Kind() != reflect.Slice, m), true
		}
	}
	if isDecimal(t) {
		return typeColumn(pgtype.NumericOID, true, m), true
	}
	if t.Kind() == reflect.Array && uuidArrayEncoder(t) != nil {
		return typeColumn(pgtype.UUIDOID, true, m), true
	}
	if hasOwnEncoding(t) {
		return Column{}, false
	}
	switch kind := t.Kind(); kind {
	case reflect.Uint, reflect.Uint64:
		col := typeColumn(pgtype.NumericOID, true, m)
		col.Typmod, col.TypeName = 20<<16+4, "numeric(20,0)"
		return col, true
	case reflect.Struct, reflect.Map:
		if jsonLoses(t) != "" {
			return Column{}, false
		}
		return typeColumn(pgtype.JSONBOID, kind == reflect.Struct, m), true
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return typeColumn(pgtype.ByteaOID, false, m), true
		}
		elem, ok := columnFor(t.Elem(), m)
		known, found := m.TypeForOID(elem.OID)
		if !ok || !found {
			return Column{}, false
		}
		array, found := m.TypeForName("_" + known.Name)
		if !found {
			return Column{}, false
		}
		return Column{OID: array.OID, TypeName: elem.TypeName + "[]", Typmod: elem.Typmod}, true
	default:
		oid, ok := columnKinds[kind]
		return typeColumn(oid, true, m), ok
	}
}

func typeColumn(oid uint32, notNull bool, m *pgtype.Map) Column {
	col := Column{OID: oid, Typmod: -1, NotNull: notNull}
	col.TypeName = newWireType(col, m).name
	return col
}
