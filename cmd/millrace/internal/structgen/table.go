package structgen

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
)

// Table looks at a table, a view or a foreign table, named as for sources.Postgres. Its rows are not read: the catalog says
// what its columns are.
func Table(ctx context.Context, pool *pgxpool.Pool, name string) (*Program, error) {
	id, err := pgcatalog.ParseTable(name)
	if err != nil {
		return nil, err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, pgcatalog.ConnectProblem(ctx, pool, err)
	}
	defer conn.Release()
	t, err := pgcatalog.Describe(ctx, conn.Conn(), name, id)
	if err != nil {
		return nil, err
	}
	if len(t.Columns) == 0 {
		return nil, fmt.Errorf("table %q has no columns: there is nothing to make a struct of", name)
	}
	p := &Program{what: "the table " + name, row: structType{name: "Row"}}
	p.source = "sources.Postgres[Row]{Pool: pool, Table: " + strconv.Quote(name) + "}"
	var n names
	p.table = n.unique(snake(id[len(id)-1], "table"), maxName-len("_copy")) + "_copy"
	var goNames names
	for i, c := range t.Columns {
		typ, null, comment := tableType(c)
		if !c.NotNull && !null {
			typ = "*" + typ
		}
		f := field{name: goNames.unique(goName(c.Name, fmt.Sprintf("Column%d", i+1)), 100), typ: p.needs(typ), comment: comment}
		f.tags = []tag{{"db", c.Name}}
		if !dbTag(c.Name) {
			f = field{comment: fmt.Sprintf("The column %q is left out: its name cannot stand in a tag.", c.Name)}
			p.warn("%s", f.comment)
		}
		p.row.fields = append(p.row.fields, f)
	}
	return p, nil
}

// dbTag tells whether a db tag can name the column.
func dbTag(name string) bool {
	if name == "-" {
		return false
	}
	for _, r := range name {
		if r == ',' {
			return false
		}
	}
	return true
}

// scalars are the types that hold each value of a column, null aside: those that Go programs use, where there is one.
var scalars = map[uint32]string{
	pgtype.BoolOID: "bool",
	pgtype.Int2OID: "int16", pgtype.Int4OID: "int32", pgtype.Int8OID: "int64",
	pgtype.Float4OID: "float32", pgtype.Float8OID: "float64",
	pgtype.DateOID: "time.Time", pgtype.TimestampOID: "time.Time", pgtype.TimestamptzOID: "time.Time",
	pgtype.TimeOID: "pgtype.Time", pgtype.IntervalOID: "pgtype.Interval", pgtype.UUIDOID: "pgtype.UUID",
	pgtype.CIDROID: "netip.Prefix", pgtype.InetOID: "netip.Prefix", pgtype.MacaddrOID: "net.HardwareAddr",
	pgtype.ByteaOID: "[]byte", pgtype.JSONOID: "json.RawMessage", pgtype.JSONBOID: "json.RawMessage",
	pgtype.OIDOID: "uint32", pgtype.XIDOID: "uint32", pgtype.CIDOID: "uint32", pgtype.XID8OID: "uint64",
}

// plainText are the types that a string holds for good: a comment would say nothing.
var plainText = map[uint32]bool{
	pgtype.TextOID: true, pgtype.VarcharOID: true, pgtype.BPCharOID: true, pgtype.NameOID: true, pgtype.QCharOID: true,
}

// Arrays to the catalog, but not to a source: their text is read.
const (
	int2vector = 22
	oidvector  = 30
)

// tableType is a column's type; null says that it holds null by itself. Whatever has no type of Go's is text, which every type
// of Postgres has.
func tableType(c pgcodec.Column) (typ string, null bool, comment string) {
	if c.OID == pgtype.NumericOID {
		precision, scale := int(c.Typmod-4)>>16&0xffff, int((c.Typmod-4)&0x7ff^1024)-1024
		if c.Typmod >= 4 && scale == 0 && precision <= 18 {
			return "int64", false, ""
		}
		return "string", false, c.TypeName + ": exact as text, as in a decimal type such as that of github.com/govalues/decimal"
	}
	if typ, ok := scalars[c.OID]; ok {
		null = typ == "[]byte" || typ == "json.RawMessage" || typ == "net.HardwareAddr"
		return typ, null, ""
	}
	if c.ElemOID != 0 && c.OID != int2vector && c.OID != oidvector {
		elem, ok := scalars[c.ElemOID]
		switch {
		case plainText[c.ElemOID] || c.Enum:
			return "[]string", true, "an element that is null is a reject: []*string holds it"
		case ok && elem != "[]byte" && elem != "json.RawMessage" && elem != "net.HardwareAddr":
			return "[]" + elem, true, "an element that is null is a reject: []*" + elem + " holds it"
		}
	}
	if !plainText[c.OID] {
		comment = c.TypeName
	}
	return "string", false, comment
}
