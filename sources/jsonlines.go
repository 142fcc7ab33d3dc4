package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/jsoncodec"
	"github.com/millrace/millrace/pipeline"
)

// JSONLines reads records of type T from files of JSON: one object a line, or the objects of an array.
//
// T is a struct, a map, or a type with UnmarshalJSON. Tags and types mean what they mean to encoding/json, but nothing
// changes in silence. These are rejects, with line, path and value: a member that T lacks, unless IgnoreUnknown is set; one
// that is there twice, or whose name differs in the case of its letters; a value of another type; null for what cannot
// be nil; a whole number that a float, or an any, would round; an array of another length; text that is not UTF-8. A
// member that is missing leaves its field zero, as in encoding/json.
//
// Blank lines are skipped, and so is a byte order mark. A line that is no JSON is a reject, and so is a last line that was
// cut off: the first one fails the run unless [pipeline.Options].MaxRejects allows it. A file whose first character is
// a bracket is one array. Where the JSON around the records of a document is broken, the run fails.
//
// With [pipeline.Parallel] plain files of lines on a disk are read in ranges, and all others file by file.
//
// A value serves many runs at once, except that standard input can be read only once.
type JSONLines[T any] struct {
	// Path is a file, a pattern, or - for standard input, as for [CSV].
	Path string

	// Store is where the files are. Defaults to this machine's disk.
	Store files.Store

	// Encoding is the text's, by its name at the IANA. Defaults to UTF-8, or UTF-16 where a byte order mark says so.
	Encoding string

	// Compression defaults to what a file's name, or its first bytes, say.
	Compression files.Compression

	// Records leads to the array of the records in a JSON document: names of members with points between them, such as
	// data.items, or a JSON Pointer (RFC 6901), such as /data/items. A file may hold several documents one after the
	// other. Defaults to none: a file is lines, or one array.
	Records string

	// IgnoreUnknown passes over members that T does not name. By default they are rejects.
	IgnoreUnknown bool

	// MaxRecord is the size of the largest record, in bytes. Defaults to 16 MiB. A larger one is a reject and is not
	// held in memory.
	MaxRecord int

	// NewFiles makes the source incremental: a run reads only the files that no committed run of this stage has read, as
	// for [CSV].
	NewFiles bool
}

func (j JSONLines[T]) input() files.Input {
	return files.Input{Path: j.Path, Store: j.Store, Compression: j.Compression, Encoding: j.Encoding, NewFiles: j.NewFiles}
}

// Describe says which file it is.
func (j JSONLines[T]) Describe() string { return "JSON " + j.input().Describe() }

// check finds what is wrong with the settings and with T, whatever the files are.
func (j JSONLines[T]) check() error {
	if err := j.input().Check(); err != nil {
		return fmt.Errorf("sources.JSONLines: %w", err)
	}
	if _, err := jsoncodec.NewScanner(nil, j.scanOptions()); err != nil {
		return fmt.Errorf("sources.JSONLines: %w", err)
	}
	if _, err := j.decoder(); err != nil {
		return fmt.Errorf("sources.JSONLines: %w", err)
	}
	return nil
}

func (j JSONLines[T]) scanOptions() jsoncodec.ScanOptions {
	return jsoncodec.ScanOptions{Records: j.Records, MaxRecord: j.MaxRecord}
}

func (j JSONLines[T]) decoder() (*jsoncodec.Decoder[T], error) {
	return jsoncodec.NewDecoder[T](jsoncodec.DecodeOptions{IgnoreUnknown: j.IgnoreUnknown})
}

// Validate checks T and looks at the beginning of each file, in a document up to its first record; of what can be read only
// once it checks nothing.
func (j JSONLines[T]) Validate(ctx context.Context) error {
	if err := j.check(); err != nil {
		return pipeline.Permanent(err)
	}
	if j.NewFiles { // only Bound knows which files there are to read
		return nil
	}
	found, err := j.input().Files(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range found {
		if err := j.checkFile(ctx, f); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(problems) == maxHeaderProblems {
			break
		}
	}
	if len(problems) == 1 {
		return problems[0]
	}
	return errors.Join(problems...)
}

// Extract reads the files one after the other.
func (j JSONLines[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	if err := j.check(); err != nil {
		return pipeline.Permanent(err)
	}
	found, err := j.input().Files(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := j.extract(ctx, jsonFile{File: f}, out); err != nil {
			return err
		}
	}
	return nil
}

// Datasets says which files are read.
func (j JSONLines[T]) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	return j.input().Datasets(ctx)
}

// Incremental tells whether NewFiles is set.
func (j JSONLines[T]) Incremental() bool { return j.NewFiles }

// Bound fixes the files that a run reads: those that match and are not in last.
func (j JSONLines[T]) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	return j.input().Bound(ctx, last, func(f files.File) error { return j.checkFile(ctx, f) })
}
