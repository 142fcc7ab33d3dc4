package api_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

// typed is a pipeline with params of every type.
func typed() runs.Definition {
	return runs.Definition{
		Name: "typed",
		Params: []runs.Param{
			{Name: "note"},
			{Name: "n", Type: runs.Int, Default: "1"},
			{Name: "dry", Type: runs.Bool},
			{Name: "day", Type: runs.Date},
			{Name: "kind", Type: runs.Enum, Values: []string{"a", "b"}, Default: "a"},
		},
		Build: func(context.Context, runs.Run) (*pipeline.Pipeline, error) {
			p := pipeline.New("typed", pipeline.Options{})
			pipeline.Do(p, "nothing", func(context.Context) error { return nil })
			return p, nil
		},
	}
}

// FuzzTriggers sends bodies of triggers. Each is refused as the client's mistake, or is a run that has the params that the
// body said, in the answer and in the history.
func FuzzTriggers(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"params":null}`, `{"params":{"n":"1"}}`, `{"params":{"n":1}}`, `{"params":{"N":"1"}}`,
		`{"params":{"note":"a\u0000b"}}`, `{"params":{"note":"\ud800\u2028é</script>"}}`, "{\"params\":{\"note\":\"\xff\"}}",
		`{"params":{"n":"-0007","dry":"true","day":"2024-02-29","kind":"b","note":"it's"}}`, `{"params":{"n":"9223372036854775808"}}`,
		`{"params":{"day":"0000-01-01"}}`, `{"params":{"kind":""}}`, `{"params":{"kind":"c"}}`, `{"params":{"dry":"yes"}}`, `{"params":{"day":"14.3.2025"}}`, `{"params":{"n":"1"},"params":{"n":"2"}}`,
		`{"logical_date":"2025-03-14"}`, `{"logical_date":"9999-12-31T23:59:59-23:59"}`, `{"logical_date":"1900-01-01T00:00:00+14:00"}`, `{"more":1}`,
	} {
		f.Add(body)
	}
	a := fuzzed(f, devdb.Test(f), 1e6, typed())
	send := func(t *testing.T, method, target, body string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	record := func(t *testing.T, w *httptest.ResponseRecorder) (r runs.Record) {
		t.Helper()
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || r.ID == "" {
			t.Fatalf("status %d: %s: %v", w.Code, w.Body, err)
		}
		return r
	}

	f.Fuzz(func(t *testing.T, body string) {
		w := send(t, http.MethodPost, "/api/pipelines/typed/runs", body)
		if w.Code != http.StatusCreated {
			var p struct{ Detail string }
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Detail == "" || w.Code < 400 || w.Code >= 500 {
				t.Errorf("%q: status %d: %s", body, w.Code, w.Body)
			}
			return
		}
		run := record(t, w)
		if kept := record(t, send(t, http.MethodGet, "/api/runs/"+run.ID, "")); !maps.Equal(kept.Params, run.Params) || !kept.LogicalDate.Equal(run.LogicalDate) {
			t.Errorf("%q: the answer is %+v, the history's %+v", body, run, kept)
		}
		var said struct{ Params map[string]string }
		if body != "" && json.Unmarshal([]byte(body), &said) != nil {
			t.Errorf("%q: was taken for %q", body, run.Params)
		}
		for _, p := range typed().Params {
			value, ok := said.Params[p.Name]
			if !ok {
				value = p.Default
			}
			if p.Type == runs.Int && value != "" {
				n, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					t.Errorf("%q: %q was taken for a number", body, value)
				}
				value = strconv.FormatInt(n, 10)
			}
			if p.Type == runs.Enum && !slices.Contains(p.Values, value) {
				t.Errorf("%q: %q was taken for one of %q", body, value, p.Values)
			}
			if got := run.Params.String(p.Name); got != value {
				t.Errorf("%q: param %q is %q, want %q", body, p.Name, got, value)
			}
		}
		run.Params.Int("n") // none of which panics
		run.Params.Bool("dry")
		run.Params.Date("day")
		if y := run.LogicalDate.UTC().Year(); y < 1900 || y > 9999 {
			t.Errorf("%q: the date is %v", body, run.LogicalDate)
		}
	})
}
