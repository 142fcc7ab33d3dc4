package api

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/pipeline"
)

// stageReport is how a pipeline.StageReport marshals, for the document.
type stageReport struct {
	Name        string            `json:"name"`
	Kind        pipeline.Kind     `json:"kind"`
	Description string            `json:"description,omitempty"`
	State       pipeline.RunState `json:"state"`
	Lanes       int               `json:"lanes"`
	RecordsIn   int64             `json:"records_in"`
	RecordsOut  int64             `json:"records_out"`
	Bytes       int64             `json:"bytes,omitempty"`
	Rejects     int64             `json:"rejects"`
	StartedAt   time.Time         `json:"started_at,omitzero"`
	EndedAt     time.Time         `json:"ended_at,omitzero"`
	WorkingMS   float64           `json:"working_ms"`
	WaitInMS    float64           `json:"waiting_in_ms"`
	WaitOutMS   float64           `json:"waiting_out_ms"`
	Error       string            `json:"error"`

	Inputs  []pipeline.StreamReport `json:"inputs,omitempty" doc:"the two streams of a stage with two inputs"`
	Outputs []pipeline.StreamReport `json:"outputs,omitempty" doc:"the streams of a stage with several outputs"`

	Warnings []string `json:"warnings,omitempty" maxItems:"20" doc:"what the stage warned of in this attempt"`
}

// aliasSchemas tells the document the form of types that marshal themselves.
func aliasSchemas(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[pipeline.StageReport](), reflect.TypeFor[stageReport]())
}

func schemaOf[T any](r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}
