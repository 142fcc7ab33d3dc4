package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/api"
)

// fuzzed is an API over a service that works no runs.
func fuzzed(f *testing.F, pool *pgxpool.Pool, triggers float64, definitions ...runs.Definition) *api.API {
	f.Helper()
	registry := &runs.Registry{}
	registry.Add(definitions...)
	service, err := runs.New(f.Context(), runs.Config{Pool: pool, Registry: registry, Workers: -1})
	if err != nil {
		f.Fatal(err)
	}
	if err := service.Migrate(f.Context()); err != nil {
		f.Fatal(err)
	}
	if err := service.Start(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := service.Stop(context.WithoutCancel(f.Context())); err != nil {
			f.Error(err)
		}
	})
	a := api.New(api.Config{Replica: "fuzzed", Logger: hclog.NewNullLogger(), Reads: pool, TriggerRate: triggers})
	a.Serve(service)
	return a
}

// FuzzRequests sends what clients might. Nothing may be an error of the server, and every refusal is a problem.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/api/data", "", ""},
		{"GET", "/api/sales?sort=-product&limit=3&page_token=abc", "", ""},
		{"GET", "/api/runs?state=failed,lost&pipeline=quick&backfill=x&page_token=eyJ0Ijo", "", ""},
		{"GET", "/api/runs/" + noRun, "", ""},
		{"GET", "/api/runs/" + noRun + "/logs?after=1&stage=%00&attempt=2", "", ""},
		{"GET", "/api/runs/" + noRun + "/rejects?format=csv", "text/csv", ""},
		{"GET", "/api/runs/" + noRun + "/events", "5", ""},
		{"POST", "/api/runs/%27/cancel", "", ""},
		{"POST", "/api/runs/" + noRun + "/retry", "", ""},
		{"POST", "/api/pipelines/quick/runs", "application/json", `{"params":{"n":"\u0000","day":"2025-02-30"},"logical_date":"0000-00-00"}`},
		{"POST", "/api/pipelines/nightly/backfills", "application/json; charset=utf-8", `{"from":"2025-03-14T00:00:00+99:00","to":"9999-12-31"}`},
		{"POST", "/api/pipelines/nightly%00/pause", "", ""},
		{"GET", "/pipelines/%2e%2e/%2e%2e", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	pool := devdb.Test(f)
	if _, err := pool.Exec(f.Context(), "CREATE TABLE test_table (id int, name text); CREATE TABLE aggregated_sales (product text, total_quantity bigint, total_revenue numeric)"); err != nil {
		f.Fatal(err)
	}
	a := fuzzed(f, pool, 20, (&replica{}).definitions()...)
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		address, err := url.ParseRequestURI(target)
		if err != nil || strings.ContainsAny(header, "\r\n\x00") || method == "" {
			return
		}
		r := &http.Request{Method: method, URL: address, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "x", Body: http.NoBody, Header: http.Header{
			"Content-Type": {header}, "Accept": {header}, "Last-Event-Id": {header}, "Authorization": {header},
		}}
		if body != "" {
			r = r.WithContext(t.Context())
			r.Body = readCloser{strings.NewReader(body)}
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code >= 500 {
			t.Fatalf("%s %s %q %q: status %d: %s", method, target, header, body, w.Code, w.Body)
		}
		if w.Header().Get("X-Served-By") != "fuzzed" {
			t.Errorf("%s %s: no X-Served-By", method, target)
		}
		if w.Code >= 400 && method != http.MethodHead {
			var p struct{ Detail string }
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Detail == "" {
				t.Errorf("%s %s: status %d is no problem: %s", method, target, w.Code, w.Body)
			}
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
