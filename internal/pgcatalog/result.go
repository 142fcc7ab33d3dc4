package pgcatalog

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/pgcodec"
)

// Unnamed has pgx run a statement without preparing it by name: behind a pooler that
// gives each transaction another connection of the server's (PgBouncer in transaction
// mode) the name would be unknown there, or taken.
const Unnamed = pgx.QueryExecModeExec

// typesQuery describes types that pgx does not know: those that extensions and users
// made. Their OIDs differ from database to database.
const typesQuery = `
SELECT t.oid, pg_catalog.format_type(t.oid, NULL),
       t.typsend::oid IN ('pg_catalog.textsend'::regproc, 'pg_catalog.varcharsend'::regproc, 'pg_catalog.enum_send'::regproc),
       coalesce(e.oid, 0),
       coalesce(e.typsend::oid IN ('pg_catalog.textsend'::regproc, 'pg_catalog.varcharsend'::regproc, 'pg_catalog.enum_send'::regproc), false)
FROM pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typlen = -1 AND t.typcategory = 'A'
WHERE t.oid = ANY ($1::text[]::oid[])`

// ResultColumns turns a description of a result into columns. Types that pgx does not
// know come as text, which every type has, unless their binary form is that text.
func ResultColumns(ctx context.Context, conn *pgx.Conn, fields []pgconn.FieldDescription) ([]pgcodec.Column, error) {
	types := conn.TypeMap()
	columns := pgcodec.FromDescriptions(fields)
	var unknown []uint32
	for i := range columns {
		c := &columns[i]
		if _, ok := types.TypeForOID(c.OID); !ok {
			unknown = append(unknown, c.OID)
		} else {
			c.Text = !pgcodec.HasBinary(*c, types)
		}
	}
	if len(unknown) == 0 {
		return columns, nil
	}
	rows, err := conn.Query(ctx, typesQuery, Unnamed, oidTexts(unknown))
	if err != nil {
		return nil, err
	}
	var oid, element uint32
	var name string
	var text, textElement bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &text, &element, &textElement}, func() error {
		for i := range columns {
			c := &columns[i]
			if c.OID != oid {
				continue
			}
			c.TypeName = name
			switch {
			case text:
				c.Enum = true
			case element != 0 && knownBinary(types, element):
				c.ElemOID = element
			case element != 0 && textElement:
				c.ElemOID, c.Enum = element, true
			default:
				c.Text, c.ElemOID = true, element
			}
		}
		return nil
	})
	return columns, err
}

func knownBinary(types *pgtype.Map, oid uint32) bool {
	t, ok := types.TypeForOID(oid)
	return ok && t.Codec.FormatSupported(pgtype.BinaryFormatCode)
}

// OIDText is how an OID travels to a statement of [Unnamed], of which nobody knows the parameter's type.
func OIDText(oid uint32) string { return strconv.FormatUint(uint64(oid), 10) }

func oidTexts(oids []uint32) []string {
	texts := make([]string, len(oids))
	for i, oid := range oids {
		texts[i] = OIDText(oid)
	}
	return texts
}
