package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/runs"
)

// stream is a client of events.
type stream struct {
	answer *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

type event struct{ name, id, data string }

func (r *replica) watch(id, lastEventID string) *stream {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/runs/"+id+"/events", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	answer, err := r.client.Transport.RoundTrip(req) //nolint:bodyclose // by stream.close
	if err != nil {
		r.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatalf("status %d, content type %q", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{answer: answer, lines: lines, cancel: cancel}
}

func (s *stream) close() {
	s.cancel()
	_ = s.answer.Body.Close() // its request is cancelled
}

// read returns the next event that is not a comment; ok is false at the end.
func (s *stream) read() (e event, ok bool) {
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e, true
			}
		}
	}
	return e, false
}

// next returns the next state of the run.
func (s *stream) next(t *testing.T) event {
	t.Helper()
	e, ok := s.read()
	if !ok || e.name != "run" {
		t.Fatalf("no event: %+v, %v", e, s.lines.Err())
	}
	return e
}

func (e event) run(t *testing.T) (run runs.Record) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.data), &run); err != nil {
		t.Fatal(err)
	}
	return run
}

func TestAStreamShowsARunUntilItsEndAndGoesOnWhereItBroke(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("gated")
	r.until(id, runs.Running)

	first := r.watch(id, "")
	seen := first.next(t)
	if run := seen.run(t); run.ID != id || run.State != runs.Running {
		t.Errorf("the first event is %+v", run)
	}
	first.close() // a connection that is lost

	close(r.gate)
	r.until(id, runs.Succeeded)
	second := r.watch(id, seen.id)
	defer second.close()
	last, ended := event{}, false
	for {
		e, ok := second.read()
		if !ok {
			break
		}
		if e.name == "end" {
			ended = true
			continue
		}
		if before, after := number(t, seen.id), number(t, e.id); after <= before {
			t.Errorf("event %d comes after event %d", after, before)
		}
		seen, last = e, e
	}
	if !ended || last.run(t).State != runs.Succeeded {
		t.Errorf("the stream ended with %+v, end told: %v", last, ended)
	}
	if a := r.ask("GET", "/api/runs/"+id+"/events", "", "Last-Event-ID", last.id); a.status != http.StatusNoContent {
		t.Errorf("after the end: status %d, want 204: %s", a.status, a.body)
	}
	if run := last.run(t); run.Report == nil || run.Report.Stage("sink").RecordsIn != 3 {
		t.Errorf("the last event has not the figures of the stages: %s", last.data)
	}
}

func number(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAShutdownEndsStreamsAndRefusesNewOnes(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("gated")
	s := r.watch(id, "")
	defer s.close()
	s.next(t)
	r.api.Drain()
	for {
		e, ok := s.read()
		if !ok {
			break
		}
		if e.name == "end" {
			t.Error("the stream told the end of a run that goes on")
		}
	}
	if s.lines.Err() != nil {
		t.Errorf("the stream broke: %v", s.lines.Err())
	}
	r.want(503, "GET", "/api/runs/"+id+"/events", "")
	r.want(503, "GET", "/readyz", "")
	r.want(200, "GET", "/healthz", "")
}

func TestStreamsRefuseWhatIsNoEventID(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("quick")
	for _, last := range []string{"x", "-1", "1.5", "99999999999999999999", strings.Repeat("1", 50)} {
		r.want(422, "GET", "/api/runs/"+id+"/events", "", "Last-Event-ID", last)
	}
}

func TestManyWatchersOfOneRunSeeItsEnd(t *testing.T) {
	r := newReplica(t, options{})
	id := r.trigger("gated")
	r.until(id, runs.Running)
	const watchers = 50
	ends := make(chan error, watchers)
	for range watchers {
		s := r.watch(id, "")
		go func() {
			defer s.close()
			for {
				e, ok := s.read()
				if !ok {
					ends <- fmt.Errorf("the stream ended early: %w", s.lines.Err())
					return
				}
				if e.name == "end" {
					ends <- nil
					return
				}
			}
		}()
	}
	close(r.gate)
	for range watchers {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}
