package life

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/runs/internal/tables"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

var update = flag.Bool("update", false, "write the next migration and the diagram in the docs from the table of states")

const migrations = "../tables/migrations/"

// The newest of the migrations that are made from the table is what the table says now. Those before it stay as they
// are: databases have them.
func TestTheMigrationIsThatOfTheTable(t *testing.T) {
	all, err := filepath.Glob(migrations + "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	made := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.HasSuffix(name, "_states.sql") })
	current := []byte{}
	if len(made) > 0 {
		if current, err = os.ReadFile(made[len(made)-1]); err != nil {
			t.Fatal(err)
		}
	}
	diff := cmp.Diff(string(current), Migration())
	if diff != "" && *update {
		if err := os.WriteFile(fmt.Sprintf("%s%03d_states.sql", migrations, len(all)+1), []byte(Migration()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff != "" {
		t.Errorf("the table of states has changed: write the next migration with go test ./runs/internal/life -run Migration -update\n%s", diff)
	}
}

func TestTheDiagramInTheDocsIsThatOfTheTable(t *testing.T) {
	const path = "../../../docs/operations.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "```mermaid\n", "```\n"
	before, rest, _ := strings.Cut(string(text), begin)
	drawn, after, found := strings.Cut(rest, end)
	switch {
	case !found:
		t.Fatal("docs/operations.md has no diagram")
	case drawn == Diagram():
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+Diagram()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("write it with go test ./runs/internal/life -run Diagram -update\n%s", cmp.Diff(drawn, Diagram()))
	}
}

// value makes a column set, or not, in SQL.
func value(column string, set bool) string {
	switch column {
	case "active":
		return fmt.Sprint(set)
	case "attempt", "job_id":
		return map[bool]string{true: "1", false: "null"}[set]
	case "worker", "cancel_by":
		return map[bool]string{true: "'somebody'", false: "null"}[set]
	}
	return map[bool]string{true: "now()", false: "null"}[set]
}

// as sets all that a state wants of a run's columns, but for one that is left as it must not be.
func as(s State, wrong string) string {
	r := ruleOf(s)
	assignments := []string{"state = " + quoted(s)}
	for _, c := range r.set {
		assignments = append(assignments, c+" = "+value(c, c != wrong))
	}
	for _, c := range r.unset {
		assignments = append(assignments, c+" = "+value(c, c == wrong))
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.Join(assignments, ", "), "attempt = null", "attempt = 0"), "worker = null", "worker = ''")
}

func schema(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := devdb.Test(t)
	if err := tables.New(pool, "millrace", hclog.NewNullLogger()).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return pool
}

const plain = "insert into millrace.runs (id, pipeline, state, logical_date, params, cause, by) values ('01a20384-20c6-7000-9738-f92721d41771', 'p', 'queued', now(), '{}', 'trigger', 'me')"

// The database holds the table: every pair of states, and every column of each.
func TestTheDatabaseRefusesWhatTheTableDoesNotHave(t *testing.T) {
	pool := schema(t)
	moves := 0
	for _, from := range States() {
		for _, to := range States() {
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{
				plain,
				"alter table millrace.runs disable trigger refuse_move", "update millrace.runs set " + as(from, ""), "alter table millrace.runs enable trigger refuse_move",
			} {
				if _, err := tx.Exec(t.Context(), sql); err != nil {
					t.Fatalf("%s: %s: %v", from, sql, err)
				}
			}
			_, err = tx.Exec(t.Context(), "update millrace.runs set "+as(to, ""))
			if ok := err == nil; ok != (from == to || from.May(to)) {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
			if from.May(to) {
				moves++
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, column := range append(slices.Clone(ruleOf(from).set), ruleOf(from).unset...) {
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{plain, "alter table millrace.runs disable trigger refuse_move"} {
				if _, err := tx.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tx.Exec(t.Context(), "update millrace.runs set "+as(from, column)); err == nil {
				t.Errorf("a run is %s whatever %s is", from, column)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d moves", moves)
}
