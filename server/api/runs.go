package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/runs"
)

// IDInput is the input of operations on one run.
type IDInput struct {
	ID string `path:"id" maxLength:"100" doc:"the run's ID"`
}

type runsInput struct {
	Pipeline string   `query:"pipeline" maxLength:"100"`
	State    []string `query:"state" maxItems:"7" enum:"queued,running,retrying,lost,succeeded,failed,cancelled" doc:"one or more, separated by commas"`
	Backfill string   `query:"backfill" maxLength:"100" doc:"the backfill's ID"`
	Limit    int      `query:"limit" default:"50" minimum:"1" maximum:"500"`
	Page     string   `query:"page_token" maxLength:"1024" doc:"next of the page before"`
}

type runsOutput struct{ Body runs.Page[runs.Record] }

func (a *API) registerRuns() {
	register(a, huma.Operation{
		OperationID: "list-runs", Method: http.MethodGet, Path: "/api/runs",
		Summary: "Runs, the newest first", Tags: []string{"runs"},
		Errors: []int{http.StatusUnprocessableEntity},
	}, a.runList)
	register(a, huma.Operation{
		OperationID: "get-run", Method: http.MethodGet, Path: "/api/runs/{id}",
		Summary: "One run, with its attempts and the figures of its stages", Tags: []string{"runs"},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *IDInput) (*runOutput, error) {
		s, err := a.runs()
		if err != nil {
			return nil, err
		}
		run, err := s.Get(ctx, in.ID)
		return &runOutput{run}, err
	})
	register(a, huma.Operation{
		OperationID: "cancel-run", Method: http.MethodPost, Path: "/api/runs/{id}/cancel",
		Summary: "Cancel a run; nothing of it becomes visible", Tags: []string{"runs"},
		Errors: bodyErrors(http.StatusConflict),
	}, func(ctx context.Context, in *onRunInput) (*runOutput, error) {
		s, err := a.runs()
		if err != nil {
			return nil, err
		}
		run, err := s.Cancel(ctx, in.ID, in.Body.name())
		return &runOutput{run}, err
	})
	register(a, huma.Operation{
		OperationID: "retry-run", Method: http.MethodPost, Path: "/api/runs/{id}/retry",
		Summary: "Run again what failed or was cancelled, under the same ID", Tags: []string{"runs"},
		Errors: bodyErrors(http.StatusConflict, http.StatusTooManyRequests),
	}, func(ctx context.Context, in *onRunInput) (*runOutput, error) {
		s, err := a.runs()
		if err != nil {
			return nil, err
		}
		if err := a.slowDown(); err != nil {
			return nil, err
		}
		run, err := s.Retry(ctx, in.ID, in.Body.name())
		return &runOutput{run}, err
	})
}

func (a *API) runList(ctx context.Context, in *runsInput) (*runsOutput, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	f := runs.Filter{Pipeline: in.Pipeline, Backfill: in.Backfill}
	for _, state := range in.State {
		f.States = append(f.States, runs.State(state))
	}
	page, err := s.List(ctx, f, in.Limit, in.Page)
	if page.Items == nil {
		page.Items = []runs.Record{}
	}
	return &runsOutput{page}, err
}
