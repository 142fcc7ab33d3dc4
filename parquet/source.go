package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// Source reads Parquet files into records of type T, a struct. Of a file only the columns that T has are read. The rows come
// in the order of the files and of their rows; with pipeline.Parallel the row groups of all files are shared out, and the
// order is not defined.
//
// Memory holds some pages of each column that is read, besides what the pipeline holds.
type Source[T any] struct {
	// Path is a file of Store, or a pattern, as in [files.Input].
	Path string

	// Store is where the files are. Defaults to this machine's disk. A store is asked for 256 KiB of a column at a time.
	Store files.Store

	// NewFiles reads only the files that no committed run of this stage has read, as in sources.CSV.
	// It needs [pipeline.Options].State.
	NewFiles bool
}

func (s Source[T]) input() files.Input {
	return files.Input{Path: s.Path, Store: s.Store, Compression: files.Plain, Binary: true, NewFiles: s.NewFiles}
}

// Describe says which file it is.
func (s Source[T]) Describe() string { return "Parquet " + s.input().Describe() }

// Validate holds the schema of each file against T.
func (s Source[T]) Validate(ctx context.Context) error {
	schema, err := s.check()
	if err != nil {
		return err
	}
	if s.NewFiles { // only Bound knows which files there are to read
		return nil
	}
	found, err := s.input().Files(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range found {
		if err := s.checkFile(ctx, schema, f); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(problems) == 10 {
			break // a folder of wrong files is told by some of them
		}
	}
	return errors.Join(problems...)
}

func (s Source[T]) check() (*pq.Schema, error) {
	schema, err := schemaOf[T]()
	if err == nil && s.Path == files.Standard {
		err = errors.New("a Parquet file is read from its end, which standard input does not have")
	}
	if err == nil {
		err = s.input().Check()
	}
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("parquet.Source: %w", err))
	}
	return schema, nil
}

func (s Source[T]) checkFile(ctx context.Context, schema *pq.Schema, f files.File) error {
	o, err := open(ctx, s.input(), f)
	if err != nil {
		return err
	}
	defer o.close()
	_, err = fitFile(f, schema, o)
	return err
}

func fitFile(f files.File, schema *pq.Schema, o opened) (*fit, error) {
	var found *fit
	err := guarded(func() (err error) { found, err = fitTo(schema, o.Schema()); return err })
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("%s: %w", f.Name, err))
	}
	return found, nil
}

// Extract reads the files one after the other.
func (s Source[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	found, err := s.input().Files(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := s.extract(ctx, piece{file: f, to: -1}, out); err != nil {
			return err
		}
	}
	return nil
}

// A piece is some row groups of a file.
type piece struct {
	file     files.File
	from, to int // row groups; to -1 is the end
	rows     int64
}

func (s Source[T]) extract(ctx context.Context, p piece, out *pipeline.Writer[T]) error {
	schema, err := s.check()
	if err != nil {
		return err
	}
	if s.NewFiles && p.from == 0 {
		if err := s.unchanged(ctx, p.file); err != nil {
			return err
		}
	}
	o, err := open(ctx, s.input(), p.file)
	if err != nil {
		return err
	}
	defer o.close()
	found, err := fitFile(p.file, schema, o)
	if err != nil {
		return err
	}
	groups := o.RowGroups()
	if p.to < 0 {
		p.to = len(groups)
	}
	r := &reading[T]{name: p.file.Name, at: o.at, schema: schema, fit: found, out: out, origin: pipeline.OriginField[T]()}
	for i, group := range groups[:p.to] {
		if i >= p.from {
			if err := r.group(ctx, group); err != nil {
				return err
			}
		}
		r.row += group.NumRows()
	}
	return nil
}

// unchanged holds a file's content against the sum that this run has recorded: a reader of all of it does so at its end.
func (s Source[T]) unchanged(ctx context.Context, f files.File) error {
	all, err := s.input().Open(ctx, f, nil)
	if err != nil {
		return err
	}
	defer all.Close()
	if _, err := io.Copy(io.Discard, all); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

// Datasets says which files are read.
func (s Source[T]) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	return s.input().Datasets(ctx)
}

// Incremental tells whether NewFiles is set.
func (s Source[T]) Incremental() bool { return s.NewFiles }

// Bound fixes the files that a run reads: those that match and are not in last.
func (s Source[T]) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	schema, err := s.check()
	if err != nil {
		return nil, err
	}
	return s.input().Bound(ctx, last, func(f files.File) error { return s.checkFile(ctx, schema, f) })
}
