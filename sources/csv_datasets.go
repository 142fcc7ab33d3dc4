package sources

import (
	"context"
	"path/filepath"

	"github.com/millrace/millrace/pipeline"
)

// Datasets says which files are read: those that are there now.
func (c CSV[T]) Datasets(context.Context) (all []pipeline.Dataset, err error) {
	if c.Open != nil || c.Path == stdinPath {
		return nil, nil
	}
	paths, err := c.matches()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		all = append(all, pipeline.Dataset{Namespace: "file", Name: path})
	}
	return all, nil
}
