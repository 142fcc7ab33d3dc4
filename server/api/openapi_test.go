package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/api"
)

// coverage holds which answers of which operations were seen.
type coverage struct {
	t    *testing.T
	doc  *huma.OpenAPI
	mu   sync.Mutex
	seen map[string]bool // "operation status"
}

func operations(doc *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all[op.OperationID] = op
			}
		}
	}
	return all
}

// saw checks an answer against the document, and remembers it.
func (c *coverage) saw(op *huma.Operation, a response) {
	c.t.Helper()
	status := fmt.Sprint(a.status)
	documented, ok := op.Responses[status]
	if !ok {
		if documented, ok = op.Responses["default"]; !ok {
			c.t.Errorf("%s: status %s is not in the document: %s", op.OperationID, status, a.body)
			return
		}
	}
	contentType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if len(documented.Content) > 0 {
		media, ok := documented.Content[contentType]
		if !ok {
			c.t.Errorf("%s %s: content type %q is not in the document", op.OperationID, status, contentType)
			return
		}
		if strings.HasSuffix(contentType, "json") {
			var value any
			if err := json.Unmarshal([]byte(a.body), &value); err != nil {
				c.t.Errorf("%s %s: %v: %s", op.OperationID, status, err, a.body)
				return
			}
			result := &huma.ValidateResult{}
			huma.Validate(c.doc.Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, result)
			for _, err := range result.Errors {
				c.t.Errorf("%s %s: the answer is not as the document has it: %v", op.OperationID, status, err)
			}
		}
	}
	if a.status >= 400 {
		var p huma.ErrorModel
		a.json(c.t, &p)
		if p.Status != a.status || p.Detail == "" || p.Title == "" {
			c.t.Errorf("%s %s: a poor problem: %s", op.OperationID, status, a.body)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[op.OperationID+" "+status] = true
}

// path fills in the parameters of an operation's path.
func path(op *huma.Operation, name, id string) string {
	return strings.NewReplacer("{name}", name, "{id}", id).Replace(op.Path)
}

const (
	secret     = "a-token-that-allows-all"
	readSecret = "a-token-that-only-reads"
	noRun      = "01890a5d-ac96-774b-bcce-b302099a8057"
)

// bodies are what operations with a body take.
var bodies = map[string]string{
	"trigger-run":    `{"logical_date":"2025-03-14"}`,
	"start-backfill": `{"from":"2025-03-14","to":"2025-03-15"}`,
	"cancel-run":     `{"by":"ann"}`, "retry-run": `{"by":"ann"}`, "pause-pipeline": `{"by":"ann"}`, "resume-pipeline": `{"by":"ann"}`,
}

// TestEveryAnswerThatTheDocumentPromises asks every operation for each status that the document gives it, checks the
// answers against their schemas, and fails for what could not be had.
func TestEveryAnswerThatTheDocumentPromises(t *testing.T) {
	t.Parallel()
	r := newReplica(t, options{})
	c := &coverage{t: t, doc: r.api.OpenAPI(), seen: map[string]bool{}}
	ops := operations(c.doc)

	t.Run("success", func(t *testing.T) { successes(t, c, ops, r) })
	t.Run("what the request is wrong in", func(t *testing.T) { mistakes(t, c, ops, r) })
	t.Run("tokens", func(t *testing.T) {
		guarded := newReplica(t, options{config: func(c *api.Config) { c.APIToken, c.ReadToken = secret, readSecret }, idle: true})
		for _, op := range ops {
			if _, ok := op.Responses["401"]; ok {
				c.saw(op, guarded.want(401, op.Method, path(op, "quick", noRun), ""))
			}
			if _, ok := op.Responses["403"]; ok {
				c.saw(op, guarded.want(403, op.Method, path(op, "quick", noRun), "", "Authorization", "Bearer "+readSecret))
			}
		}
	})
	t.Run("too often", func(t *testing.T) {
		slow := newReplica(t, options{config: func(c *api.Config) { c.TriggerRate, c.MaxStreams = 0.1, 1 }})
		run := slow.trigger("gated") // takes what there is
		busy := slow.watch(run, "")
		defer busy.close()
		busy.next(t)
		for _, op := range ops {
			if _, ok := op.Responses["429"]; ok {
				a := slow.want(429, op.Method, path(op, "quick", run), bodies[op.OperationID])
				if a.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After", op.OperationID)
				}
				c.saw(op, a)
			}
		}
	})
	t.Run("no service yet", func(t *testing.T) {
		closed := closedPool(t)
		waiting := newReplica(t, options{waiting: true, config: func(c *api.Config) { c.Reads = closed }})
		for _, op := range ops {
			if _, ok := op.Responses["503"]; ok {
				a := waiting.want(503, op.Method, path(op, "quick", noRun), bodies[op.OperationID])
				if a.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After", op.OperationID)
				}
				c.saw(op, a)
			}
		}
	})
	t.Run("no tables", func(t *testing.T) {
		bare := newReplica(t, options{waiting: true, noTable: true})
		c.saw(ops["list-data"], bare.want(404, "GET", "/api/data", ""))
		c.saw(ops["list-sales"], bare.want(404, "GET", "/api/sales", ""))
	})
	t.Run("a broken database", func(t *testing.T) { broken(t, c, ops) })

	if t.Failed() {
		return // what is missing was told
	}
	for id, op := range ops {
		for status := range op.Responses {
			if status != "default" && !c.seen[id+" "+status] {
				t.Errorf("%s: no test had the answer %s", id, status)
			}
		}
	}
	t.Logf("%d operations, %d different answers", len(ops), len(c.seen))
}

