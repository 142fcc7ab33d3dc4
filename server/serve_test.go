package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/devdb"
)

func TestTheDemoWorksFromNothing(t *testing.T) {
	db := devdb.TestURL(t)
	s := start(t, "DATABASE_URL="+db, "MILLRACE_DEMO=1")
	s.waitReady()
	if got := s.want(200, "GET", "/api/data", ""); got != `[{"id":1,"name":"Sude"},{"id":2,"name":"Airflow"},{"id":3,"name":"Docker"}]`+"\n" {
		t.Error(got)
	}
	s.until(s.trigger("sde_gul_etl"), "succeeded")
	var sales struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(s.want(200, "GET", "/api/sales?limit=1000", "")), &sales); err != nil || len(sales.Items) < 900 {
		t.Errorf("%v, %d products", err, len(sales.Items))
	}

	// Every day of a week, each in the night after it, some at once, and again.
	for range 2 {
		var b struct{ Runs []runJSON }
		answer := s.want(201, "POST", "/api/pipelines/nightly_rollup/backfills", `{"from":"2025-03-02","to":"2025-03-09","parallel":4}`)
		if err := json.Unmarshal([]byte(answer), &b); err != nil || len(b.Runs) != 7 {
			t.Fatalf("%v: %s", err, answer)
		}
		for _, r := range b.Runs {
			s.until(r.ID, "succeeded")
		}
	}
	const wrong = `
SELECT count(*) FROM (SELECT sale_date AS day, count(*) AS sales, sum(quantity) AS quantity, sum(quantity * unit_price) AS revenue
FROM online_sales WHERE sale_date BETWEEN '2025-03-01' AND '2025-03-07' GROUP BY sale_date) AS want
FULL JOIN daily_online_sales AS got USING (day)
WHERE (want.sales, want.quantity, want.revenue) IS DISTINCT FROM (got.sales, got.total_quantity, got.total_revenue)`
	if n := query[int64](t, db, wrong); n != 0 {
		t.Errorf("%d days have wrong totals", n)
	}
	if n := query[int64](t, db, "SELECT count(*) FROM daily_online_sales WHERE sales > 0"); n != 7 {
		t.Errorf("%d days have sales, want 7", n)
	}
	s.stop()
	if code := s.wait(); code != exitOK {
		t.Errorf("status %d\n%s", code, s.log)
	}

	// A second start finds the tables, and leaves what is in them.
	// That the test's user has the name of the schema, which Postgres then searches first, must not matter.
	execute(t, db, "DELETE FROM test_table WHERE name = 'Docker'")
	again := start(t, "DATABASE_URL="+db, "MILLRACE_DEMO=1")
	again.waitReady()
	if got := again.want(200, "GET", "/api/data", ""); got != `[{"id":1,"name":"Sude"},{"id":2,"name":"Airflow"}]`+"\n" {
		t.Error(got)
	}
	if strings.Contains(again.log.String(), "filling") {
		t.Error(again.log)
	}
}

func TestWithoutADatabaseItStartsAPrivateOneAndSaysSo(t *testing.T) {
	t.Setenv("DATABASE_URL", "") // devdb looks there too
	s := start(t)
	s.waitReady()
	if first, _, _ := strings.Cut(s.log.String(), "\n"); !strings.HasPrefix(first, "database: ") {
		t.Errorf("the first line is %q", first)
	}
	s.want(200, "GET", "/api/data", "")
	s.until(s.trigger("sde_gul_etl"), "succeeded")
}

