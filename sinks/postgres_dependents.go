package sinks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/pgcatalog"
)

// checkDependents finds what the mode's statements would touch besides the table's own rows, and what would keep them
// from touching these.
func (t pgTarget) checkDependents(
	ctx context.Context, conn *pgx.Conn, table *pgcatalog.Table, columns []string,
) (problems []error, err error) {
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("table %q: %w", t.label, fmt.Errorf(format, args...)))
	}
	if len(table.Children) > 0 && t.mode != Append {
		why := "its unique index does not cover their rows"
		if t.mode != Upsert {
			why = "they would be emptied with it"
		}
		add("%s of a table from which others inherit (%s): %s; use Append, or make it a partitioned table",
			t.mode, strings.Join(table.Children, ", "), why)
	}
	if len(table.ForeignParts) > 0 {
		add("it has partitions on other servers (%s), which would not take part in the run's transaction; "+
			"load the partitions that are here", strings.Join(table.ForeignParts, ", "))
	}
	for _, r := range table.Rules {
		switch {
		case r.Event == "INSERT":
			add("it has the rule %q ON INSERT, which COPY does not follow: make it a trigger, "+
				"or load the table that it writes to", r.Name)
		case r.Event == "UPDATE" && t.mode == Upsert:
			add("it has the rule %q ON UPDATE, with which the server does no upsert: make it a trigger, or use Append", r.Name)
		case r.Event == "DELETE" && r.Instead && t.mode == Replace:
			add("it has the rule %q ON DELETE DO INSTEAD, which keeps rows: they would be there beside the new ones; "+
				"use Truncate, which follows no rules, or Append", r.Name)
		}
	}
	references, err := t.checkReferences(ctx, conn, table, columns)
	return append(problems, references...), err
}

// checkReferences finds foreign keys of other tables by which the mode would change these.
func (t pgTarget) checkReferences(
	ctx context.Context, conn *pgx.Conn, table *pgcatalog.Table, columns []string,
) (problems []error, err error) {
	var emptied map[uint32]Mode
	for _, r := range table.References {
		what, advice := "", ""
		switch t.mode {
		case Replace:
			if what = actions[r.OnDelete]; what != "" {
				what = fmt.Sprintf("ON DELETE %s: its rows would be %s", r.OnDelete, what)
			}
			advice = "use Upsert, which deletes no row, or Append"
		case Truncate:
			what = "and the server truncates no table that another one references, unless the run truncates that one too"
			advice = "use Upsert or Append"
		case Upsert:
			changed := slices.ContainsFunc(r.Columns, func(c string) bool {
				return slices.Contains(columns, c) && !slices.Contains(t.keys, c)
			})
			// CASCADE keeps the reference, which is what it is for.
			if what = actions[r.OnUpdate]; what != "" && changed && r.OnUpdate != "CASCADE" {
				what = fmt.Sprintf("ON UPDATE %s: its rows would be %s", r.OnUpdate, what)
			} else {
				what = ""
			}
			advice = "use Append, or change the foreign key"
		case Append:
		}
		if what == "" {
			continue
		}
		if emptied == nil {
			if emptied, err = t.emptiedByRun(ctx, conn); err != nil {
				return nil, err
			}
		}
		if m, ok := emptied[r.OID]; ok && (m == Truncate || t.mode == Replace) {
			continue // the run empties it before, on its own account
		}
		problems = append(problems, fmt.Errorf("table %q: %s: table %q references it by the foreign key %q %s; %s",
			t.label, t.mode, r.Table, r.Name, what, advice))
	}
	return problems, nil
}

// actions are what a foreign key does to the rows that reference, besides refusing.
var actions = map[string]string{"CASCADE": "deleted", "SET NULL": "set to null", "SET DEFAULT": "set to their default"}

// emptiedByRun resolves the tables that the run empties on the same pool.
func (t pgTarget) emptiedByRun(ctx context.Context, conn *pgx.Conn) (map[uint32]Mode, error) {
	emptied := map[uint32]Mode{}
	for _, w := range writers(ctx, t.pool) {
		if w.mode != Replace && w.mode != Truncate {
			continue
		}
		var oid *uint32
		if err := conn.QueryRow(ctx, "select to_regclass($1)::oid", w.id.Sanitize()).Scan(&oid); err != nil {
			return nil, err
		}
		if oid != nil {
			emptied[*oid] = w.mode
		}
	}
	return emptied, nil
}