func successes(t *testing.T, c *coverage, ops map[string]*huma.Operation, r *replica) {
	running := r.trigger("gated")
	r.until(running, runs.Running)
	failed := r.trigger("failing")
	r.until(failed, runs.Failed)
	rejecting := r.trigger("rejecting")
	r.until(rejecting, runs.Succeeded)
	for _, id := range []string{"health", "ready", "list-data", "list-sales", "list-pipelines", "list-runs"} {
		c.saw(ops[id], r.want(200, "GET", ops[id].Path, ""))
	}
	c.saw(ops["list-runs"], r.want(200, "GET", "/api/runs?pipeline=failing&state=failed,succeeded&limit=1", ""))
	c.saw(ops["get-pipeline"], r.want(200, "GET", "/api/pipelines/nightly", ""))
	c.saw(ops["pause-pipeline"], r.want(200, "POST", "/api/pipelines/nightly/pause", ""))
	c.saw(ops["resume-pipeline"], r.want(200, "POST", "/api/pipelines/nightly/resume", ""))
	for _, id := range []string{running, failed, rejecting} {
		for _, op := range []string{"get-run", "list-logs", "list-rejects"} {
			c.saw(ops[op], r.want(200, "GET", path(ops[op], "", id), ""))
		}
	}
	c.saw(ops["list-rejects"], r.want(200, "GET", "/api/runs/"+rejecting+"/rejects?format=csv", ""))
	c.saw(ops["retry-run"], r.want(200, "POST", "/api/runs/"+failed+"/retry", ""))
	c.saw(ops["trigger-run"], r.want(201, "POST", "/api/pipelines/quick/runs", `{"params":{"n":"3","day":"2025-03-14","kind":"b"},"logical_date":"2025-03-14T10:00:00+03:00"}`))
	c.saw(ops["start-backfill"], r.want(201, "POST", "/api/pipelines/nightly/backfills", bodies["start-backfill"]))

	s := r.watch(rejecting, "")
	last := s.next(t)
	s.close()
	c.saw(ops["watch-run"], response{status: s.answer.StatusCode, header: s.answer.Header})
	c.saw(ops["watch-run"], r.want(204, "GET", "/api/runs/"+rejecting+"/events", "", "Last-Event-ID", last.id))
	c.saw(ops["cancel-run"], r.want(200, "POST", "/api/runs/"+running+"/cancel", ""))
	r.until(running, runs.Cancelled)
}

