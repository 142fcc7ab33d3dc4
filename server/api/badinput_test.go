package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/api"
)

func TestWhatIsWrongWithARequestIsSaid(t *testing.T) {
	r := newReplica(t, options{})
	done := r.trigger("quick")
	r.until(done, runs.Succeeded)
	var page runs.Page[runs.Record]
	r.trigger("quick")
	r.want(200, "GET", "/api/runs?limit=1", "").json(t, &page)
	var sales struct{ Next string }
	r.want(200, "GET", "/api/sales?limit=1", "").json(t, &sales)
	tampered := func(token string) string {
		if token == "" {
			t.Fatal("no token to tamper with")
		}
		last := "A"
		if token[len(token)/2] == 'A' {
			last = "B"
		}
		return token[:len(token)/2] + last + token[len(token)/2+1:]
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"an unknown pipeline", "GET", "/api/pipelines/nope", "", 404, `there is no pipeline "nope"`},
		{"a trigger of an unknown pipeline", "POST", "/api/pipelines/nope/runs", "", 404, `there is no pipeline "nope"`},
		{"an unknown param", "POST", "/api/pipelines/quick/runs", `{"params":{"m":"1"}}`, 422, `no param "m"`},
		{"a param of the wrong type", "POST", "/api/pipelines/quick/runs", `{"params":{"n":"many"}}`, 422, "not a whole number"},
		{"a param that is no text", "POST", "/api/pipelines/quick/runs", `{"params":{"n":1}}`, 422, "expected string"},
		{"a param outside its enum", "POST", "/api/pipelines/quick/runs", `{"params":{"kind":"c"}}`, 422, "not one of a, b"},
		{"a NUL in a param", "POST", "/api/pipelines/quick/runs", `{"params":{"kind":"a\u0000"}}`, 422, "without NUL"},
		{"a name of who acts that is too long", "POST", "/api/pipelines/quick/runs", `{"by":"` + strings.Repeat("a", 201) + `"}`, 422, "length <= 200"},
		{"one that is too long in bytes", "POST", "/api/runs/" + done + "/retry", `{"by":"` + strings.Repeat("é", 101) + `"}`, 422, "at most 200 bytes"},
		{"one of two lines", "POST", "/api/runs/" + done + "/cancel", `{"by":"ann\n2025-03-14 all is well"}`, 422, "text without control characters"},
		{"one that turns its neighbours around", "POST", "/api/pipelines/quick/runs", `{"by":"ann\u202eegroeg"}`, 422, "turn or hide their neighbours"},
		{"the same of a backfill", "POST", "/api/pipelines/nightly/backfills", `{"by":"\u202e","from":"2025-01-01","to":"2025-01-02"}`, 422, "turn or hide"},
		{"the same of who cancels", "POST", "/api/runs/" + done + "/cancel", `{"by":"\u2066x"}`, 422, "turn or hide"},
		{"the same of who retries", "POST", "/api/runs/" + done + "/retry", `{"by":"x\u200f"}`, 422, "turn or hide"},
		{"the same of who pauses", "POST", "/api/pipelines/nightly/pause", `{"by":"\u061cx"}`, 422, "turn or hide"},
		{"the same of who resumes", "POST", "/api/pipelines/nightly/resume", `{"by":"\u2028x"}`, 422, "turn or hide"},
		{"one that cannot be seen", "POST", "/api/pipelines/quick/runs", `{"by":"\u200b"}`, 422, "turn or hide"},
		{"one in bytes that are no UTF-8", "POST", "/api/pipelines/quick/runs", "{\"by\":\"ann\xff\"}", 400, "not UTF-8"},
		{"one with half a character", "POST", "/api/pipelines/quick/runs", `{"by":"ann\ud800"}`, 400, "half of a character"},
		{"one with the other half", "POST", "/api/pipelines/quick/runs", `{"by":"\udc00\ud800"}`, 400, "half of a character"},
		{"a param in bytes that are no UTF-8", "POST", "/api/pipelines/quick/runs", "{\"params\":{\"kind\":\"a\xc3\"}}", 400, "not UTF-8"},
		{"who acts, twice", "POST", "/api/pipelines/quick/runs", `{"by":"ann","by":"bob"}`, 400, "twice"},
		{"who acts, twice in other letters", "POST", "/api/pipelines/quick/runs", `{"by":"ann","BY":"bob"}`, 400, "twice"},
		{"a name twice, once escaped", "POST", "/api/runs/" + done + "/retry", `{"by":"ann","\u0062y":"bob"}`, 400, "twice"},
		{"a param twice", "POST", "/api/pipelines/quick/runs", `{"params":{"n":"1","n":"2"}}`, 400, "twice"},
		{"a parameter of a query twice", "GET", "/api/runs?limit=1&limit=2", "", 422, "twice"},
		{"a query that is no UTF-8", "GET", "/api/runs?pipeline=%ff", "", 422, "not UTF-8"},
		{"a query that is none", "GET", "/api/runs?pipeline=%zz", "", 422, "could not be read"},
		{"one that is no text", "POST", "/api/pipelines/nightly/pause", `{"by":["ann"]}`, 422, "expected string"},
		{"an unknown property beside it", "POST", "/api/pipelines/nightly/resume", `{"buy":"ann"}`, 422, "unexpected property"},
		{"an unknown property", "POST", "/api/pipelines/quick/runs", `{"parms":{}}`, 422, "unexpected property"},
		{"a logical date that is none", "POST", "/api/pipelines/quick/runs", `{"logical_date":"2025-02-30"}`, 422, "neither a date"},
		{"malformed JSON", "POST", "/api/pipelines/quick/runs", `{"params"`, 400, "unexpected end of JSON"},
		{"JSON that is no object", "POST", "/api/pipelines/quick/runs", `[1]`, 422, "expected object"},
		{"a backfill of a million dates", "POST", "/api/pipelines/nightly/backfills", `{"from":"1900-01-01","to":"4700-01-01"}`, 422, "more than 1000 dates"},
		{"a backfill with from after to", "POST", "/api/pipelines/nightly/backfills", `{"from":"2025-01-02","to":"2025-01-01"}`, 422, "after"},
		{"a backfill without dates", "POST", "/api/pipelines/nightly/backfills", `{}`, 422, "required property"},
		{"a backfill with empty dates", "POST", "/api/pipelines/nightly/backfills", `{"from":"","to":""}`, 422, "needs from and to"},
		{"a backfill that is too parallel", "POST", "/api/pipelines/nightly/backfills", `{"from":"2025-01-01","to":"2025-01-02","parallel":1000000}`, 422, "parallel"},
		{"an unknown run", "GET", "/api/runs/" + noRun, "", 404, "no run"},
		{"a run that is no ID", "GET", "/api/runs/1%27%20OR%201", "", 404, "no run"},
		{"a run's ID that is too long", "GET", "/api/runs/" + strings.Repeat("a", 500), "", 422, "length"},
		{"cancelling what has ended", "POST", "/api/runs/" + done + "/cancel", "", 409, "has ended"},
		{"retrying what succeeded", "POST", "/api/runs/" + done + "/retry", "", 409, "has succeeded"},
		{"an unknown state", "GET", "/api/runs?state=happy", "", 422, "one of"},
		{"a limit of nothing", "GET", "/api/runs?limit=0", "", 422, ">= 1"},
		{"a limit of everything", "GET", "/api/runs?limit=1000000", "", 422, "<= 500"},
		{"a page token that is none", "GET", "/api/runs?page_token=zzz", "", 422, "page token"},
		{"a page token that was tampered with", "GET", "/api/runs?page_token=" + tampered(page.Next), "", 422, "page token"},
		{"a page token of another filter", "GET", "/api/runs?pipeline=quick&page_token=" + page.Next, "", 422, "page token"},
		{"an unknown parameter", "GET", "/api/runs?page=2", "", 422, "unknown query parameter"},
		{"sales in an unknown order", "GET", "/api/sales?sort=name", "", 422, "one of"},
		{"a token of sales that was tampered with", "GET", "/api/sales?page_token=" + tampered(sales.Next), "", 422, "page token"},
		{"a token of sales in another order", "GET", "/api/sales?sort=product&page_token=" + sales.Next, "", 422, "another order"},
		{"a log after a line before the first", "GET", "/api/runs/" + done + "/logs?after=-1", "", 422, ">= 0"},
		{"rejects in an unknown format", "GET", "/api/runs/" + done + "/rejects?format=xml", "", 422, "one of"},
		{"a path that is not there", "GET", "/api/nope", "", 404, "no such path"},
		{"a page that is not there", "GET", "/nope.html", "", 404, "no such path"},
		{"a method that a path does not have", "DELETE", "/api/runs/" + done, "", 405, "it has GET"},
		{"a GET of what changes", "GET", "/api/runs/" + done + "/cancel", "", 405, "it has POST"},
		{"a POST to the page", "POST", "/", "", 405, "it has GET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.ask(c.method, c.path, c.body)
			if a.status != c.status || !strings.Contains(strings.ReplaceAll(a.body, `\"`, `"`), c.says) {
				t.Errorf("status %d, want %d with %q: %s", a.status, c.status, c.says, a.body)
			}
			var p huma.ErrorModel
			a.json(t, &p)
			if p.Status != c.status || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%q is no problem: %s", a.header.Get("Content-Type"), a.body)
			}
		})
	}
}

