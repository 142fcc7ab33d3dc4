package pgcodec

import (
	"encoding/json"
	"net"
	"net/netip"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// pgxTypes are the Go types that pgx's plans carry whole, both ways, by the OID of
// the column's type. pgx has a plan for many more pairs: it takes a float for an
// oid and cuts it, bytes for a uuid of any length, a numeric for bits.
var pgxTypes = map[uint32][]reflect.Type{
	pgtype.IntervalOID: {reflect.TypeFor[pgtype.Interval]()},
	pgtype.InetOID:     {reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[net.IPNet]()},
	pgtype.CIDROID:     {reflect.TypeFor[netip.Prefix](), reflect.TypeFor[net.IPNet]()},
	pgtype.MacaddrOID:  {reflect.TypeFor[net.HardwareAddr]()},
	pgtype.Macaddr8OID: {reflect.TypeFor[net.HardwareAddr]()},
	pgtype.BitOID:      {reflect.TypeFor[pgtype.Bits]()},
	pgtype.VarbitOID:   {reflect.TypeFor[pgtype.Bits]()},
	pgtype.PointOID:    {reflect.TypeFor[pgtype.Point]()},
	pgtype.LineOID:     {reflect.TypeFor[pgtype.Line]()},
	pgtype.LsegOID:     {reflect.TypeFor[pgtype.Lseg]()},
	pgtype.BoxOID:      {reflect.TypeFor[pgtype.Box]()},
	pgtype.PathOID:     {reflect.TypeFor[pgtype.Path]()},
	pgtype.PolygonOID:  {reflect.TypeFor[pgtype.Polygon]()},
	pgtype.CircleOID:   {reflect.TypeFor[pgtype.Circle]()},
	pgtype.TIDOID:      {reflect.TypeFor[pgtype.TID]()},
	pgtype.TSVectorOID: {reflect.TypeFor[pgtype.TSVector]()},
	pgtype.NumericOID:  {reflect.TypeFor[pgtype.Numeric]()},
	pgtype.QCharOID:    {reflect.TypeFor[byte]()},
	pgtype.XMLOID:      {reflect.TypeFor[[]byte]()},
	pgtype.OIDOID:      {reflect.TypeFor[uint32](), reflect.TypeFor[pgtype.Uint32]()},
	pgtype.XIDOID:      {reflect.TypeFor[uint32](), reflect.TypeFor[pgtype.Uint32]()},
	pgtype.CIDOID:      {reflect.TypeFor[uint32](), reflect.TypeFor[pgtype.Uint32]()},
	pgtype.XID8OID:     {reflect.TypeFor[uint64](), reflect.TypeFor[pgtype.Uint64]()},
	pgtype.OID8OID:     {reflect.TypeFor[uint64](), reflect.TypeFor[pgtype.Uint64]()},

	pgtype.Int4rangeOID: {reflect.TypeFor[pgtype.Range[pgtype.Int4]]()},
	pgtype.Int8rangeOID: {reflect.TypeFor[pgtype.Range[pgtype.Int8]]()},
	pgtype.NumrangeOID:  {reflect.TypeFor[pgtype.Range[pgtype.Numeric]]()},
	pgtype.DaterangeOID: {reflect.TypeFor[pgtype.Range[pgtype.Date]]()},
	pgtype.TsrangeOID:   {reflect.TypeFor[pgtype.Range[pgtype.Timestamp]]()},
	pgtype.TstzrangeOID: {reflect.TypeFor[pgtype.Range[pgtype.Timestamptz]]()},

	pgtype.Int4multirangeOID: {reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Int4]]]()},
	pgtype.Int8multirangeOID: {reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Int8]]]()},
	pgtype.NummultirangeOID:  {reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Numeric]]]()},
	pgtype.DatemultirangeOID: {reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Date]]]()},
	pgtype.TsmultirangeOID:   {reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Timestamp]]]()},
	pgtype.TstzmultirangeOID: {reflect.TypeFor[pgtype.Multirange[pgtype.Range[pgtype.Timestamptz]]]()},
}

// pgxTakes reports whether pgx's plans for a pair are to be trusted: those of
// pgxTypes, of JSON, and all for types that the caller made, in Go or in the Map.
func (c *compiler) pgxTakes(t reflect.Type, w *wireType) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if w.text { // pgx reads the text of what the compiled plans read in binary
		binary := *w
		binary.text = false
		if c.compiledDecoder(t, &binary).decode != nil {
			return true
		}
	}
	if known, ok := c.m.TypeForOID(w.oid); ok && w.kind == kindOther {
		of := reflect.TypeOf(known.Codec)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if w.oid >= firstOwnOID && w.oid != textBoxes || of.PkgPath() != reflect.TypeFor[pgtype.Int4Codec]().PkgPath() {
			return true
		}
	}
	switch {
	case w.kind == kindJSON || w.kind == kindJSONB:
		return takesJSON(t)
	case t.Kind() == reflect.Interface:
		return true
	case w.kind == kindArray || w.oid == textBoxes:
		return c.takesElements(t, w)
	}
	for _, takes := range pgxTypes[w.oid] {
		if t == takes || t.Kind() == takes.Kind() && t.Kind() != reflect.Slice && takes.PkgPath() == "" && t.ConvertibleTo(takes) && !hasOwnEncoding(t) && !hasMethods(t) {
			return true
		}
	}
	// A type with methods of its own, which it may have for this very pair.
	return !isLibrary(t) && t.PkgPath() != "net/netip" && t.PkgPath() != "net" && (hasOwnEncoding(t) || hasOwnDecoding(t))
}

// firstOwnOID is the first OID of types that are not the server's own.
const firstOwnOID = 16384

// takesElements looks through slices of slices and pgtype's arrays at the elements.
func (c *compiler) takesElements(t reflect.Type, w *wireType) bool {
	if isLibrary(t) {
		name := t.Name()
		switch {
		case strings.HasPrefix(name, "Array["):
			t = t.Field(0).Type
		case !strings.HasPrefix(name, "FlatArray["):
			return false
		}
	} else if hasOwnEncoding(t) || hasOwnDecoding(t) {
		return true
	}
	if t.Kind() != reflect.Slice || w.elem == nil {
		return t.Kind() == reflect.Slice
	}
	elem := t.Elem()
	if elem.Kind() == reflect.Slice && elem.Elem().Kind() != reflect.Uint8 {
		return c.takesElements(elem, w)
	}
	return c.compiledEncoder(elem, w.elem) != nil || c.pgxTakes(elem, w.elem)
}

// hasMethods is true for types such as net.IP, which are more than their kind.
func hasMethods(t reflect.Type) bool { return t.PkgPath() != "" && t.NumMethod() > 0 }

// takesJSON is true for what encoding/json writes whole and reads again.
func takesJSON(t reflect.Type) bool {
	if isLibrary(t) && t.Kind() != reflect.Interface {
		return isDecimal(t) && reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
	}
	return jsonLoses(t) == ""
}
