package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// pgRelation is a table, view or foreign table that was found.
type pgRelation struct {
	oid          uint32
	schema, name string
}

const relationQuery = `
SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.has_schema_privilege(n.oid, 'USAGE'), current_user::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END`

// findRelation looks the table up in the catalog.
func (r *pgSource) findRelation(ctx context.Context, conn *pgx.Conn) (*pgRelation, error) {
	id, err := pgcatalog.ParseTable(r.table)
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	schema, name := "", id[len(id)-1]
	if len(id) == 2 {
		schema = id[0]
	}
	rel := &pgRelation{}
	var usage bool
	err = conn.QueryRow(ctx, relationQuery, pgcatalog.Unnamed, name, schema).Scan(&rel.oid, &rel.schema, &rel.name, &usage, &r.user)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, r.noRelation(ctx, conn, schema, name)
	}
	if err != nil {
		return nil, err
	}
	r.oid = rel.oid
	if !usage { // the server would refuse to describe it
		return nil, pipeline.Permanent(fmt.Errorf("role %q may not use schema %q; allow it by GRANT USAGE ON SCHEMA %s TO %s",
			r.user, rel.schema, pgx.Identifier{rel.schema}.Sanitize(), pgx.Identifier{r.user}.Sanitize()))
	}
	return rel, nil
}

// candidatesQuery lists what could have been meant. A database with more tables than
// its limit has its names from the same schema first.
const candidatesQuery = `
SELECT n.nspname::text, c.relname::text, pg_catalog.pg_table_is_visible(c.oid)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname <> $1, NOT pg_catalog.pg_table_is_visible(c.oid), n.nspname, c.relname
LIMIT 10000`

// noRelation says that a table is not there, and which are near.
func (r *pgSource) noRelation(ctx context.Context, conn *pgx.Conn, schema, name string) error {
	rows, err := conn.Query(ctx, candidatesQuery, pgcatalog.Unnamed, schema)
	if err != nil {
		return err
	}
	var candidateSchema, candidate string
	var visible bool
	var names, elsewhere []string
	schemas := map[string]bool{}
	_, err = pgx.ForEachRow(rows, []any{&candidateSchema, &candidate, &visible}, func() error {
		schemas[candidateSchema] = true
		if schema == "" && visible || candidateSchema == schema {
			names = append(names, candidate)
		}
		if candidate == name {
			elsewhere = append(elsewhere, candidateSchema+"."+candidate)
		}
		return nil
	})
	if err != nil {
		return err
	}
	message := "there is no such table"
	if schema == "" {
		message += " in the search path"
	} else if !schemas[schema] {
		message = fmt.Sprintf("there is no table in a schema %q", schema)
	}
	switch near := nearestNames(name, names); {
	case len(near) > 0:
		message += "; near are " + strings.Join(near, ", ")
		if len(near) == 1 {
			message = strings.Replace(message, "; near are", "; the nearest is", 1)
		}
	case len(elsewhere) > 0:
		message += "; there is " + strings.Join(elsewhere[:min(3, len(elsewhere))], ", ")
	case len(names) == 0 && schema == "":
		message += "; the database has no table there"
	}
	return pipeline.Permanent(errors.New(message))
}

// nearestNames returns up to three names that could have been meant, quoted.
func nearestNames(name string, names []string) []string {
	var near []string
	for len(near) < 3 {
		next := pgcodec.Nearest(name, names)
		if next == "" {
			break
		}
		near = append(near, strconv.Quote(next))
		names = slices.DeleteFunc(names, func(n string) bool { return n == next })
	}
	return near
}

const accessQuery = `
SELECT coalesce(pg_catalog.array_agg(a.attname::text ORDER BY a.attnum), '{}')
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = $1::text::oid AND a.attname = ANY ($2::text[]) AND a.attnum > 0
  AND NOT pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')`

// checkAccess finds missing rights, which a statement meets only when it is run.
func (r *pgSource) checkAccess(ctx context.Context, conn *pgx.Conn, d *pgDescription) error {
	if d.relation == nil {
		// The rest is said when the query is planned.
		return conn.QueryRow(ctx, "SELECT current_user::text", pgcatalog.Unnamed).Scan(&r.user)
	}
	var names, refused []string
	for _, c := range d.columns {
		names = append(names, c.Name)
	}
	if d.cursor != nil && !slices.Contains(names, d.cursor.Name) {
		names = append(names, d.cursor.Name)
	}
	if err := conn.QueryRow(ctx, accessQuery, pgcatalog.Unnamed, pgcatalog.OIDText(d.relation.oid), names).Scan(&refused); err != nil {
		return err
	}
	if len(refused) == 0 {
		return nil
	}
	what := "it"
	if len(refused) < len(names) {
		what = "column " + strconv.Quote(refused[0])
		if n := len(refused) - 1; n > 0 {
			what += fmt.Sprintf(" and %d more", n)
		}
	}
	return pipeline.Permanent(fmt.Errorf("role %q may not read %s; allow it by GRANT SELECT ON %s TO %s",
		r.user, what, r.from(d.relation), pgx.Identifier{r.user}.Sanitize()))
}
