package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace/runs"
)

const (
	heartbeat = 15 * time.Second // less than proxies wait for a silent answer
	// A client that has not taken an event after so long is dropped. Until then it costs one event of memory: it
	// gets the newest state when it reads again, not all those in between.
	streamWriteTimeout = 5 * time.Second
	reconnectAfter     = time.Second
)

type eventsInput struct {
	IDInput
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"id of the last event seen: only newer states are sent"`
}

type eventsOutput struct {
	Status int
	Body   func(huma.Context)
}

func (a *API) registerEvents() {
	op := huma.Operation{
		OperationID: "watch-run", Method: http.MethodGet, Path: "/api/runs/{id}/events",
		Summary: "A run's state, as server-sent events, whenever it changes", Tags: []string{"runs"},
		Description: "Each event \"run\" holds the whole state; its id grows. States that come too fast for the client are left out. " +
			"The stream ends when the run has ended; a client that asks again with the last id then gets 204, upon which an EventSource stops.",
		Responses: map[string]*huma.Response{
			"200": {Description: "A stream of events", Content: map[string]*huma.MediaType{
				"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString, Description: "events whose data is a run as get-run answers it, without its attempts"}},
			}},
			"204": {Description: "The run has ended, and there is nothing newer"},
		},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}
	a.describe(&op)
	// Not by register: a stream has no limit of time.
	huma.Register(a.huma, op, func(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
		out, err := a.events(ctx, in)
		if err != nil {
			return nil, a.problemOf(ctx, op.OperationID, err)
		}
		return out, nil
	})
}

func (a *API) events(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	if a.draining() {
		return nil, unavailable("the server shuts down")
	}
	var after int64
	if in.LastEventID != "" {
		if after, err = strconv.ParseInt(in.LastEventID, 10, 64); err != nil || after < 0 {
			const what = "is not the id of an event of this server"
			return nil, problem(http.StatusUnprocessableEntity, "Last-Event-ID "+what, &huma.ErrorDetail{Message: what, Location: "header.Last-Event-ID"})
		}
	}
	asking, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	run, err := s.Get(asking, in.ID) // the errors of which can still be told by a status
	if err != nil {
		return nil, err
	}
	if run.State.Ended() && after > 0 {
		newer, err := anything(asking, s, in.ID, after)
		if err != nil {
			return nil, err
		}
		if !newer {
			return &eventsOutput{Status: http.StatusNoContent, Body: func(c huma.Context) { c.SetStatus(http.StatusNoContent) }}, nil
		}
	}
	if a.streams.Add(1) > int64(a.config.MaxStreams) {
		a.streams.Add(-1)
		return nil, tooMany("this replica serves as many streams as it may; MILLRACE_MAX_STREAMS sets how many", 5)
	}
	return &eventsOutput{Body: func(c huma.Context) {
		defer a.streams.Add(-1)
		r, w := humago.Unwrap(c)
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Type", "text/event-stream")
			return
		}
		if err := a.stream(c.Context(), w, s, in.ID, after); err != nil {
			a.log.Debug("a stream ended early", "run", in.ID, "error", err)
		}
	}}, nil
}

// anything tells whether a run that has ended has a state after the given one.
func anything(ctx context.Context, s *runs.Service, id string, after int64) (bool, error) {
	for state, err := range s.Watch(ctx, id, after) {
		return state.Seq > after, err
	}
	return true, context.Cause(ctx) // the service stops
}

// stream sends states until the run or the client has ended, or the server shuts down.
func (a *API) stream(ctx context.Context, w http.ResponseWriter, s *runs.Service, id string, after int64) error {
	ctx, cancel := context.WithCancel(ctx)
	states := make(chan runs.Snapshot, 1)
	ended := make(chan error, 1)
	var watcher sync.WaitGroup
	watcher.Go(func() { ended <- watch(ctx, s, id, after, states) })
	defer func() {
		cancel()
		watcher.Wait()
	}()

	out, err := newEventWriter(w)
	if err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	over := false
	for {
		select {
		case state := <-states:
			over = state.Record.State.Ended()
			err = out.state(state)
		case <-beat.C:
			err = out.comment("")
		case err := <-ended:
			return lastWords(out, states, over, err)
		case <-a.closing:
			return out.comment("the server shuts down")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// lastWords sends what was seen last, and how the watching ended.
func lastWords(out *eventWriter, states <-chan runs.Snapshot, over bool, ended error) error {
	select {
	case state := <-states:
		over = state.Record.State.Ended()
		if err := out.state(state); err != nil {
			return err
		}
	default:
	}
	if over {
		return out.event("end", "", []byte("{}"))
	}
	if mistake, ok := errors.AsType[*runs.Error](ended); ok { // such as a run that was removed
		text, _ := json.Marshal(problemOfMistake(mistake))
		return errors.Join(ended, out.event("problem", "", text))
	}
	return ended // the client sees the connection end, and comes again
}

// watch keeps the newest state in the channel: one that was not taken yet is replaced.
func watch(ctx context.Context, s *runs.Service, id string, after int64, states chan runs.Snapshot) error {
	for state, err := range s.Watch(ctx, id, after) {
		if err != nil {
			return err
		}
		select {
		case <-states:
		default:
		}
		states <- state // this is the only sender, so that there is room
	}
	return ctx.Err()
}

// eventWriter writes server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type eventWriter struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	buf []byte
}

// newEventWriter begins the answer, so that the client knows that it is connected.
func newEventWriter(w http.ResponseWriter) (*eventWriter, error) {
	e := &eventWriter{w: w, c: http.NewResponseController(w)}
	// The server's own limit of reading would end the stream.
	if err := e.c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx passes events on at once
	e.buf = fmt.Appendf(e.buf, "retry: %d\n\n", reconnectAfter.Milliseconds())
	return e, e.flush()
}

func (e *eventWriter) state(s runs.Snapshot) error {
	text, err := json.Marshal(s.Record)
	if err != nil {
		return err
	}
	return e.event("run", strconv.FormatInt(s.Seq, 10), text)
}

// event writes one. The data has no line break, which JSON by json.Marshal never has.
func (e *eventWriter) event(name, id string, data []byte) error {
	e.buf = append(append(e.buf, "event: "...), name...)
	if id != "" {
		e.buf = append(append(e.buf, "\nid: "...), id...)
	}
	e.buf = append(append(e.buf, "\ndata: "...), data...)
	e.buf = append(e.buf, "\n\n"...)
	return e.flush()
}

// comment writes what clients skip, which keeps the connection alive, and shows one that is dead.
func (e *eventWriter) comment(text string) error {
	e.buf = append(append(append(e.buf, ": "...), text...), "\n\n"...)
	return e.flush()
}

func (e *eventWriter) flush() error {
	if err := e.c.SetWriteDeadline(time.Now().Add(streamWriteTimeout)); err != nil {
		return err
	}
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	if err != nil {
		return err
	}
	return e.c.Flush()
}
