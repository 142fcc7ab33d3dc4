package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/runs"
)

type logsInput struct {
	IDInput
	Stage   string `query:"stage" maxLength:"200" doc:"only lines of this stage"`
	Attempt int    `query:"attempt" minimum:"1" maximum:"1000000" doc:"only lines of this attempt"`
	After   int64  `query:"after" minimum:"0" doc:"only lines with a greater id: that of the last line seen"`
	Limit   int    `query:"limit" default:"500" minimum:"1" maximum:"500"`
}

type logsOutput struct{ Body runs.Page[runs.LogLine] }

func (a *API) registerLogs() {
	register(a, huma.Operation{
		OperationID: "list-logs", Method: http.MethodGet, Path: "/api/runs/{id}/logs",
		Summary: "What a run told, oldest first", Tags: []string{"runs"},
		Description: "The log of an attempt is bounded; its last line then has cut set. To follow a run, ask again with after.",
		Errors:      []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *logsInput) (*logsOutput, error) {
		s, err := a.runs()
		if err != nil {
			return nil, err
		}
		page, err := s.Logs(ctx, in.ID, runs.LogFilter{Stage: in.Stage, Attempt: in.Attempt, After: in.After, Limit: in.Limit})
		if page.Items == nil {
			page.Items = []runs.LogLine{}
		}
		return &logsOutput{page}, err
	})
}
