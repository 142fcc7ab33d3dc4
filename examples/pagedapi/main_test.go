package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(devdb.Main(m), goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

func kinds(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, _ := pool.Query(t.Context(), "select kind from events order by id") // Collect returns the error
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheDemoLoadsEachEventOnce(t *testing.T) {
	pool := devdb.Test(t)
	if err := demo(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if got, want := kinds(t, pool), []string{"signup", "login", "order", "login", "logout", "order"}; !slices.Equal(got, want) {
		t.Fatalf("loaded %v, want %v", got, want)
	}
}

func TestARunThatFailsReadsItsPagesTheNextTime(t *testing.T) {
	pool := devdb.Test(t)
	if _, err := pool.Exec(t.Context(), table+"; insert into events values (3, 'in the way')"); err != nil {
		t.Fatal(err)
	}
	api := &fakeAPI{pageSize: 2, refuse: 1000}
	api.happen("signup", "login", "order")
	at := serve(t, api)
	if _, err := loadNew(t.Context(), pool, at); err == nil {
		t.Fatal("the event in the way is no error")
	}
	if got := kinds(t, pool); !slices.Equal(got, []string{"in the way"}) {
		t.Fatalf("a failed run left %v", got)
	}
	if _, err := pool.Exec(t.Context(), "delete from events"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := loadNew(t.Context(), pool, at); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := kinds(t, pool), []string{"signup", "login", "order"}; !slices.Equal(got, want) {
		t.Fatalf("loaded %v, want %v", got, want)
	}
	if want := []string{"", "t2", "t3", "", "t2", "t3", "t3"}; !slices.Equal(api.tokens, want) {
		t.Errorf("asked for %q, want %q", api.tokens, want)
	}
}

func TestWhatTheAPIRefusesForGoodIsNotAskedAgain(t *testing.T) {
	asked := 0
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusForbidden)
	}))
	o := pipeline.Options{State: &pipelinetest.State{}, Retry: pipeline.Retry{MaxAttempts: 3}}
	r := pipelinetest.RunSource(t.Context(), Feed{URL: at}, pipelinetest.WithOptions(o))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "403 Forbidden") || !pipeline.IsPermanent(r.Err) || asked != 1 {
		t.Errorf("asked %d times: %v", asked, r.Err)
	}
}