func TestABodyIsNotRepeatedToWhoSentIt(t *testing.T) {
	r := newReplica(t, options{idle: true})
	a := r.want(400, "POST", "/api/pipelines/quick/runs", `{"password":"hush-hush"`)
	if strings.Contains(a.body, "hush") {
		t.Error(a.body)
	}
}

// endless is a body of a given size, made as it is read.
type endless struct {
	left int64
	read atomic.Int64 // the transport may read on after its answer came
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	for i := range p[:n] {
		p[i] = ' '
	}
	e.left -= n
	e.read.Add(n)
	return int(n), nil
}

func TestABodyOf100MBIsRefusedEarly(t *testing.T) {
	t.Parallel()
	r := newReplica(t, options{idle: true})
	const size = 100 << 20
	for name, path := range map[string]string{
		"where a body belongs": "/api/pipelines/quick/runs",
		"where one may be":     "/api/pipelines/nightly/pause",
		"where none belongs":   "/api/runs",
	} {
		body := &endless{left: size}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/json")
		answer, err := r.client.Do(req)
		if err == nil { // otherwise the connection was cut while the body was being sent, which is as good
			if answer.StatusCode != http.StatusRequestEntityTooLarge && path != "/api/runs" {
				t.Errorf("%s: status %d", name, answer.StatusCode)
			}
			_ = answer.Body.Close() // read or not, it is of no further use
		}
		r.client.CloseIdleConnections()
		if read := body.read.Load(); read > 16<<20 {
			t.Errorf("%s: %d MB were read", name, read>>20)
		}
	}
	r.want(200, "GET", "/api/data", "")
}

