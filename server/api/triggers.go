package api

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/runs"
)

// dated is a moment in a request: a date, which is its midnight in UTC, or a time of RFC 3339.
type dated string

// Schema documents both forms.
func (dated) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "a date, which is its midnight in UTC, or a time with a zone", Examples: []any{"2025-03-14", "2025-03-14T02:00:00Z"}}
}

// time reads the moment; the zero time if there is none.
func (d dated) time(field string) (time.Time, error) {
	if d == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, string(d)); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			return t, nil
		}
	}
	what := "is neither a date like 2025-03-14 nor a time like 2025-03-14T02:00:00Z"
	return time.Time{}, problem(http.StatusUnprocessableEntity, field+" "+what, &huma.ErrorDetail{Message: what, Location: "body." + field})
}

type triggerInput struct {
	NameInput
	Body *struct {
		Actor
		Params      map[string]string `json:"params,omitempty" doc:"what is left out has the default"`
		LogicalDate dated             `json:"logical_date,omitempty" doc:"which date the run is for; now if it is left out"`
	}
}

type runOutput struct{ Body runs.Record }

type backfillInput struct {
	NameInput
	Body struct {
		Actor
		From     dated             `json:"from" doc:"the first date"`
		To       dated             `json:"to" doc:"the last date"`
		Params   map[string]string `json:"params,omitempty"`
		Parallel int               `json:"parallel,omitempty" minimum:"1" maximum:"1000" doc:"how many runs at once, over all replicas; 1 if it is left out"`
	}
}

type backfillOutput struct{ Body runs.BackfillInfo }

// bodyErrors are those of operations with a body, and more.
func bodyErrors(more ...int) []int {
	return append(more, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotFound)
}

func (a *API) registerTriggers() {
	register(a, huma.Operation{
		OperationID: "trigger-run", Method: http.MethodPost, Path: "/api/pipelines/{name}/runs",
		Summary: "Start a run", Tags: []string{"runs"}, DefaultStatus: http.StatusCreated,
		Errors: bodyErrors(http.StatusTooManyRequests),
	}, a.trigger)
	register(a, huma.Operation{
		OperationID: "start-backfill", Method: http.MethodPost, Path: "/api/pipelines/{name}/backfills",
		Summary:     "Start a run for each date of a range",
		Description: "The dates are those of the pipeline's schedule, or every day if it has none. All runs are queued, or none.",
		Tags:        []string{"runs"}, DefaultStatus: http.StatusCreated,
		Errors: bodyErrors(http.StatusTooManyRequests),
	}, a.backfill)
}

func (a *API) trigger(ctx context.Context, in *triggerInput) (*runOutput, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	t := runs.Trigger{By: byAPI}
	if in.Body != nil {
		t.By, t.Params = in.Body.name(), in.Body.Params
		if t.LogicalDate, err = in.Body.LogicalDate.time("logical_date"); err != nil {
			return nil, err
		}
	}
	if err := a.slowDown(); err != nil {
		return nil, err
	}
	run, err := s.Trigger(ctx, in.Name, t)
	return &runOutput{run}, err
}

func (a *API) backfill(ctx context.Context, in *backfillInput) (*backfillOutput, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	b := runs.Backfill{Params: in.Body.Params, Parallel: in.Body.Parallel, By: in.Body.name()}
	if b.From, err = in.Body.From.time("from"); err != nil {
		return nil, err
	}
	if b.To, err = in.Body.To.time("to"); err != nil {
		return nil, err
	}
	if err := a.slowDown(); err != nil {
		return nil, err
	}
	info, err := s.Backfill(ctx, in.Name, b)
	return &backfillOutput{info}, err
}

// slowDown refuses what would be more triggers than the server takes.
func (a *API) slowDown() error {
	r := a.triggers.Reserve()
	delay := r.Delay()
	if delay == 0 {
		return nil
	}
	r.Cancel()
	return tooMany("more triggers than this replica takes; MILLRACE_TRIGGER_RATE sets how many", int(math.Ceil(delay.Seconds())))
}
