package sinks

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// treeQuery finds a table with all that inherit from it.
const treeQuery = `
with recursive tree as (
  select to_regclass($1)::oid as oid
  union
  select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid
)
select n.nspname::text, c.relname::text
  from tree join pg_catalog.pg_class c on c.oid = tree.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace`

// Datasets says which table is written, with its partitions. A table that is to be made is not named.
func (s Postgres[T]) Datasets(ctx context.Context) (all []pipeline.Dataset, err error) {
	target, err := s.target()
	if err != nil {
		return nil, err
	}
	err = pgunit.Look(ctx, s.Pool, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, treeQuery, target.id.Sanitize())
		if err != nil {
			return err
		}
		var schema, name string
		_, err = pgx.ForEachRow(rows, []any{&schema, &name}, func() error {
			d := pgcatalog.Dataset(s.Pool, schema, name)
			d.Writes, d.Empties = true, s.Mode == Truncate
			all = append(all, d)
			return nil
		})
		return err
	})
	return all, err
}
