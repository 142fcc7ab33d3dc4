package pgcatalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Index is a unique index of a table.
type Index struct {
	Name     string
	Columns  []string // in SQL: a quoted name, or an expression
	Plain    []string // names of the columns; nil where one of them is an expression
	Where    string   // the condition of a partial index
	Deferred bool     // of a deferrable constraint
	Invalid  bool     // left by a CREATE INDEX CONCURRENTLY that failed
	Overlaps bool     // of a constraint WITHOUT OVERLAPS
}

// indexes has a batch read the unique indexes.
func (t *Table) indexes(b *pgx.Batch, id pgx.Identifier) {
	b.Queue(`
select c.relname,
       array(select pg_get_indexdef(i.indexrelid, n, true) from generate_series(1, i.indnkeyatts) n),
       case when i.indexprs is null then
            array(select a.attname::text
                    from unnest(i.indkey::int2[]) with ordinality k (attnum, n)
                    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                   where k.n <= i.indnkeyatts
                   order by k.n) end,
       coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''), not i.indimmediate, not i.indisvalid, i.indisexclusion
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
 where i.indrelid = to_regclass($1) and i.indisunique
 order by c.relname`, id.Sanitize()).Query(func(rows pgx.Rows) (err error) {
		t.Unique, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Index])
		return err
	})
}

// NotUnique returns why ON CONFLICT over exactly these columns, in any order, cannot use any index; "" if it can.
func (t *Table) NotUnique(columns []string) string {
	want := slices.Sorted(slices.Values(columns))
	var near, others []string
	for _, u := range t.Unique {
		over := fmt.Sprintf("%q over (%s)", u.Name, strings.Join(u.Columns, ", "))
		if u.Plain == nil {
			near = append(near, over+" is on an expression, not on the column alone")
			continue
		}
		if !slices.Equal(slices.Sorted(slices.Values(u.Plain)), want) {
			others = append(others, over)
			continue
		}
		switch {
		case u.Where != "":
			near = append(near, over+" is partial, WHERE "+u.Where)
		case u.Deferred:
			near = append(near, over+" is of a DEFERRABLE constraint, which ON CONFLICT cannot use: make it NOT DEFERRABLE")
		case u.Overlaps:
			near = append(near, over+" is of a constraint WITHOUT OVERLAPS, which ON CONFLICT cannot use")
		case u.Invalid:
			near = append(near, over+" is invalid: REINDEX it, or drop it and make it anew")
		default:
			return ""
		}
	}
	switch {
	case len(near) > 0:
		return strings.Join(near, "; ")
	case len(others) > 0:
		return "there is none (unique are " + strings.Join(others, ", ") + ")"
	}
	return "there is none"
}