func TestHugeHeadersAreRefused(t *testing.T) {
	r := newReplica(t, options{idle: true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/api/data", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 1<<16))
	answer, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close() // read or not, it is of no further use
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", answer.StatusCode)
	}
}

// TestSlowClientsAreCutOff has clients that never finish their headers, while another one is served.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	r := newReplica(t, options{idle: true})
	const clients = 50
	ends := make(chan error, clients)
	for range clients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET /api/data HTTP/1.1\r\nHost: x\r\nX-A: ")
		go func() {
			defer conn.Close()
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, err := io.Copy(io.Discard, conn)
			ends <- err
		}()
	}
	r.want(200, "GET", "/api/data", "")
	for range clients {
		if err := <-ends; err != nil {
			t.Errorf("a slow client was not cut off: %v", err)
		}
	}
}

// pipeListener hands out connections in memory, which have no buffer: a client that does not read blocks the
// server at its first byte.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestAWatcherThatNeverReadsIsDropped(t *testing.T) {
	t.Parallel()
	r := newReplica(t, options{})
	id := r.trigger("gated")
	r.until(id, runs.Running)
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := r.api.Server()
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	ours, theirs := net.Pipe()
	defer ours.Close()
	l.conns <- theirs
	fmt.Fprintf(ours, "GET /api/runs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n", id)
	// The beginning of the answer is read, and nothing after it.
	if line, err := bufio.NewReaderSize(ours, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	streams := func() bool {
		return strings.Contains(r.want(200, "GET", "/metrics", "").body, "millrace_http_streams 1")
	}
	if !streams() {
		t.Fatal("the stream is not counted")
	}
	eventually(t, func() error {
		if streams() {
			return fmt.Errorf("the stream of a client that does not read is still there")
		}
		return nil
	})
	close(r.gate)
	r.until(id, runs.Succeeded)
}

func TestTheRunGoesOnWhenItsTriggerIsRefusedOrGone(t *testing.T) {
	r := newReplica(t, options{config: func(c *api.Config) { c.TriggerRate = 0.5 }})
	id := r.trigger("quick")
	a := r.want(429, "POST", "/api/pipelines/quick/runs", "")
	if wait := a.header.Get("Retry-After"); wait != "1" && wait != "2" {
		t.Errorf("Retry-After %q", wait)
	}
	// What is wrong costs nothing of the rate.
	r.want(422, "POST", "/api/pipelines/quick/runs", `{"logical_date":"never"}`)
	r.until(id, runs.Succeeded)
}
