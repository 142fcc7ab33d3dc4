package sinks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// tableKinds are the kinds of relations that cannot be loaded.
var tableKinds = map[string]string{
	"v": "is a view; load the table behind it",
	"m": "is a materialized view; load the tables behind it",
	"f": "is a foreign table, whose server would not take part in the run's transaction; load it in a run of its own, on its own server",
	"S": "is a sequence",
	"c": "is a composite type",
	"i": "is an index",
	"I": "is an index",
	"t": "is a TOAST table",
}

// check holds the table against what the sink is to do with it; columns are those
// that the records supply.
func (t pgTarget) check(ctx context.Context, conn *pgx.Conn, table *pgcatalog.Table, columns []string) error {
	var problems []error
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("table %q: %w", t.label, fmt.Errorf(format, args...)))
	}
	if what := tableKinds[table.Kind]; what != "" {
		add("%s", what)
		return errors.Join(problems...)
	}
	if table.RowSecurity && t.mode != Upsert {
		add("row-level security applies to this role, and COPY does not work with it: use a role with BYPASSRLS, or the table's owner")
	}
	for _, p := range []struct {
		name         string
		needed, have bool
	}{
		{"INSERT", !table.MayInsert && slices.ContainsFunc(columns, func(c string) bool { return slices.Contains(table.Denied, c) }), false},
		{"SELECT", t.mode == Upsert, table.MaySelect},
		{"UPDATE", t.mode == Upsert && len(t.keys) < len(columns), table.MayUpdate},
		{"DELETE", t.mode == Replace, table.MayDelete},
		{"TRUNCATE", t.mode == Truncate, table.MayTruncate},
	} {
		if p.needed && !p.have {
			add("the role lacks the privilege for %s: somebody who may must run: GRANT %s ON %s TO the role", t.mode, p.name, table.Name.Sanitize())
		}
	}
	if t.mode == Upsert {
		problems = append(problems, t.checkKeys(columns)...)
		if why := table.NotUnique(t.keys); len(problems) == 0 && why != "" {
			add("Upsert needs a unique index over its keys alone: %s; run: CREATE UNIQUE INDEX ON %s (%s)", why, table.Name.Sanitize(), pgcatalog.ColumnList(t.keys))
		}
	} else if why := table.NotUnique(t.keys); len(t.keys) > 0 && why != "" {
		add("Keys are the primary key of a table that Create makes; this one is there, and has no such key: %s; leave Keys out, or add it", why)
	}
	dependents, err := t.checkDependents(ctx, conn, table, columns)
	if err != nil {
		return err
	}
	return errors.Join(append(problems, dependents...)...)
}

func (t pgTarget) checkKeys(columns []string) (problems []error) {
	for _, k := range t.keys {
		if slices.Contains(columns, k) {
			continue
		}
		near := ""
		if n := pgcodec.Nearest(k, columns); n != "" {
			near = fmt.Sprintf("; the nearest is %q", n)
		}
		problems = append(problems, fmt.Errorf("table %q: key %q is not a column that the records supply%s", t.label, k, near))
	}
	return problems
}

// createTable makes the table of a struct.
func (t pgTarget) createTable(ctx context.Context, conn *pgx.Conn, record reflect.Type) error {
	columns, err := pgcodec.ColumnsFor(record, conn.TypeMap())
	if err != nil {
		return pipeline.Permanent(fmt.Errorf("table %q: %w", t.label, err))
	}
	if there, err := t.exists(ctx, conn); err != nil || there {
		return err
	}
	if err := t.checkNames(ctx, conn, columns); err != nil {
		return err
	}
	// Two runs that make the same table at once would fail by a constraint of the catalog.
	if _, err := conn.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1, 0))", "millrace create "+t.id.Sanitize()); err != nil {
		return err
	}
	names := make([]string, len(columns))
	var b strings.Builder
	fmt.Fprintf(&b, "create table if not exists %s (", t.id.Sanitize())
	for i, c := range columns {
		names[i] = c.Name
		if i > 0 {
			b.WriteString(", ")
		}
		// TypeName comes from the table of types in pgcodec, never from outside.
		b.WriteString(pgx.Identifier{c.Name}.Sanitize() + " " + c.TypeName)
		if c.NotNull {
			b.WriteString(" not null")
		}
	}
	if problems := t.checkKeys(names); len(problems) > 0 {
		return pipeline.Permanent(errors.Join(problems...))
	}
	if len(t.keys) > 0 {
		fmt.Fprintf(&b, ", primary key (%s)", pgcatalog.ColumnList(t.keys))
	}
	b.WriteString(")")
	_, err = conn.Exec(ctx, b.String())
	return err
}

func (t pgTarget) exists(ctx context.Context, conn *pgx.Conn) (there bool, err error) {
	err = conn.QueryRow(ctx, "select to_regclass($1) is not null", t.id.Sanitize()).Scan(&there)
	return there, err
}

