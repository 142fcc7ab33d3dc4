package pgcodec

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Column describes a column of a table or of a query's result.
type Column struct {
	// Name is the column's name as the catalog has it, unquoted.
	Name string

	// OID identifies the type. A describe message gives a domain's base type
	// here; an OID read from pg_attribute is the domain's own, for which the
	// caller puts the base type.
	OID uint32

	// TypeName is the type as SQL writes it (format_type), for messages.
	// Defaults to a name made from OID, Typmod and the pgtype.Map.
	TypeName string

	// Typmod is the type modifier (pg_attribute.atttypmod): the length of a
	// varchar, the precision and scale of a numeric, the precision of a timestamp.
	// -1 means none.
	Typmod int32

	// NotNull, HasDefault and Generated (pg_attribute.attnotnull, atthasdef or
	// attidentity, attgenerated) let an Encoder tell at once what the server
	// would refuse later. A Decoder does not read them.
	NotNull    bool
	HasDefault bool
	Generated  bool

	// Enum is true for an enum type (pg_type.typtype is 'e'), and for an array
	// of one. Its values are text in the binary format. Not needed for types
	// that the pgtype.Map knows.
	Enum bool

	// ElemOID is the element's type (pg_type.typelem) where OID is an array
	// that the pgtype.Map does not know, such as an array of an enum.
	ElemOID uint32

	// Text is true where a result's values come in the text format. A Decoder
	// hands them to pgx; an Encoder refuses them, since COPY mixes no formats.
	Text bool
}

// FromDescriptions turns the description of a query's result into columns. The
// memory of fields is not kept.
func FromDescriptions(fields []pgconn.FieldDescription) []Column {
	cols := make([]Column, len(fields))
	for i, f := range fields {
		cols[i] = Column{Name: string([]byte(f.Name)), OID: f.DataTypeOID, Typmod: f.TypeModifier}
	}
	return cols
}

// HasBinary reports whether values of the column can travel in the binary
// format: whether pgx knows no better than that they can. A nil m stands for pgx's default types.
func HasBinary(c Column, m *pgtype.Map) bool {
	if m == nil {
		m = pgtype.NewMap()
	}
	t, ok := m.TypeForOID(c.OID)
	return !ok || t.Codec.FormatSupported(pgtype.BinaryFormatCode)
}

// columnNames lists names for a message.
func columnNames(cols []Column) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return names
}

// sqlName writes a type as SQL would, from its kind and modifier.
func (w *wireType) sqlName(m *pgtype.Map) string {
	switch w.kind {
	case kindArray:
		return w.elem.sqlName(m) + "[]"
	case kindNumeric:
		if p, s, ok := w.precision(); ok {
			return fmt.Sprintf("numeric(%d,%d)", p, s)
		}
	}
	if n, ok := w.maxChars(); ok {
		if w.oid == pgtype.BPCharOID {
			return fmt.Sprintf("character(%d)", n)
		}
		return fmt.Sprintf("character varying(%d)", n)
	}
	if name, ok := sqlNames[w.oid]; ok {
		return name
	}
	if t, ok := m.TypeForOID(w.oid); ok {
		return t.Name
	}
	return fmt.Sprintf("the type with OID %d", w.oid)
}

// sqlNames holds the names that format_type gives where they differ from the
// catalog's.
var sqlNames = map[uint32]string{
	pgtype.BoolOID:        "boolean",
	pgtype.Int2OID:        "smallint",
	pgtype.Int4OID:        "integer",
	pgtype.Int8OID:        "bigint",
	pgtype.Float4OID:      "real",
	pgtype.Float8OID:      "double precision",
	pgtype.VarcharOID:     "character varying",
	pgtype.BPCharOID:      "character",
	pgtype.TimeOID:        "time without time zone",
	pgtype.TimestampOID:   "timestamp without time zone",
	pgtype.TimestamptzOID: "timestamp with time zone",
}

// precision reads the modifier of a numeric(p,s). Scale is signed since
// PostgreSQL 15, in 11 bits.
func (w *wireType) precision() (precision, scale int, ok bool) {
	if w.kind != kindNumeric || w.typmod < 4 {
		return 0, 0, false
	}
	t := w.typmod - 4
	return int(t>>16) & 0xffff, int(t&0x7ff^1024) - 1024, true
}

// maxChars reads the modifier of a varchar(n) or char(n): a length in characters.
func (w *wireType) maxChars() (int, bool) {
	if w.typmod > 4 && (w.oid == pgtype.VarcharOID || w.oid == pgtype.BPCharOID) {
		return int(w.typmod - 4), true
	}
	return 0, false
}
