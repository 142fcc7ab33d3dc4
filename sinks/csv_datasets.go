package sinks

import (
	"context"
	"path/filepath"

	"github.com/millrace/millrace/pipeline"
)

// Datasets says which file is written.
func (c CSV[T]) Datasets(context.Context) ([]pipeline.Dataset, error) {
	if c.Path == stdoutPath {
		return nil, nil
	}
	path, err := filepath.Abs(c.Path)
	return []pipeline.Dataset{{Namespace: "file", Name: path, Writes: true}}, err
}
