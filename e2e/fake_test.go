package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/console"
)

// fake answers as the API does, from what a test puts into it.
type fake struct {
	*httptest.Server
	mu        sync.Mutex
	changed   chan struct{} // closed at each change
	pipelines []runs.PipelineInfo
	records   []*runs.Record // the newest first
	seq       map[string]int64
	logs      map[string][]runs.LogLine
	rejects   map[string]rejects
	sales     []map[string]any
	data      []map[string]any
	token     string
	down      bool // answers 503 to everything, and ends streams
	asked     int  // for the name of the replica
	listed    int  // requests for single runs
	triggered []map[string]any
	refuse    *problem // what the next change is answered with
}

type rejects struct {
	Total   int64            `json:"total"`
	Kept    int64            `json:"kept"`
	Reasons map[string]int64 `json:"reasons"`
	Items   []reject         `json:"items"`
	Next    int64            `json:"next,omitempty"`
}

type reject struct {
	Stage  string `json:"stage"`
	Source string `json:"source"`
	Line   int64  `json:"line"`
	Offset int64  `json:"offset"`
	Raw    string `json:"raw"`
	Column string `json:"column"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
	Record any    `json:"record,omitempty"`
}

type problem struct {
	Status int                 `json:"status"`
	Detail string              `json:"detail"`
	Errors []map[string]string `json:"errors,omitempty"`
}

func newFake(t *testing.T) *fake {
	f := &fake{changed: make(chan struct{}), seq: map[string]int64{}, logs: map[string][]runs.LogLine{}, rejects: map[string]rejects{}}
	mux := http.NewServeMux()
	mux.Handle("/", console.Handler(console.Options{}))
	api := func(pattern string, answer func(*http.Request) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.asked++
			w.Header().Set("X-Served-By", fmt.Sprintf("backend-%d", f.asked%3+1))
			result := f.guard(r)
			if result == nil {
				result = answer(r)
			}
			switch v := result.(type) {
			case *problem:
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(v.Status)
			case string:
				w.Header().Set("Content-Type", "text/csv")
				_, _ = w.Write([]byte(v))
				return
			}
			_ = json.NewEncoder(w).Encode(result)
		})
	}
	api("GET /api/data", func(*http.Request) any { return f.data })
	api("GET /api/sales", func(*http.Request) any { return map[string]any{"items": f.sales} })
	api("GET /api/pipelines", func(*http.Request) any {
		items := []runs.PipelineInfo{}
		for _, p := range f.pipelines {
			items = append(items, f.info(p))
		}
		return map[string]any{"items": items}
	})
	api("GET /api/pipelines/{name}", func(r *http.Request) any {
		if i := f.pipeline(r); i >= 0 {
			return f.info(f.pipelines[i])
		}
		return &problem{404, "there is no pipeline " + strconv.Quote(r.PathValue("name")), nil}
	})
	for verb, paused := range map[string]bool{"pause": true, "resume": false} {
		api("POST /api/pipelines/{name}/"+verb, func(r *http.Request) any {
			p := &f.pipelines[f.pipeline(r)]
			p.Paused, p.PausedBy = paused, ""
			if paused {
				p.PausedBy = "api"
			}
			return f.info(*p)
		})
	}
	api("POST /api/pipelines/{name}/runs", func(r *http.Request) any {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.triggered = append(f.triggered, body)
		p := f.pipelines[f.pipeline(r)]
		record := record(len(f.records)+1000, p.Name, runs.Queued, time.Now())
		record.Reason = "waits for a free worker"
		f.records = slices.Insert(f.records, 0, record)
		return record
	})
	api("POST /api/pipelines/{name}/backfills", func(r *http.Request) any {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.triggered = append(f.triggered, body)
		p := f.pipelines[f.pipeline(r)]
		info := runs.BackfillInfo{ID: "0190a1b2-0000-7000-8000-00000000bf11"}
		for range 3 {
			record := record(len(f.records)+1000, p.Name, runs.Queued, time.Now())
			record.Backfill, record.Cause = info.ID, runs.CauseBackfill
			f.records = slices.Insert(f.records, 0, record)
			info.Runs = append(info.Runs, *record)
		}
		return info
	})
	api("GET /api/runs", f.list)
	api("GET /api/runs/{id}", func(r *http.Request) any {
		f.listed++
		if record := f.run(r.PathValue("id")); record != nil {
			return record
		}
		return &problem{404, "there is no run " + strconv.Quote(r.PathValue("id")), nil}
	})
	for verb, state := range map[string]runs.State{"cancel": runs.Cancelled, "retry": runs.Queued} {
		api("POST /api/runs/{id}/"+verb, func(r *http.Request) any {
			record := f.run(r.PathValue("id"))
			record.State, record.Reason = state, map[runs.State]string{runs.Cancelled: "cancelled by api", runs.Queued: "retried by api"}[state]
			record.EndedAt = time.Time{}
			if state == runs.Cancelled {
				record.EndedAt = time.Now()
			}
			f.tell(record.ID)
			return record
		})
	}
	api("GET /api/runs/{id}/logs", func(r *http.Request) any {
		after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64)
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		page := runs.Page[runs.LogLine]{Items: []runs.LogLine{}}
		for _, line := range f.logs[r.PathValue("id")] {
			if line.ID <= after || r.FormValue("stage") != "" && line.Stage != r.FormValue("stage") {
				continue
			}
			if len(page.Items) == limit {
				page.Next = "more"
				break
			}
			page.Items = append(page.Items, line)
		}
		return page
	})
	api("GET /api/runs/{id}/rejects", func(r *http.Request) any {
		page := f.rejects[r.PathValue("id")]
		if r.FormValue("format") == "csv" {
			return "stage,value\nload,abc\n"
		}
		if page.Items == nil {
			page.Items, page.Reasons = []reject{}, map[string]int64{}
		}
		return page
	})
	mux.HandleFunc("GET /api/runs/{id}/events", f.events)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.set(func() { f.down = true })
		f.Server.CloseClientConnections()
		f.Server.Close()
	})
	return f
}

// guard refuses requests; f.mu is held.
func (f *fake) guard(r *http.Request) any {
	if f.down {
		return &problem{503, "the server is not ready: waiting for the database", nil}
	}
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		if r.Header.Get("Authorization") == "" {
			return &problem{401, "this server wants a token: send the header Authorization: Bearer TOKEN", nil}
		}
		return &problem{401, "the token is not one of this server's", nil}
	}
	if refused := f.refuse; refused != nil && r.Method == "POST" {
		f.refuse = nil
		return refused
	}
	return nil
}

func (f *fake) pipeline(r *http.Request) int {
	return slices.IndexFunc(f.pipelines, func(p runs.PipelineInfo) bool { return p.Name == r.PathValue("name") })
}

func (f *fake) run(id string) *runs.Record {
	for _, r := range f.records {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func (f *fake) info(p runs.PipelineInfo) runs.PipelineInfo {
	p.LastRuns = []runs.Record{}
	p.Active, p.Waiting = 0, 0
	for _, r := range f.records {
		if r.Pipeline != p.Name {
			continue
		}
		if r.State == runs.Running {
			p.Active++
		}
		if len(p.LastRuns) < 10 {
			p.LastRuns = append(p.LastRuns, inList(r))
		}
	}
	return p
}

// inList is a record as lists have it.
func inList(r *runs.Record) runs.Record {
	short := *r
	short.Report, short.Attempts = nil, nil
	return short
}

func (f *fake) list(r *http.Request) any {
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	from, _ := strconv.Atoi(r.FormValue("page_token"))
	page := runs.Page[runs.Record]{Items: []runs.Record{}}
	for i, record := range f.records {
		if i < from || r.FormValue("pipeline") != "" && record.Pipeline != r.FormValue("pipeline") ||
			r.FormValue("state") != "" && !strings.Contains(r.FormValue("state"), string(record.State)) ||
			r.FormValue("backfill") != "" && record.Backfill != r.FormValue("backfill") {
			continue
		}
		if len(page.Items) == limit {
			page.Next = strconv.Itoa(i)
			break
		}
		page.Items = append(page.Items, inList(record))
	}
	return page
}

func (f *fake) events(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	seen, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	for first := true; ; first = false {
		f.mu.Lock()
		record, seq, changed, refused := f.run(id), f.seq[id]+1, f.changed, f.guard(r)
		body, _ := json.Marshal(record)
		ended := record != nil && record.State.Ended()
		f.mu.Unlock()
		if refused != nil {
			if first {
				w.WriteHeader(refused.(*problem).Status)
				_ = json.NewEncoder(w).Encode(refused)
			}
			return
		}
		if first {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 200\n\n: hello\n\n")
		}
		if seq > seen {
			seen = seq
			fmt.Fprintf(w, "event: run\nid: %d\ndata: %s\n\n", seq, body)
		}
		if ended {
			fmt.Fprint(w, "event: end\ndata: {}\n\n")
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// tell makes watchers of a run look again; f.mu is held.
func (f *fake) tell(id string) {
	f.seq[id]++
	close(f.changed)
	f.changed = make(chan struct{})
}

// set changes what the server answers.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.tell("")
}

// change changes a run.
func (f *fake) change(id string, change func(*runs.Record)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.run(id))
	f.tell(id)
}

// read returns something of the fake while nobody changes it.
func read[T any](f *fake, get func() T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return get()
}