// checkNames finds names of a table to be made that the server would cut.
func (t pgTarget) checkNames(ctx context.Context, conn *pgx.Conn, columns []pgcodec.Column) error {
	if err := pgcatalog.CheckNames(ctx, conn, append(columnNames(columns), t.id...)...); err != nil {
		return fmt.Errorf("table %q: %w", t.label, err)
	}
	return nil
}

// lockProblem says what a lock timeout means; other errors pass.
func (t pgTarget) lockProblem(err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "55P03" {
		return err
	}
	who := "changes its definition"
	advice := "wait for it"
	switch t.mode {
	case Replace:
		who = "writes to it"
		advice = "wait for it to commit"
	case Truncate:
		who = "uses it, perhaps a source of this very run"
		advice = "use Replace, which lets readers read on"
	case Append, Upsert:
	}
	return fmt.Errorf("table %q: no lock for %s within %v: another session %s; %s, or raise LockTimeout: %w", t.label, t.mode, t.lockTimeout, who, advice, err)
}

// Validate implements [pipeline.Validator]: the table, its columns against the fields
// of T, the keys' index, the role's privileges.
func (s Postgres[T]) Validate(ctx context.Context) error {
	target, err := s.target()
	if err != nil {
		return err
	}
	record := reflect.TypeFor[T]()
	if _, err := pgcodec.Fields(record); err != nil {
		return pipeline.Permanent(fmt.Errorf("table %q: %w", s.Table, err))
	}
	return pgunit.Look(ctx, s.Pool, func(conn *pgx.Conn) error {
		table, err := pgcatalog.Describe(ctx, conn, s.Table, target.id)
		var missing *pgcatalog.NoTableError
		if errors.As(err, &missing) && s.Create {
			return target.checkCreate(ctx, conn, record)
		}
		if err != nil {
			return err
		}
		columns, err := encoderColumns[T](target, table, conn)
		if err != nil {
			return err
		}
		if err := target.check(ctx, conn, table, columns); err != nil {
			return pipeline.Permanent(err)
		}
		if s.Mode != Upsert {
			return nil
		}
		var may bool
		if err := conn.QueryRow(ctx, "select has_database_privilege(current_database(), 'temp')").Scan(&may); err != nil {
			return err
		}
		if !may {
			return pipeline.Permanent(fmt.Errorf("table %q: Upsert needs a temporary table, and the role may not make one: somebody who may must run: GRANT TEMPORARY ON DATABASE %s TO %s",
				s.Table, pgx.Identifier{conn.Config().Database}.Sanitize(), pgx.Identifier{conn.Config().User}.Sanitize()))
		}
		return nil
	})
}

func encoderColumns[T any](target pgTarget, table *pgcatalog.Table, conn *pgx.Conn) ([]string, error) {
	if tableKinds[table.Kind] != "" {
		return nil, nil // check says why; its columns do not matter
	}
	encoder, err := pgcodec.NewEncoder[T](table.Columns, conn.TypeMap())
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("table %q: %w", target.label, err))
	}
	return columnNames(encoder.Columns()), nil
}

func columnNames(columns []pgcodec.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// checkCreate tells whether a table that is not there can be made.
func (t pgTarget) checkCreate(ctx context.Context, conn *pgx.Conn, record reflect.Type) error {
	columns, err := pgcodec.ColumnsFor(record, conn.TypeMap())
	if err != nil {
		return pipeline.Permanent(fmt.Errorf("table %q: %w", t.label, err))
	}
	if problems := t.checkKeys(columnNames(columns)); len(problems) > 0 {
		return pipeline.Permanent(errors.Join(problems...))
	}
	if err := t.checkNames(ctx, conn, columns); err != nil {
		return err
	}
	var schema *string
	if len(t.id) > 1 {
		schema = &t.id[0]
	}
	var name *string
	var may bool
	err = conn.QueryRow(ctx, `
select n.nspname, coalesce(has_schema_privilege(n.oid, 'create'), false)
  from (select coalesce($1::text, current_schema()::text) as wanted) w
  left join pg_catalog.pg_namespace n on n.nspname = w.wanted`, schema).Scan(&name, &may)
	switch {
	case err != nil:
		return err
	case name == nil && schema != nil:
		return pipeline.Permanent(fmt.Errorf("table %q cannot be made: schema %q does not exist", t.label, *schema))
	case name == nil:
		return pipeline.Permanent(fmt.Errorf("table %q cannot be made: no schema of the search path exists; name one", t.label))
	case !may:
		return pipeline.Permanent(fmt.Errorf("table %q cannot be made: somebody who may must run: GRANT CREATE ON SCHEMA %s TO %s", t.label, pgx.Identifier{*name}.Sanitize(), pgx.Identifier{conn.Config().User}.Sanitize()))
	}
	return nil
}
