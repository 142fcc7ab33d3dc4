package runs

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

func TestManyMigrateAtOnce(t *testing.T) {
	pool := devdb.Test(t)
	r := &Registry{}
	r.Add(fine("p"))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := New(t.Context(), Config{Pool: pool, Registry: r, Workers: -1})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var n int
	if err := pool.QueryRow(t.Context(), "select count(*) from millrace.runs_versions").Scan(&n); err != nil || n != SchemaVersion() {
		t.Errorf("%d versions, %v", n, err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, sql, want string }{
		{"our own", "insert into millrace.runs_versions (version, name) values (1000, 'later')", "the schema has version 1000, this program knows up to"},
		{"River's", "insert into millrace.river_migration (line, version) values ('main', 1000)", "the tables of River have version 1000, this program knows up to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pool := devdb.Test(t)
			s := service(t, Config{Pool: pool}, fine("p"))
			if _, err := pool.Exec(t.Context(), tt.sql); err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{"migrate": s.Migrate(t.Context()), "ready": s.Ready(t.Context()), "start": s.Start(t.Context())} {
				if err == nil || !contains(err.Error(), tt.want) || !contains(err.Error(), "use a newer version of millrace") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func TestAServiceDoesNotStartWithoutItsSchema(t *testing.T) {
	pool := devdb.Test(t)
	r := &Registry{}
	s, err := New(t.Context(), Config{Pool: pool, Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !contains(err.Error(), fmt.Sprintf(`schema "millrace" has version 0, this program needs %d: call Migrate first`, SchemaVersion())) {
		t.Errorf("got %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAServiceWhoseDatabaseIsDown(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://millrace:secret@127.0.0.1:1/none?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	r := &Registry{}
	s, err := New(t.Context(), Config{Pool: pool, Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"migrate": s.Migrate(t.Context()), "ready": s.Ready(t.Context()), "start": s.Start(t.Context())} {
		if err == nil || contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTheMetadataCanLiveInAnotherDatabaseAndSchema(t *testing.T) {
	data, metadata := database(t), devdb.Test(t)
	d := writes("items", data, 50, nil)
	s := start(t, Config{Pool: metadata, Schema: "etl_runs"}, d)
	r := awaitState(t, s, trigger(t, s, "items").ID, Succeeded, Failed)
	if r.State != Succeeded || count(t, data, r.ID) != 50 {
		t.Errorf("the record is %+v", r)
	}
	for pool, table := range map[*pgxpool.Pool]string{data: "etl_runs.commits", metadata: "etl_runs.commits"} {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from "+table+" where run_id = $1", r.ID).Scan(&n); err != nil || n != 1 {
			t.Errorf("%d rows in the ledger, %v", n, err)
		}
	}
	var there bool
	if err := metadata.QueryRow(t.Context(), "select exists (select from pg_namespace where nspname = 'millrace')").Scan(&there); err != nil || there {
		t.Errorf("the default schema is there: %v, %v", there, err)
	}
}

// A crash between two commits is repaired: the data's database has the run, the metadata's not.
func TestARunHalfCommittedIsCompleted(t *testing.T) {
	data, metadata := database(t), devdb.Test(t)
	d := writes("items", data, 50, nil)
	s := service(t, Config{Pool: metadata}, d)
	if err := s.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := trigger(t, s, "items")
	p, err := d.Build(t.Context(), Run{ID: run.ID, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	// What an attempt leaves that dies in between.
	if _, err := p.WithOptions(func(o *pipeline.Options) {
		o.RunID, o.State = run.ID, sinks.PostgresState{Pool: data}
	}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	r := awaitState(t, s, run.ID, Succeeded, Failed)
	if r.State != Succeeded || count(t, data, run.ID) != 50 {
		t.Errorf("the record is %+v; %d rows", r, count(t, data, run.ID))
	}
}

func TestARunWithAFileSucceedsOnceItHasItsName(t *testing.T) {
	pool := database(t)
	path := filepath.Join(t.TempDir(), "out.csv")
	d := fileDefinition(path)
	s := start(t, Config{Pool: pool}, d)
	r := awaitState(t, s, trigger(t, s, "file").ID, Succeeded, Failed)
	if r.State != Succeeded || r.Report == nil || r.Report.State != pipeline.StateSucceeded {
		t.Errorf("the record is %+v", r)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "n\n1\n2\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTheGrantThatTheHistoryLacksIsNamed(t *testing.T) {
	pool := devdb.Test(t)
	role, theirs := devdb.TestRole(t, pool)
	do := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	r := &Registry{}
	r.Add(fine("p"))
	s, err := New(t.Context(), Config{Pool: theirs, Registry: r, Workers: -1})
	if err != nil {
		t.Fatal(err)
	}
	wants := func(words string) {
		t.Helper()
		if err := s.Migrate(t.Context()); err == nil || !contains(err.Error(), words) || contains(err.Error(), theirs.Config().ConnConfig.Password) {
			t.Errorf("got %v, want %s", err, words)
		}
	}
	wants(`the history of runs cannot be made in schema "millrace"`)
	wants("GRANT CREATE ON DATABASE")
	do("create schema millrace; grant usage on schema millrace to " + role)
	wants(`GRANT USAGE, CREATE ON SCHEMA "millrace" TO "` + role + `"`)
	do("grant create on schema millrace to " + role)
	if err := s.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}
