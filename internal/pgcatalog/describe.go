package pgcatalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// Table is what the catalog says of a table that is to be loaded.
type Table struct {
	OID         uint32
	Name        pgx.Identifier // with its schema
	Kind        string         // as pg_class.relkind has it
	RowSecurity bool           // policies apply to this role

	// What the role may do with the whole table.
	MayInsert, MayUpdate, MayDelete, MayTruncate, MaySelect bool

	Columns []pgcodec.Column
	Denied  []string // columns that the role may not insert into, if it may not into the whole table
	Unique  []Index
	Dependents
}

// NoTableError says that a table does not exist.
type NoTableError struct {
	Table   string // as the user wrote it
	Nearest []string
}

func (e *NoTableError) Error() string {
	s := fmt.Sprintf("table %q does not exist", e.Table)
	if len(e.Nearest) > 0 {
		quoted := make([]string, len(e.Nearest))
		for i, n := range e.Nearest {
			quoted[i] = fmt.Sprintf("%q", n)
		}
		s += "; near it: " + strings.Join(quoted, ", ")
	}
	return s
}

// Describe looks the table up, by the search path if it has no schema. A table that is
// not there is a [*NoTableError].
func Describe(ctx context.Context, conn *pgx.Conn, label string, id pgx.Identifier) (*Table, error) {
	t := &Table{}
	var schema, name string
	var b pgx.Batch
	var long []string
	var most int
	queueLong(&b, id, &long, &most)
	b.Queue(`
select c.oid, n.nspname, c.relname, c.relkind::text, row_security_active(c.oid),
       has_table_privilege(c.oid, 'insert'), has_table_privilege(c.oid, 'update'), has_table_privilege(c.oid, 'delete'),
       has_table_privilege(c.oid, 'truncate'), has_table_privilege(c.oid, 'select')
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.oid = to_regclass($1)`, id.Sanitize()).QueryRow(func(row pgx.Row) error {
		return row.Scan(&t.OID, &schema, &name, &t.Kind, &t.RowSecurity, &t.MayInsert, &t.MayUpdate, &t.MayDelete, &t.MayTruncate, &t.MaySelect)
	})
	t.columns(&b, id)
	t.indexes(&b, id)
	t.Dependents.queue(&b, id)
	err := conn.SendBatch(ctx, &b).Close()
	if len(long) > 0 {
		return nil, pipeline.Permanent(fmt.Errorf("table %q: %w", label, &NameError{Name: long[0], Most: most}))
	}
	if errors.Is(err, pgx.ErrNoRows) {
		near, err := nearTables(ctx, conn, id)
		if err != nil {
			return nil, err
		}
		return nil, pipeline.Permanent(&NoTableError{Table: label, Nearest: near})
	}
	if err != nil {
		return nil, err
	}
	t.Name = pgx.Identifier{schema, name}
	return t, nil
}

// columns has a batch read the columns; a domain is taken for the type at its base.
func (t *Table) columns(b *pgx.Batch, id pgx.Identifier) {
	b.Queue(`
with recursive base (attnum, oid, typmod, required) as (
    select a.attnum, a.atttypid, a.atttypmod, a.attnotnull
      from pg_catalog.pg_attribute a
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, y.typbasetype, case when y.typtypmod >= 0 then y.typtypmod else b.typmod end, b.required or y.typnotnull
      from base b
      join pg_catalog.pg_type y on y.oid = b.oid and y.typtype = 'd'
)
select a.attname, y.oid, format_type(a.atttypid, a.atttypmod), b.typmod,
       (select bool_or(r.required) from base r where r.attnum = a.attnum),
       a.atthasdef or a.attidentity <> '' or (select d.typdefault is not null from pg_catalog.pg_type d where d.oid = a.atttypid),
       a.attgenerated <> '',
       y.typtype = 'e' or coalesce(e.typtype = 'e', false),
       case when y.typcategory = 'A' then y.typelem else 0 end,
       has_column_privilege(a.attrelid, a.attnum, 'insert')
  from base b
  join pg_catalog.pg_attribute a on a.attrelid = to_regclass($1) and a.attnum = b.attnum
  join pg_catalog.pg_type y on y.oid = b.oid and y.typtype <> 'd'
  left join pg_catalog.pg_type e on y.typcategory = 'A' and e.oid = y.typelem
 order by a.attnum`, id.Sanitize()).Query(func(rows pgx.Rows) error {
		var c pgcodec.Column
		var may bool
		_, err := pgx.ForEachRow(rows, []any{&c.Name, &c.OID, &c.TypeName, &c.Typmod, &c.NotNull, &c.HasDefault, &c.Generated, &c.Enum, &c.ElemOID, &may}, func() error {
			t.Columns = append(t.Columns, c)
			if !may {
				t.Denied = append(t.Denied, c.Name)
			}
			return nil
		})
		return err
	})
}

// nearTables finds tables whose names are near to one that is not there: the same name
// in another schema, or another spelling.
func nearTables(ctx context.Context, conn *pgx.Conn, id pgx.Identifier) ([]string, error) {
	rows, _ := conn.Query(ctx, `
select n.nspname, c.relname, pg_table_is_visible(c.oid)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_t%'
 order by not pg_table_is_visible(c.oid), n.nspname, c.relname
 limit 5000`)
	wanted := id[len(id)-1]
	var same, names []string
	full := map[string]string{} // by bare name; what is on the search path first
	var schema, name string
	var visible bool
	_, err := pgx.ForEachRow(rows, []any{&schema, &name, &visible}, func() error {
		shown := name
		if !visible || len(id) > 1 {
			shown = schema + "." + name
		}
		if name == wanted {
			same = append(same, shown)
		}
		if _, ok := full[name]; !ok {
			full[name] = shown
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(same) > 0 {
		return same[:min(len(same), 3)], nil
	}
	if near := pgcodec.Nearest(wanted, names); near != "" {
		return []string{full[near]}, nil
	}
	return nil, nil
}