// downServer is a durable server that is stopped.
func downServer(t *testing.T) *devdb.Server {
	t.Helper()
	server := devdb.TestServer(t)
	if err := server.StopImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

func TestADatabaseThatIsDownAtTheStartIsWaitedFor(t *testing.T) {
	db := downServer(t)
	s := start(t, "DATABASE_URL="+db.URL(), "MILLRACE_DEMO=1")
	line := s.log.waitFor(t, "waiting for the database: not yet")
	if !strings.Contains(line, "refused") && !strings.Contains(line, "connect") {
		t.Errorf("the line does not say why: %s", line)
	}
	s.want(200, "GET", "/healthz", "")
	if got := s.want(503, "GET", "/readyz", ""); !strings.Contains(got, "waiting for the database") {
		t.Error(got)
	}
	s.want(503, "GET", "/api/runs", "")
	s.want(503, "GET", "/api/data", "")
	if err := db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitReady()
	s.until(s.trigger("sde_gul_etl"), "succeeded")

	// And when it goes later: errors while it is down, and none after.
	if err := db.StopImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually(func() error { return s.is(503, "/readyz") })
	s.want(503, "GET", "/api/data", "")
	s.want(503, "GET", "/api/runs", "")
	s.want(200, "GET", "/healthz", "")
	if err := db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.waitReady()
	s.eventually(func() error { return s.is(200, "/api/data") })
	t.Logf("served again %v after the database was back", time.Since(began).Round(time.Millisecond))
	s.until(s.trigger("sde_gul_etl"), "succeeded")
	secretsAreNotIn(t, s.log.String(), db.URL())
}

// secretsAreNotIn fails if a text holds the password of a URL.
func secretsAreNotIn(t *testing.T, text, database string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	if password, ok := u.User.Password(); !ok || password == "" {
		t.Fatal("the database's URL has no password to look for")
	} else if strings.Contains(text, password) {
		t.Errorf("the password is told: %s", text)
	}
}

func TestAWrongPasswordIsSaidInOneLineAndWaitedFor(t *testing.T) {
	u, err := url.Parse(devdb.TestURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "hush-hush")
	s := start(t, "DATABASE_URL="+u.String())
	line := s.log.waitFor(t, "waiting for the database: not yet")
	if !strings.Contains(line, "password authentication failed") {
		t.Error(line)
	}
	s.want(503, "GET", "/readyz", "")
	s.stop()
	if code := s.wait(); code != exitOK || strings.Contains(s.log.String(), "hush") {
		t.Errorf("status %d\n%s", code, s.log)
	}
}

func TestASchemaOfANewerVersionIsRefused(t *testing.T) {
	db := devdb.TestURL(t)
	first := start(t, "DATABASE_URL="+db)
	first.waitReady()
	first.stop()
	first.wait()
	execute(t, db, "INSERT INTO millrace.runs_versions (version, name) VALUES (9999, 'of_tomorrow')")
	second := start(t, "DATABASE_URL="+db)
	if code := second.wait(); code != exitFailed || !strings.Contains(second.log.String(), "newer") {
		t.Errorf("status %d\n%s", code, second.log)
	}
}

func TestMetadataMayBeInAnotherDatabase(t *testing.T) {
	data, metadata := devdb.TestURL(t), devdb.TestURL(t)
	s := start(t, "DATABASE_URL="+data, "MILLRACE_METADATA_URL="+metadata, "MILLRACE_DEMO=1")
	s.waitReady()
	s.until(s.trigger("sde_gul_etl"), "succeeded")
	const runsTables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'millrace' AND tablename = 'runs'"
	if a, b := query[int64](t, data, runsTables), query[int64](t, metadata, runsTables); a != 0 || b != 1 {
		t.Errorf("tables of runs: %d with the data, %d in the metadata", a, b)
	}
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var stderr bytes.Buffer
	code := run(t.Context(), nil, []string{"MILLRACE_LISTEN=" + l.Addr().String()}, &stderr, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "MILLRACE_LISTEN") || !strings.Contains(stderr.String(), "in use") {
		t.Errorf("status %d: %s", code, &stderr)
	}
}

func TestACSVThatIsMissingFailsTheRunAndNothingElse(t *testing.T) {
	s := start(t, "DATABASE_URL="+devdb.TestURL(t), "MILLRACE_DEMO=1", "MILLRACE_SALES_CSV="+filepath.Join(t.TempDir(), "none.csv"))
	s.waitReady()
	r := s.until(s.trigger("sde_gul_etl"), "failed")
	if !strings.Contains(r.Error, "none.csv") {
		t.Errorf("%+v", r)
	}
	s.want(200, "GET", "/readyz", "")
}

func TestACSVWithoutAColumnFailsWithThatSentence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sales.csv")
	if err := os.WriteFile(path, []byte("sale_id,product,quantity,unit_price,store\n1,Mug,1,2.50,Berlin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "DATABASE_URL="+devdb.TestURL(t), "MILLRACE_DEMO=1", "MILLRACE_SALES_CSV="+path)
	s.waitReady()
	if r := s.until(s.trigger("sde_gul_etl"), "failed"); !strings.Contains(r.Error, "sale_date") {
		t.Errorf("%+v", r)
	}
}

func TestHealthAsksTheServerOfTheSameEnvironment(t *testing.T) {
	db := downServer(t) // healthy means that it answers, not that it is ready
	s := start(t, "DATABASE_URL="+db.URL())
	port := s.url[strings.LastIndex(s.url, ":")+1:]
	var stderr bytes.Buffer
	for _, listen := range []string{"127.0.0.1:" + port, "localhost:" + port} {
		if code := run(t.Context(), []string{"-health"}, []string{"MILLRACE_LISTEN=" + listen}, &stderr, &stderr); code != exitOK {
			t.Errorf("%s: status %d: %s", listen, code, &stderr)
		}
	}
	s.stop()
	s.wait()
	if code := run(t.Context(), []string{"-health"}, []string{"MILLRACE_LISTEN=127.0.0.1:" + port}, &stderr, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "not healthy") {
		t.Errorf("status %d: %s", code, &stderr)
	}
}

func TestSettingsThatAreNoneAreWarnedOf(t *testing.T) {
	s := start(t, "DATABASE_URL="+devdb.TestURL(t), "MILLRACE_API_TOKN="+token, "MILLRACE_LOG_FORMAT=json")
	line := s.log.waitFor(t, "MILLRACE_API_TOKN")
	var parsed map[string]any
	if err := json.Unmarshal([]byte(line), &parsed); err != nil || parsed["@level"] != "warn" {
		t.Errorf("%v: %s", err, line)
	}
	if strings.Contains(s.log.String(), token) {
		t.Error("the token is told")
	}
}

func TestManyReplicasMayStartAtOnce(t *testing.T) {
	db := devdb.TestURL(t)
	var all []*server
	for i := range 3 {
		all = append(all, start(t, "DATABASE_URL="+db, "MILLRACE_DEMO=1", "MILLRACE_WORKERS=2", fmt.Sprintf("MILLRACE_REPLICA=r%d", i)))
	}
	for _, s := range all {
		s.waitReady()
	}
	if n := query[int64](t, db, "SELECT count(*) FROM test_table"); n != 3 {
		t.Errorf("test_table has %d rows, want 3", n)
	}
	id := all[0].trigger("sde_gul_etl")
	all[1].until(id, "succeeded")
	all[2].until(id, "succeeded")
}
