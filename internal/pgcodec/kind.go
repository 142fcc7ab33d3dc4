package pgcodec

import (
	"github.com/jackc/pgx/v5/pgtype"
)

// kind is a family of PostgreSQL types that share a binary format.
type kind uint8

const (
	kindOther kind = iota // known to the Map, outside the compiled set
	kindUnknown
	kindBool
	kindInt2
	kindInt4
	kindInt8
	kindFloat4
	kindFloat8
	kindNumeric
	kindText
	kindBytea
	kindUUID
	kindDate
	kindTime
	kindTimestamp
	kindTimestamptz
	kindJSON
	kindJSONB
	kindArray
)

// wireType is what a plan needs to know of a column's type.
type wireType struct {
	kind   kind
	oid    uint32
	typmod int32
	name   string    // for messages
	elem   *wireType // of an array
	text   bool      // values come in the text format
	unit   int64     // of times: how many microseconds a value must be a multiple of, by its precision
	delim  byte      // between the elements of an array's text, where it is not the usual one
}

// newWireType classifies a column. It looks at the codec that the Map holds for
// the OID, not at the OID, so that a type which the caller has registered anew
// with another codec goes to that codec.
func newWireType(c Column, m *pgtype.Map) *wireType {
	w := &wireType{oid: c.OID, typmod: c.Typmod, text: c.Text, unit: 1}
	if t, ok := m.TypeForOID(c.OID); ok {
		w.kind = kindOf(t.Codec)
		if a, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			w.elem = newWireType(Column{OID: a.ElementType.OID, Typmod: c.Typmod}, m)
		}
	} else {
		switch {
		case c.ElemOID != 0:
			w.kind = kindArray
			w.elem = newWireType(Column{OID: c.ElemOID, Enum: c.Enum, Typmod: c.Typmod}, m)
		case c.Enum:
			w.kind = kindText
		default:
			w.kind = kindUnknown
		}
	}
	switch w.kind {
	case kindTime, kindTimestamp, kindTimestamptz:
		for p := w.typmod; p >= 0 && p < 6; p++ {
			w.unit *= 10
		}
	}
	w.name = c.TypeName
	if w.name == "" {
		w.name = w.sqlName(m)
	}
	return w
}

func kindOf(c pgtype.Codec) kind {
	switch c := c.(type) {
	case pgtype.BoolCodec:
		return kindBool
	case pgtype.Int2Codec:
		return kindInt2
	case pgtype.Int4Codec:
		return kindInt4
	case pgtype.Int8Codec:
		return kindInt8
	case pgtype.Float4Codec:
		return kindFloat4
	case pgtype.Float8Codec:
		return kindFloat8
	case pgtype.NumericCodec:
		return kindNumeric
	case pgtype.TextCodec, *pgtype.EnumCodec:
		return kindText
	case pgtype.ByteaCodec:
		return kindBytea
	case pgtype.UUIDCodec:
		return kindUUID
	case pgtype.DateCodec:
		return kindDate
	case pgtype.TimeCodec:
		return kindTime
	case *pgtype.TimestampCodec:
		if c.ScanLocation == nil {
			return kindTimestamp
		}
	case *pgtype.TimestamptzCodec:
		if c.ScanLocation == nil {
			return kindTimestamptz
		}
	case *pgtype.JSONCodec:
		return kindJSON
	case *pgtype.JSONBCodec:
		return kindJSONB
	case *pgtype.ArrayCodec:
		return kindArray
	}
	return kindOther
}
