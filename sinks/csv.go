package sinks

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// CSV writes records of type T, a struct, into a CSV file.
//
// The struct's csv tags name the columns, as for gocarina/gocsv; their order is that
// of the fields. What is written is what sources.CSV reads back with the same struct and options; a
// type that cannot be written is found by the validation, a value that would change is a reject. Unless Dialect says otherwise the file is RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) in UTF-8. It
// has its header also when there are no records.
//
// The file is a unit of the run: it is written under a name that carries
// the run's ID, made durable, and moved to the target when the run commits, after the
// databases. Until then, and for ever if the run fails, the target is as it was,
// and readers of it see the old file or the new one, whole. On a disk the new file has the old one's
// mode and, as far as this process may give it away, its owner. With [pipeline.Options].State a run that dies
// between the database's commit and that is completed by its retry.
//
// The whole input goes through one call: [pipeline.Parallel] is an error.
type CSV[T any] struct {
	// Path is the target, whose folder must be there on a disk, or - for standard output,
	// which is outside all or nothing: what is written there cannot be taken back,
	// and an attempt that fails leaves its records.
	Path string

	// Store is where the target is: a bucket of module blob, say. Defaults to this machine's disk.
	Store files.Writable

	// Compression defaults to what the extension of Path says: .gz, .zst, or none.
	Compression files.Compression

	// Dialect is what the file is to be like, as for sources.CSV. Defaults to RFC 4180.
	Dialect dialect.CSV

	// CRLF ends lines with a carriage return and a line feed, as RFC 4180 has it.
	// Defaults to the line feed alone.
	CRLF bool

	// Columns is the order of the columns; columns that no field names are taken from T's field of the others
	// (map[string]string with the tag `csv:"*"`). Defaults to the fields' order, each with a csv.column in its place,
	// and behind them what the map of the first record holds, sorted; a record with another column is a reject.
	Columns []string

	// NoHeader leaves the header out.
	NoHeader bool
}

// Serial says that the whole input goes through one call.
func (CSV[T]) Serial() {}

// Describe says which file it is.
func (c CSV[T]) Describe() string { return "CSV " + c.output().Describe() }

func (c CSV[T]) output() files.Output {
	return files.Output{Path: c.Path, Store: c.Store, Compression: c.Compression}
}

// Validate checks the options, the type, and that the target is a file, or can become
// one in a folder that is there.
func (c CSV[T]) Validate(ctx context.Context) error {
	if _, err := c.encoder(); err != nil {
		return err
	}
	return c.output().Validate(ctx)
}

func (c CSV[T]) encoder() (*csvcodec.Encoder[T], error) {
	e, err := csvcodec.NewEncoder[T](csvcodec.EncodeOptions{Dialect: c.Dialect, CRLF: c.CRLF, Columns: c.Columns})
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("sinks.CSV: %w", err))
	}
	return e, nil
}

// Load writes the records. One that cannot be written, because its own method
// says so, is a reject.
func (c CSV[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	f, err := createText(ctx, c.output(), in)
	if err != nil {
		return err
	}
	header := !c.NoHeader
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			if header {
				if f.buf, err = encode.AppendHeaderOf(f.buf, &batch[i]); err != nil {
					return pipeline.Permanent(fmt.Errorf("the header: %w", err))
				}
				header = false
			}
			if f.buf, err = encode.Append(f.buf, &batch[i]); err != nil {
				if err := in.Reject(&batch[i], pipeline.Reject{Reason: err.Error()}); err != nil {
					return err
				}
			}
			if err := f.passWhenFull(); err != nil {
				return err
			}
		}
		in.Recycle(batch)
	}
	if header {
		f.buf = encode.AppendHeader(f.buf)
	}
	return f.close()
}

// Datasets says which file is written.
func (c CSV[T]) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	return c.output().Datasets(ctx)
}

// Finish completes a commit that was cut short between the databases and the file.
func (c CSV[T]) Finish(ctx context.Context) error { return c.output().Finish(ctx) }
