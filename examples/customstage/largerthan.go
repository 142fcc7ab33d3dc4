package main

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// LargerThan passes on files of more than so many bytes.
type LargerThan int64

func (limit LargerThan) Transform(_ context.Context, in *pipeline.Reader[File], out *pipeline.Writer[File]) error {
	for file, err := range in.All() {
		if err != nil {
			return err
		}
		if file.Size > int64(limit) {
			if err := out.Write(file); err != nil {
				return err
			}
		}
	}
	return nil
}
