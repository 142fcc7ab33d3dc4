package pgcodec

import "strings"

// fits names Go types that suit a column's type, for an error about one that does not.
func (w *wireType) fits() string {
	switch w.kind {
	case kindBool:
		return "bool, *bool or pgtype.Bool"
	case kindInt2:
		return "int16, *int16 or pgtype.Int2"
	case kindInt4:
		return "int32, *int32 or pgtype.Int4"
	case kindInt8:
		return "int64, *int64 or pgtype.Int8"
	case kindFloat4:
		return "float32, *float32 or pgtype.Float4"
	case kindFloat8:
		return "float64, *float64 or pgtype.Float8"
	case kindNumeric:
		return "a decimal type, string or pgtype.Numeric"
	case kindText:
		return "string, *string or pgtype.Text"
	case kindBytea:
		return "[]byte"
	case kindUUID:
		return "[16]byte, string or pgtype.UUID"
	case kindDate:
		return "time.Time, *time.Time or pgtype.Date"
	case kindTime:
		return "pgtype.Time or time.Time"
	case kindTimestamp:
		return "time.Time, *time.Time or pgtype.Timestamp"
	case kindTimestamptz:
		return "time.Time, *time.Time or pgtype.Timestamptz"
	case kindJSON, kindJSONB:
		return "json.RawMessage, string or a type that encoding/json takes"
	case kindArray:
		if s := w.elem.fits(); s != "" {
			return "a slice of " + s
		}
	}
	if w.takesNothing() {
		return ""
	}
	if takes := pgxTypes[w.oid]; len(takes) > 0 {
		if name := takes[0].Name(); strings.Contains(name, "[") { // Range[the path of a package]
			return "string or pgtype." + name[:strings.IndexByte(name, '[')]
		}
		return "string or " + takes[0].String()
	}
	return "string"
}
