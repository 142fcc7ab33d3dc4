package pgcodec

import (
	"database/sql"
	"reflect"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// ReadAsText sets Text on the columns that a record of type t, a struct or a
// pointer to one, reads as text: whose field holds text and whose binary form
// is not that. Columns without a field stay as they are. The caller asks the server for
// these in the text format. A nil m stands for pgx's default types.
func ReadAsText(t reflect.Type, cols []Column, m *pgtype.Map) {
	fields, err := Fields(t)
	if err != nil {
		return // NewDecoder says why
	}
	index, _ := match(fields, cols)
	c := newCompiler(m)
	c.arena = &arena{size: arenaBlock}
	for i, f := range fields {
		if index[i] < 0 {
			continue
		}
		w := newWireType(cols[index[i]], c.m)
		if c.readsAsText(f.Type, w) {
			cols[index[i]].Text = true
		}
	}
}

func (c *compiler) readsAsText(t reflect.Type, w *wireType) bool {
	return w.kind != kindBytea && w.asText(t) != nil && c.compiledDecoder(t, w).decode == nil
}

// textDecoder decodes what comes in the text format. Of a type that the Map does
// not know only the text is known, and only what holds text can take it, or a type that
// reads database values by itself.
func (c *compiler) textDecoder(t reflect.Type, w *wireType) (valueDecoder, bool) {
	if text := w.asText(t); text != nil && w.kind != kindBytea {
		if text.kind == kindText {
			d := c.compiledDecoder(t, text)
			return d, d.decode != nil
		}
		return c.textArrayDecoder(t, text)
	}
	if _, known := c.m.TypeForOID(w.oid); !known {
		scans := reflect.PointerTo(t).Implements(scannerType) && !isOfPgx(t) && t.PkgPath() != "database/sql"
		if !scans && t != reflect.TypeFor[any]() && t != reflect.TypeFor[sql.RawBytes]() {
			return valueDecoder{}, false
		}
	}
	return c.pgxDecoder(t, w)
}

// textBoxes stands for an array of text whose elements a semicolon parts.
const textBoxes = 1<<32 - 1

// textArrayDecoder reads an array's text by pgx's parser, as an array of text.
func (c *compiler) textArrayDecoder(t reflect.Type, w *wireType) (valueDecoder, bool) {
	as := *w
	as.text = true
	if delim := w.delimiter(); delim != ',' {
		m := c.pgxMap(nil)
		elem, _ := m.TypeForOID(pgtype.TextOID)
		as.oid = textBoxes
		m.RegisterType(&pgtype.Type{Name: "_text with another delimiter", OID: textBoxes, Codec: &pgtype.ArrayCodec{ElementType: elem, Delimiter: delim}})
	}
	d, ok := c.pgxDecoder(t, &as)
	if !ok {
		return d, false
	}
	decode := d.decode
	d.decode = func(src []byte, p unsafe.Pointer) error {
		if len(src) > 0 && src[0] == '[' {
			return otherBounds()
		}
		return decode(src, p)
	}
	return d, true
}

func otherBounds() error {
	return valueErr("", "an array whose first element has another number than 1 does not fit a slice: use pgtype.Array")
}
