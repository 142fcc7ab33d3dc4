package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/devdb"
)

// A trigger on in_store_sales is what stops a run in its middle: it waits for an advisory lock that the test holds.
const (
	stopper = `
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE TRIGGER stop_here BEFORE INSERT ON in_store_sales FOR EACH STATEMENT EXECUTE FUNCTION stop_here()`
	waitersInTheMiddle = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
)

// stopRuns makes runs of sde_gul_etl wait in their middle until the function that it returns is called.
func stopRuns(t *testing.T, database string) (goOn func()) {
	t.Helper()
	execute(t, database, stopper)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	goOn = func() { _ = conn.Close(context.Background()) } // which gives the lock back
	t.Cleanup(goOn)
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock(4711)"); err != nil {
		t.Fatal(err)
	}
	return goOn
}

// TestAReplicaThatIsKilledLosesNothing kills -9 the replica that works a run, in its middle; another finishes it.
func TestAReplicaThatIsKilledLosesNothing(t *testing.T) {
	db := devdb.TestURL(t)
	first := startProcess(t, "DATABASE_URL="+db, "MILLRACE_DEMO=1", "MILLRACE_REPLICA=first")
	first.waitReady()
	goOn := stopRuns(t, db)
	id := first.trigger("sde_gul_etl")
	first.eventually(func() error {
		if n := query[int64](t, db, waitersInTheMiddle); n == 0 {
			return fmt.Errorf("the run is not in its middle")
		}
		return nil
	})
	second := startProcess(t, "DATABASE_URL="+db, "MILLRACE_REPLICA=second")
	second.waitReady()
	began := time.Now()
	if err := first.process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.wait()
	goOn()
	r := second.until(id, "succeeded")
	took := time.Since(began)
	if r.Worker != "second" || r.Attempt != 2 {
		t.Errorf("%+v", r)
	}
	if took > 15*time.Second {
		t.Errorf("the takeover took %v, want at most 15 s", took)
	}
	t.Logf("killed, taken over and finished in %v", took.Round(time.Millisecond))
	const wrong = `
SELECT count(*) FROM (SELECT product, sum(quantity) AS q, sum(quantity * unit_price) AS r FROM
	(SELECT product, quantity, unit_price FROM online_sales UNION ALL SELECT product, quantity, unit_price FROM in_store_sales) AS sales GROUP BY product) AS want
FULL JOIN aggregated_sales AS got USING (product) WHERE (want.q, want.r) IS DISTINCT FROM (got.total_quantity, got.total_revenue)`
	if n := query[int64](t, db, wrong); n != 0 {
		t.Errorf("%d products have wrong totals", n)
	}
	if n := query[int64](t, db, "SELECT count(*) FROM in_store_sales"); n != 7105 {
		t.Errorf("%d sales in stores, want 7105", n)
	}
	second.stop()
	if code := second.wait(); code != exitOK {
		t.Errorf("status %d\n%s", code, second.log)
	}
}

// TestSIGTERMHandsARunBack ends a replica in the middle of a run, while somebody watches it.
func TestSIGTERMHandsARunBack(t *testing.T) {
	db := devdb.TestURL(t)
	first := startProcess(t, "DATABASE_URL="+db, "MILLRACE_DEMO=1", "MILLRACE_REPLICA=first")
	first.waitReady()
	goOn := stopRuns(t, db)
	id := first.trigger("sde_gul_etl")
	first.eventually(func() error {
		if n := query[int64](t, db, waitersInTheMiddle); n == 0 {
			return fmt.Errorf("the run is not in its middle")
		}
		return nil
	})
	watcher, err := http.Get(first.url + "/api/runs/" + id + "/events") //nolint:noctx // it ends with the server
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Body.Close()
	second := startProcess(t, "DATABASE_URL="+db, "MILLRACE_REPLICA=second")
	second.waitReady()
	began := time.Now()
	first.stop()
	if code := first.wait(); code != exitOK {
		t.Errorf("status %d\n%s", code, first.log)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("the shutdown took %v, longer than its limit of 8 s", took)
	}
	var stream strings.Builder
	if _, err := io.Copy(&stream, watcher.Body); err != nil || !strings.Contains(stream.String(), "the server shuts down") {
		t.Errorf("the stream ended with %v: %s", err, stream.String())
	}
	goOn()
	if r := second.until(id, "succeeded"); r.Worker != "second" {
		t.Errorf("%+v", r)
	}
	t.Logf("handed back and finished in %v", time.Since(began).Round(time.Millisecond))
}
