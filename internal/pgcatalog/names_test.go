package pgcatalog

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestParseTable(t *testing.T) {
	for in, want := range map[string]pgx.Identifier{
		"sales":          {"sales"},
		"Public.Sales":   {"Public", "Sales"},
		`"a.b"`:          {"a.b"},
		`x."a""b"`:       {"x", `a"b`},
		`"x"."y"`:        {"x", "y"},
		"select":         {"select"},
		"with space.t-1": {"with space", "t-1"},
		"":               nil,
		".":              nil,
		"a.":             nil,
		".b":             nil,
		"a.b.c":          nil,
		`"a`:             nil,
		`"a"b`:           nil,
		`""`:             nil,
		"a\x00":          nil,
	} {
		got, err := ParseTable(in)
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	for _, s := range []string{"a", "a.b", `"a.b"."c""d"`, `"`, ".", `a."`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseTable(s)
		if err != nil {
			return
		}
		// What was understood means the same when it is written in quotes.
		again, err := ParseTable(id.Sanitize())
		if err != nil || !slices.Equal(id, again) {
			t.Errorf("%q is %q, and again %q, %v", s, id, again, err)
		}
	})
}
