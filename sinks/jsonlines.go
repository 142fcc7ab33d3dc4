package sinks

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/jsoncodec"
	"github.com/millrace/millrace/pipeline"
)

// JSONLines writes records of type T as JSON, one object a line.
//
// A line is what encoding/json writes of the record, with SetEscapeHTML(false): <, > and & stay as they are. A record that
// JSON would change or cannot hold is a reject that names the member: text that is not UTF-8, NaN and infinity. What is
// written is what sources.JSONLines reads back, but for what JSON does not tell apart: an omitted empty slice from nil,
// the types behind an any, the name of a time's zone.
//
// The file is a unit of the run: see [files.Output]. The whole input goes through one call: [pipeline.Parallel] is an
// error.
type JSONLines[T any] struct {
	// Path is the target, or - for standard output, as for [CSV].
	Path string

	// Store is where the target is. Defaults to this machine's disk.
	Store files.Writable

	// Compression defaults to what the extension of Path says: .gz, .zst, or none.
	Compression files.Compression
}

// Serial says that the whole input goes through one call.
func (JSONLines[T]) Serial() {}

// Describe says which file it is.
func (j JSONLines[T]) Describe() string { return "JSON " + j.output().Describe() }

func (j JSONLines[T]) output() files.Output {
	return files.Output{Path: j.Path, Store: j.Store, Compression: j.Compression}
}

func (j JSONLines[T]) encoder() (*jsoncodec.Encoder[T], error) {
	e, err := jsoncodec.NewEncoder[T]()
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("sinks.JSONLines: %w", err))
	}
	return e, nil
}

// Validate checks the type, and that the target is a file, or can become one in a folder that is there.
func (j JSONLines[T]) Validate(ctx context.Context) error {
	if _, err := j.encoder(); err != nil {
		return err
	}
	return j.output().Validate(ctx)
}

// Load writes the records.
func (j JSONLines[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	encode, err := j.encoder()
	if err != nil {
		return err
	}
	f, err := createText(ctx, j.output(), in)
	if err != nil {
		return err
	}
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			var path string
			if f.buf, path, err = encode.Append(f.buf, &batch[i]); err != nil {
				if err := in.Reject(&batch[i], pipeline.Reject{Column: path, Reason: err.Error()}); err != nil {
					return err
				}
			}
			if err := f.passWhenFull(); err != nil {
				return err
			}
		}
		in.Recycle(batch)
	}
	return f.close()
}

// Datasets says which file is written.
func (j JSONLines[T]) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	return j.output().Datasets(ctx)
}

// Finish completes a commit that was cut short between the databases and the file.
func (j JSONLines[T]) Finish(ctx context.Context) error { return j.output().Finish(ctx) }
