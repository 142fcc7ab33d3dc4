package life

import (
	"fmt"
	"strings"
)

// isSet tells in SQL whether a column is set.
func isSet(column string) string {
	switch column {
	case "active":
		return column
	case "attempt":
		return "attempt > 0"
	case "worker":
		return "worker <> ''"
	}
	return column + " is not null"
}

func isUnset(column string) string {
	if column == "active" {
		return "not active"
	}
	return column + " is null"
}

// Migration makes the database hold the table of states, whatever it held before. Rows that are there are not looked at
// before they change.
func Migration() string {
	var b strings.Builder
	b.WriteString("-- Made from the table of states in runs/internal/life, by its test: do not edit.\n\n")
	var states, moves []string
	for _, r := range table {
		states = append(states, quoted(r.state))
		for _, m := range r.moves {
			moves = append(moves, "    ("+quoted(r.state)+", "+quoted(m.to)+")")
		}
	}
	b.WriteString("alter table runs drop constraint if exists runs_state_check;\n")
	fmt.Fprintf(&b, "alter table runs add constraint runs_state_check check (state in (%s)) not valid;\n", strings.Join(states, ", "))
	for _, r := range table {
		var columns []string
		for _, c := range r.set {
			columns = append(columns, isSet(c))
		}
		for _, c := range r.unset {
			columns = append(columns, isUnset(c))
		}
		fmt.Fprintf(&b, "\nalter table runs drop constraint if exists runs_%s;\n", r.state)
		fmt.Fprintf(&b, "alter table runs add constraint runs_%s check (state <> %s or\n    %s) not valid;\n",
			r.state, quoted(r.state), strings.Join(columns, " and "))
	}
	fmt.Fprintf(&b, `
create or replace function refuse_move() returns trigger language plpgsql as $$
begin
    raise exception 'run %%: a run that is %% cannot become %%', old.id, old.state, new.state using errcode = 'check_violation';
end $$;

drop trigger if exists refuse_move on runs;

create trigger refuse_move before update of state on runs
    for each row when (old.state <> new.state and (old.state, new.state) not in (
%s))
    execute function refuse_move();
`, strings.Join(moves, ",\n"))
	return b.String()
}

func quoted(s State) string { return "'" + string(s) + "'" }

// Diagram draws the table of states for Mermaid.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> queued\n")
	for _, r := range table {
		for _, m := range r.moves {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", r.state, m.to, strings.ReplaceAll(m.by, ";", ","))
		}
		if r.state.Ended() {
			fmt.Fprintf(&b, "    %s --> [*]\n", r.state)
		}
	}
	return b.String()
}
