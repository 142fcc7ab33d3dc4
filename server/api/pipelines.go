package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/runs"
)

// NameInput is the input of operations on one pipeline.
type NameInput struct {
	Name string `path:"name" maxLength:"100" example:"sde_gul_etl"`
}

type pipelineOutput struct{ Body runs.PipelineInfo }

type pipelinesOutput struct {
	Body struct {
		Items []runs.PipelineInfo `json:"items"`
	}
}

func (a *API) registerPipelines() {
	register(a, huma.Operation{
		OperationID: "list-pipelines", Method: http.MethodGet, Path: "/api/pipelines",
		Summary: "All pipelines: schedule, parameters, graph, newest runs", Tags: []string{"pipelines"},
		Errors: []int{http.StatusUnprocessableEntity},
	}, func(ctx context.Context, _ *struct{}) (*pipelinesOutput, error) {
		s, err := a.runs()
		if err != nil {
			return nil, err
		}
		out := &pipelinesOutput{}
		out.Body.Items, err = s.Pipelines(ctx)
		return out, err
	})
	register(a, huma.Operation{
		OperationID: "get-pipeline", Method: http.MethodGet, Path: "/api/pipelines/{name}",
		Summary: "One pipeline", Tags: []string{"pipelines"},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *NameInput) (*pipelineOutput, error) { return a.pipeline(ctx, in.Name) })
	for _, o := range []struct {
		id, verb, summary string
		do                func(*runs.Service, context.Context, string, string) error
	}{
		{"pause-pipeline", "pause", "Pause the schedule; runs under way go on", (*runs.Service).Pause},
		{"resume-pipeline", "resume", "Resume the schedule", (*runs.Service).Resume},
	} {
		register(a, huma.Operation{
			OperationID: o.id, Method: http.MethodPost, Path: "/api/pipelines/{name}/" + o.verb,
			Summary: o.summary, Tags: []string{"pipelines"},
			Errors: bodyErrors(http.StatusConflict),
		}, func(ctx context.Context, in *onPipelineInput) (*pipelineOutput, error) {
			s, err := a.runs()
			if err != nil {
				return nil, err
			}
			if err := o.do(s, ctx, in.Name, in.Body.name()); err != nil {
				return nil, err
			}
			return a.pipeline(ctx, in.Name)
		})
	}
}

func (a *API) pipeline(ctx context.Context, name string) (*pipelineOutput, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	info, err := s.Pipeline(ctx, name)
	return &pipelineOutput{info}, err
}
