package runs

import (
	"context"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

type number struct {
	N int64 `csv:"n"`
}

// fileDefinition writes two numbers into a file.
func fileDefinition(path string) Definition {
	return Definition{Name: "file", Build: func(context.Context, Run) (*pipeline.Pipeline, error) {
		p := pipeline.New("file", pipeline.Options{})
		pipeline.To(pipeline.From(p, "in", sources.Slice[number]{{1}, {2}}), "out", sinks.CSV[number]{Path: path})
		return p, nil
	}}
}
