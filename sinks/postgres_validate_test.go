package sinks_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// contains checks that an error says all of these.
func contains(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

func TestValidateSaysWhatIsWrongBeforeAnythingMoves(t *testing.T) {
	type short struct {
		ID int64
	}
	type extra struct {
		ID   int64
		Name string
		More string `db:"quantiti"`
	}
	type wrong struct {
		ID   time.Time
		Name string
	}
	type total struct {
		ID    int64
		Name  string
		Twice int64
	}
	pool := devdb.Test(t)
	exec(t, pool, itemTable)
	exec(t, pool, "create table totals (id bigint, name text, quantity int, twice bigint generated always as (id * 2) stored)")
	exec(t, pool, "create view seen as select * from items")
	exec(t, pool, "create materialized view stored as select * from items")
	exec(t, pool, "create schema other; create table other.elsewhere (id bigint)")
	exec(t, pool, "create unique index part on totals (id) where id > 5")

	sink := func(table string, mode sinks.Mode, keys ...string) sinks.Postgres[item] {
		return sinks.Postgres[item]{Pool: pool, Table: table, Mode: mode, Keys: keys}
	}
	for _, c := range []struct {
		name  string
		sink  pipeline.Validator
		words []string
	}{
		{"no pool", sinks.Postgres[item]{Table: "items"}, []string{"Pool is nil"}},
		{"no table", sinks.Postgres[item]{Pool: pool}, []string{"no table is named"}},
		{"a name of three parts", sink("a.b.c", 0), []string{`"a.b.c"`, "schema.table"}},
		{"a quote that is not closed", sink(`"items`, 0), []string{"not closed"}},
		{"a mode of nonsense", sink("items", 9), []string{"Mode(9)"}},
		{"a negative lock timeout", sinks.Postgres[item]{Pool: pool, Table: "items", LockTimeout: -1}, []string{"LockTimeout", "negative"}},
		{"a record that is no struct", sinks.Postgres[int]{Pool: pool, Table: "items"}, []string{"struct"}},
		{"a table that is not there", sink("itmes", 0), []string{`table "itmes" does not exist`, `"items"`}},
		{"a table of another schema", sink("elsewhere", 0), []string{"does not exist", `"other.elsewhere"`}},
		{"a schema that is not there", sink("nope.items", 0), []string{`table "nope.items" does not exist`, `"public.items"`}},
		{"a field without a column", sinks.Postgres[extra]{Pool: pool, Table: "totals"}, []string{`"quantiti"`, `the nearest is "quantity"`}},
		{"a column without a field", sinks.Postgres[short]{Pool: pool, Table: "items"}, []string{`"name"`, "not null"}},
		{"a type that does not fit", sinks.Postgres[wrong]{Pool: pool, Table: "items"}, []string{"field ID", "time.Time", `column "id" is bigint`}},
		{"a generated column", sinks.Postgres[total]{Pool: pool, Table: "totals"}, []string{`"twice" is generated`}},
		{"a view", sink("seen", 0), []string{`table "seen"`, "is a view"}},
		{"a materialized view", sink("stored", 0), []string{"is a materialized view"}},
		{"an upsert without keys", sink("items", sinks.Upsert), []string{"Keys"}},
		{"a key twice", sink("items", sinks.Upsert, "id", "id"), []string{`"id" is named twice`}},
		{"a key that is no column", sink("items", sinks.Upsert, "idd"), []string{`"idd"`, `the nearest is "id"`}},
		{"an upsert without a unique index", sink("items", sinks.Upsert, "name"), []string{`CREATE UNIQUE INDEX ON "public"."items" ("name")`}},
		{"an upsert with a partial index", sinks.Postgres[short]{Pool: pool, Table: "totals", Mode: sinks.Upsert, Keys: []string{"id"}}, []string{"CREATE UNIQUE INDEX"}},
		{"a table to make in no schema", sinks.Postgres[item]{Pool: pool, Table: "nope.made", Create: true}, []string{`schema "nope" does not exist`}},
		{"a table to make with a strange key", sinks.Postgres[item]{Pool: pool, Table: "made", Create: true, Keys: []string{"names"}}, []string{`"names"`, `"name"`}},
		{"a table to make of a channel", sinks.Postgres[struct{ C chan int }]{Pool: pool, Table: "made", Create: true}, []string{"field C", "chan int"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.sink.Validate(t.Context())
			contains(t, err, c.words...)
			if !pipeline.IsPermanent(err) {
				t.Errorf("trying again would not help: %v", err)
			}
		})
	}
	for _, s := range []pipeline.Validator{sink("items", 0), sink("items", sinks.Upsert, "id"), sinks.Postgres[item]{Pool: pool, Table: "made", Create: true}} {
		if err := s.Validate(t.Context()); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func TestValidateNamesThePrivilegeThatIsMissing(t *testing.T) {
	pool := itemDB(t)
	role, theirs := devdb.TestRole(t, pool)
	exec(t, pool, fmt.Sprintf("revoke temporary on database %q from public", pool.Config().ConnConfig.Database))
	exec(t, pool, "revoke create on schema public from public")
	check := func(mode sinks.Mode, words ...string) {
		t.Helper()
		err := sinks.Postgres[item]{Pool: theirs, Table: "items", Mode: mode, Keys: keysOf(mode)}.Validate(t.Context())
		contains(t, err, words...)
	}
	check(sinks.Append, "GRANT INSERT")
	exec(t, pool, fmt.Sprintf("grant insert on items to %q", role))
	check(sinks.Replace, "GRANT DELETE")
	check(sinks.Truncate, "GRANT TRUNCATE")
	check(sinks.Upsert, "GRANT SELECT", "GRANT UPDATE")
	exec(t, pool, fmt.Sprintf("grant select, update on items to %q", role))
	check(sinks.Upsert, "GRANT TEMPORARY ON DATABASE")
	contains(t, sinks.Postgres[item]{Pool: theirs, Table: "made", Create: true}.Validate(t.Context()), `GRANT CREATE ON SCHEMA "public"`)
	if err := (sinks.Postgres[item]{Pool: theirs, Table: "items"}).Validate(t.Context()); err != nil {
		t.Error(err)
	}

	exec(t, pool, "alter table items enable row level security")
	check(sinks.Append, "row-level security")
	exec(t, pool, "alter table items disable row level security")
	exec(t, pool, fmt.Sprintf("revoke insert on items from %q; grant insert (id, name, qty) on items to %q", role, role))
	mustLoad(t, count(1), sinks.Postgres[item]{Pool: theirs, Table: "items"})
}

func TestAWrongPasswordAndAServerThatIsNotThereAreOneLine(t *testing.T) {
	pool := devdb.Test(t)
	role, _ := devdb.TestRole(t, pool)
	config := pool.Config()
	config.ConnConfig.User, config.ConnConfig.Password = role, "guess-who"
	wrong, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	_, err = load(t, count(1), sinks.Postgres[item]{Pool: wrong, Table: "items"}, pipeline.Options{})
	contains(t, err, "password authentication failed", role, config.ConnConfig.Database)
	if strings.Contains(err.Error(), "guess-who") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a secret, or more than a line: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	nobody, err := pgxpool.New(t.Context(), "postgres://somebody:guess-who@"+address+"/nowhere?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	_, err = load(t, count(1), sinks.Postgres[item]{Pool: nobody, Table: "items"}, pipeline.Options{})
	contains(t, err, `database "nowhere"`, address, "refused")
	if strings.Contains(err.Error(), "guess-who") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a secret, or more than a line: %v", err)
	}
	if pipeline.IsPermanent(err) {
		t.Error("a server that cannot be reached is worth another try")
	}
}

// reading is a source that holds a connection of the pool while it runs.
type reading struct {
	pipeline.Source[item]
	pool *pgxpool.Pool
}

func (r reading) Claims() []pipeline.Claim {
	return []pipeline.Claim{{Key: r.pool, Name: "pool", Capacity: int(r.pool.Config().MaxConns), Need: 1}}
}

func TestAPoolOfOneConnectionIsTooSmallForAReadingSource(t *testing.T) {
	config := itemDB(t).Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = load(t, reading{count(1), pool}, sinks.Postgres[item]{Pool: pool, Table: "items"}, pipeline.Options{})
	contains(t, err, "room for 1", "needs 2")

	// Alone, one connection serves any number of sinks and steps, and the ledger.
	p := pipeline.New("test", pipeline.Options{State: sinks.PostgresState{Pool: pool}})
	in := pipeline.From(p, "extract", count(10))
	first := pipeline.To(in, "first", sinks.Postgres[item]{Pool: pool, Table: "items"})
	pipeline.To(in, "second", sinks.Postgres[item]{Pool: pool, Table: "copies", Create: true})
	pipeline.Do(p, "analyze", sinks.Exec(pool, "analyze items"), pipeline.After(first))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
