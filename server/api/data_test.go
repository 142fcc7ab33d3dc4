package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/api"
	"github.com/millrace/millrace/server/console"
)

func TestDataAnswersAsTheFirstVersionDid(t *testing.T) {
	r := newReplica(t, options{waiting: true})
	if a := r.want(200, "GET", "/api/data", ""); a.body != `[{"id":1,"name":"Sude"},{"id":2,"name":"Airflow"},{"id":3,"name":"Docker"}]`+"\n" ||
		a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%q: %s", a.header.Get("Content-Type"), a.body)
	}
	r.exec(`INSERT INTO test_table (name) VALUES (NULL), ('<script>"\'), ('Çınar')`)
	var rows []struct {
		ID   int
		Name *string
	}
	r.want(200, "GET", "/api/data", "").json(t, &rows)
	if len(rows) != 6 || rows[3].Name != nil || *rows[4].Name != `<script>"\` || *rows[5].Name != "Çınar" {
		t.Errorf("%+v", rows)
	}
	r.exec("DELETE FROM test_table")
	if a := r.want(200, "GET", "/api/data", ""); a.body != "[]\n" {
		t.Error(a.body)
	}
	r.exec("INSERT INTO test_table (name) SELECT 'x' FROM generate_series(1, 100001)")
	if a := r.want(500, "GET", "/api/data", ""); !strings.Contains(a.body, "more than 100000 rows") {
		t.Error(a.body)
	}
}

func TestManyWhoAskForDataAtOnceAreAllAnswered(t *testing.T) {
	r := newReplica(t, options{waiting: true})
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for range 20 {
				if a := r.ask("GET", "/api/data", ""); a.status != 200 || !strings.Contains(a.body, "Sude") {
					t.Errorf("%d: %s", a.status, a.body)
				}
			}
		})
	}
	clients.Wait()
}

func TestSalesComeInPagesInEachOrder(t *testing.T) {
	r := newReplica(t, options{waiting: true})
	for _, sort := range []string{"product", "-product", "total_quantity", "-total_quantity", "total_revenue", "-total_revenue"} {
		type item struct {
			Product  string      `json:"product"`
			Quantity int64       `json:"total_quantity"`
			Revenue  json.Number `json:"total_revenue"`
		}
		var all []item
		token, pages := "", 0
		for {
			var page struct {
				Items []item
				Next  string
			}
			r.want(200, "GET", fmt.Sprintf("/api/sales?limit=7&sort=%s&page_token=%s", sort, token), "").json(t, &page)
			all = append(all, page.Items...)
			pages++
			if token = page.Next; token == "" {
				break
			}
		}
		if len(all) != 40 || pages != 6 {
			t.Fatalf("%s: %d rows on %d pages, want 40 on 6", sort, len(all), pages)
		}
		less := func(a, b item) int {
			order := strings.Compare(a.Product, b.Product)
			switch strings.TrimPrefix(sort, "-") {
			case "product":
				order = 0 // of text, which is the database's own
			case "total_quantity":
				order = int(a.Quantity - b.Quantity)
			case "total_revenue":
				left, _ := new(big.Rat).SetString(a.Revenue.String()) // a number by its type
				right, _ := new(big.Rat).SetString(b.Revenue.String())
				order = left.Cmp(right)
			}
			if strings.HasPrefix(sort, "-") {
				order = -order
			}
			return max(order, 0) // equal ones may stand in any order
		}
		for i := 1; i < len(all); i++ {
			if less(all[i-1], all[i]) > 0 {
				t.Errorf("%s: %+v comes before %+v", sort, all[i-1], all[i])
			}
		}
		slices.SortFunc(all, func(a, b item) int { return strings.Compare(a.Product, b.Product) })
		if n := len(slices.CompactFunc(all, func(a, b item) bool { return a.Product == b.Product })); n != 40 {
			t.Errorf("%s: %d different products, want 40", sort, n)
		}
	}
	if a := r.want(200, "GET", "/api/sales?limit=1", ""); !strings.Contains(a.body, `"total_revenue":42.10`) {
		t.Errorf("the revenue is not exact: %s", a.body)
	}
}

func TestRejectsAreAPageOrAFile(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("rejecting")
	r.until(id, runs.Succeeded)
	var page struct {
		Total   int
		Reasons map[string]int
		Items   []struct{ Line, Raw, Value, Record any }
		Next    int
	}
	r.want(200, "GET", "/api/runs/"+id+"/rejects?limit=2", "").json(t, &page)
	if page.Total != 3 || page.Reasons["is odd"] != 3 || len(page.Items) != 2 || page.Next == 0 || page.Items[0].Raw != "1,\"x\uFFFD\uFFFD\n" || page.Items[1].Record != 1.0 {
		t.Errorf("%+v", page)
	}
	r.want(200, "GET", fmt.Sprintf("/api/runs/%s/rejects?limit=2&after=%d", id, page.Next), "").json(t, &page)
	if len(page.Items) != 1 {
		t.Errorf("the second page: %+v", page)
	}
	for _, a := range []response{
		r.want(200, "GET", "/api/runs/"+id+"/rejects?format=csv", ""),
		r.want(200, "GET", "/api/runs/"+id+"/rejects", "", "Accept", "text/csv"),
	} {
		lines, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if err != nil || len(lines) != 4 || strings.Join(lines[1], "|") != "sink|a.csv|2|0|q|=1+1|is odd|1,\"x\uFFFD\uFFFD\n|0" {
			t.Errorf("%v, %q", err, lines)
		}
		if got := a.header.Get("Content-Disposition"); got != `attachment; filename="rejects-`+id+`.csv"` {
			t.Error(got)
		}
	}
}

func TestLogsAreFollowed(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("failing")
	r.until(id, runs.Failed)
	var page runs.Page[runs.LogLine]
	eventually(t, func() error { // lines are written in batches
		r.want(200, "GET", "/api/runs/"+id+"/logs?limit=1", "").json(t, &page)
		if len(page.Items) == 0 {
			return fmt.Errorf("no line")
		}
		return nil
	})
	first := page.Items[0].ID
	r.want(200, "GET", fmt.Sprintf("/api/runs/%s/logs?after=%d", id, first), "").json(t, &page)
	for _, line := range page.Items {
		if line.ID <= first {
			t.Errorf("line %d comes after line %d", line.ID, first)
		}
	}
}

func TestMetricsTellOfRunsAndStages(t *testing.T) {
	r := newReplica(t, options{})
	// What has not happened is 0, so that its first time is an increase.
	body := r.want(200, "GET", "/metrics", "").body
	for _, want := range []string{
		`millrace_runs{pipeline="failing",state="failed"} 0`,
		`millrace_attempts_total{pipeline="failing",state="failed"} 0`,
		`millrace_attempts_total{pipeline="failing",state="lost"} 0`,
		`millrace_run_seconds_count{pipeline="failing",state="cancelled"} 0`,
		`millrace_lease_losses_total{pipeline="failing"} 0`,
		`millrace_stage_records_total{direction="out",pipeline="rejecting",stage="numbers"} 0`,
		`millrace_stage_rejects_total{pipeline="rejecting",stage="sink"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	r.until(r.trigger("rejecting"), runs.Succeeded)
	r.until(r.trigger("failing"), runs.Failed)
	eventually(t, func() error { // the end is observed just after it can be seen
		body := r.want(200, "GET", "/metrics", "").body
		for _, want := range []string{
			`millrace_runs{pipeline="failing",state="failed"} 1`,
			`millrace_runs{pipeline="rejecting",state="succeeded"} 1`,
			`millrace_attempts_total{pipeline="failing",state="failed"} 1`,
			`millrace_run_seconds_count{pipeline="rejecting",state="succeeded"} 1`,
			`millrace_stage_records_total{direction="out",pipeline="rejecting",stage="numbers"} 3`,
			`millrace_stage_rejects_total{pipeline="rejecting",stage="sink"} 3`,
			`millrace_http_requests_total{code="201",route="POST /api/pipelines/{name}/runs"} 2`,
			"millrace_database_up 1", "millrace_queue_runs 0", "millrace_queue_oldest_seconds 0",
			"go_goroutines", "process_resident_memory_bytes", `millrace_build_info{replica="replica-7",version="test"} 1`,
		} {
			if !strings.Contains(body, want) {
				return fmt.Errorf("no %s in\n%s", want, body)
			}
		}
		return nil
	})
}

func TestMetricsWithoutADatabaseSaySo(t *testing.T) {
	r := newReplica(t, options{waiting: true})
	if a := r.want(200, "GET", "/metrics", ""); !strings.Contains(a.body, "millrace_database_up 0") {
		t.Error(a.body)
	}
}

func TestThePageIsServedOrReplacedByAnIndex(t *testing.T) {
	bare := newReplica(t, options{waiting: true})
	if a := bare.want(200, "GET", "/", ""); !strings.Contains(a.body, "/api/pipelines/{name}/runs") {
		t.Error(a.body)
	}
	bare.want(404, "GET", "/pipelines/quick", "")
	r := newReplica(t, options{waiting: true, config: func(c *api.Config) { c.Page = console.Handler(console.Options{}) }})
	for _, path := range []string{"/", "/pipelines/quick", "/runs/" + noRun} {
		a := r.want(200, "GET", path, "")
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s: %v: %s", path, a.header, a.body)
		}
	}
	r.want(404, "GET", "/console.go", "")
	r.want(405, "POST", "/", "")
}