func mistakes(t *testing.T, c *coverage, ops map[string]*huma.Operation, r *replica) {
	done := r.trigger("quick")
	r.until(done, runs.Succeeded)
	for _, op := range ops {
		if _, ok := op.Responses["404"]; ok && strings.Contains(op.Path, "{") {
			c.saw(op, r.want(404, op.Method, path(op, "unknown", noRun), bodies[op.OperationID]))
		}
		if _, ok := op.Responses["422"]; ok {
			c.saw(op, r.want(422, op.Method, path(op, "quick", done)+"?surprise=1", bodies[op.OperationID]))
		}
	}
	c.saw(ops["cancel-run"], r.want(409, "POST", "/api/runs/"+done+"/cancel", ""))
	c.saw(ops["retry-run"], r.want(409, "POST", "/api/runs/"+done+"/retry", ""))
	c.saw(ops["pause-pipeline"], r.want(409, "POST", "/api/pipelines/quick/pause", ""))
	c.saw(ops["resume-pipeline"], r.want(409, "POST", "/api/pipelines/quick/resume", ""))

	var slow sync.WaitGroup
	for id := range bodies {
		op := ops[id]
		target := path(op, "nightly", noRun)
		c.saw(op, r.want(400, op.Method, target, `{"params":`))
		c.saw(op, r.want(415, op.Method, target, `a=b`, "Content-Type", "application/x-www-form-urlencoded"))
		c.saw(op, r.want(413, op.Method, target, `{"params":{"n":"`+strings.Repeat("1", 1<<17)+`"}}`))
		slow.Go(func() { c.saw(op, r.slowBody(target)) })
	}
	slow.Wait()
}

// slowBody sends the beginning of a body and then nothing.
func (r *replica) slowBody(target string) response {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Error(err)
		return response{}
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		r.t.Error(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", target)
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Errorf("no answer to a slow body: %v", err)
		return response{}
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		r.t.Error(err)
	}
	return response{got.StatusCode, got.Header, string(text)}
}

// broken asks a server whose tables are not what it needs, and looks for SQL in what it says.
func broken(t *testing.T, c *coverage, ops map[string]*huma.Operation) {
	r := newReplica(t, options{idle: true})
	r.exec("ALTER TABLE test_table RENAME COLUMN name TO called")
	r.exec("ALTER TABLE aggregated_sales RENAME COLUMN product TO called")
	for _, table := range []string{"runs", "pipelines", "run_logs", "run_rejects"} {
		r.exec("ALTER TABLE millrace." + table + " RENAME TO gone_" + table)
	}
	for _, id := range slices.Sorted(maps.Keys(ops)) {
		op := ops[id]
		if _, ok := op.Responses["500"]; !ok {
			continue
		}
		a := r.want(500, op.Method, path(op, "nightly", noRun), bodies[id])
		c.saw(op, a)
		for _, inside := range []string{"SQL", "relation", "column", "42P01", "42703", "select", "SELECT", "millrace."} {
			if strings.Contains(a.body, inside) {
				t.Errorf("%s tells of the inside (%s): %s", id, inside, a.body)
			}
		}
		var p huma.ErrorModel
		a.json(t, &p)
		name := p.Instance[strings.LastIndex(p.Instance, ":")+1:]
		if name == "" || !strings.Contains(r.log.String(), name) {
			t.Errorf("%s: instance %q is not in the log", id, p.Instance)
		}
	}
}

// closedPool is a pool of a database that is not there.
func closedPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // nobody shall be there
	pool, err := pgxpool.New(t.Context(), "postgres://u:hush-hush@"+address+"/d?connect_timeout=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
