package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// CSV reads records of type T, a struct, from one or more CSV files.
//
// The struct's csv tags name the columns, as for gocarina/gocsv: `csv:"name"`,
// default=, embedded structs, UnmarshalCSV and UnmarshalText; types with the Scan method of
// database/sql (sql.NullString, pgtype.Date) are filled too. An empty value is NULL to a pointer and
// to Scan, and a reject for a number, a bool or a time: omitempty in the tag makes it the zero
// value, default= another. Each column that a
// tag names must be in the header of every file, in any order; other columns are
// not decoded, unless a field map[string]string with the tag `csv:"*"` takes them. What is missing is reported before any
// data moves. Keys of Millrace's own stand beside gocsv's in a tag: csv.name:"Last, First" is a name as it stands, commas
// and nothing included; csv.column:"3" the position, from 1, whatever the name is unless the tag gives one too;
// csv.layout:"02.01.2006" and csv.location:"Europe/Berlin" are how times are written.
//
// Unless Dialect says otherwise the input is RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) in UTF-8, with
// LF or CRLF line ends, with or without a byte order mark. Blank lines are skipped, except
// in a file of one column, where one is NULL, as in COPY's files. What is no such input
// (a workbook, an archive of several files, lines that end in CR) is an error that says what it is. A
// record that cannot be read (a wrong number of fields, a value that is not of its
// field's type or does not fit it, a quote in the wrong place, text that is not UTF-8
// or holds a NUL byte) is a reject: the first one fails the run unless
// [pipeline.Options].MaxRejects allows it, and reading goes on with the next record.
// A quote that is never closed takes the rest of its file with it.
//
// With [pipeline.Parallel] plain files of a disk are read in ranges, and all others file by file.
//
// A value serves many runs at once, except that standard input can be read only once.
type CSV[T any] struct {
	// Path is a file; a pattern, whose files are read in sorted order (in it * and ? stand for characters of a name, **
	// for any folders, [ ] for one of some characters, { , } for one of some texts); or - for standard input. A file
	// whose name merely looks like a pattern is found.
	//
	// A file that changes while it is read is an error. A named pipe is read as it comes.
	Path string

	// Store is where the files are: [files.HTTP], [files.FS], a bucket of module blob. Defaults to this machine's disk.
	Store files.Store

	// Encoding is the text's, by its name at the IANA, such as windows-1252. Defaults to UTF-8, or UTF-16 where a byte
	// order mark says so. What the encoding does not define rejects its record.
	Encoding string

	// Dialect is what the files are like. Defaults to RFC 4180.
	Dialect dialect.CSV

	// NoHeader says that the first line is a record. The columns are then those
	// of Columns.
	NoHeader bool

	// Columns names the columns of files without a header, in the order of the
	// file; "" passes one over. Defaults to the columns of T in the order of its fields.
	Columns []string

	// AllowMissing lets files lack columns that T names; their fields are then
	// zero.
	AllowMissing bool

	// OnlyColumns refuses files with columns that T does not name, as by drift between the files of a pattern.
	OnlyColumns bool

	// AllowEmpty passes over files that hold nothing, not even a header.
	AllowEmpty bool

	// AllowInvalidText lets NUL bytes and invalid UTF-8 into strings. A Postgres
	// text can hold neither.
	AllowInvalidText bool

	// Compression defaults to what a file's name, or its first bytes, say.
	Compression files.Compression

	// MaxRecord is the size of the largest record, in bytes. Defaults to 16 MiB.
	// A larger one is a reject and is not held in memory.
	MaxRecord int

	// NewFiles makes the source incremental: a run reads only the files that no
	// committed run of this stage has read. It needs [pipeline.Options].State.
	//
	// A file is known by its name below the pattern's fixed folder, its size and its
	// content: its SHA-256 on a disk, its version in a store that knows one. One that changed after it was read is new, and read whole; one that
	// has the name, size and time of a file that was read is taken for it
	// without looking inside. A retry reads the same files, and fails if one of
	// them has changed or is gone. No file at all is no error.
	//
	// A file must be complete when it appears: write it elsewhere, then rename it.
	NewFiles bool
}

func (c CSV[T]) input() files.Input {
	return files.Input{Path: c.Path, Store: c.Store, Compression: c.Compression, Encoding: c.Encoding, NewFiles: c.NewFiles}
}

// Describe says which file it is.
func (c CSV[T]) Describe() string { return "CSV " + c.input().Describe() }

// Validate reads the header of each file; of standard input
// and of pipes, which can be read only once, it checks nothing.
func (c CSV[T]) Validate(ctx context.Context) error {
	if err := c.check(); err != nil {
		return pipeline.Permanent(err)
	}
	if c.NewFiles { // only Bound knows which files there are to read
		return nil
	}
	found, err := c.input().Files(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range found {
		if err := c.checkFile(ctx, f); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(problems) == maxHeaderProblems && len(found) > maxHeaderProblems {
			problems = append(problems, pipeline.Permanent(errors.New("... there may be more: not all files were checked")))
			break
		}
	}
	if len(problems) == 1 {
		return problems[0]
	}
	return errors.Join(problems...)
}

// maxHeaderProblems keeps the report of a folder of wrong files readable.
const maxHeaderProblems = 10

// check finds what is wrong with the options, whatever the files are.
func (c CSV[T]) check() error {
	switch {
	case len(c.Columns) > 0 && !c.NoHeader:
		return errors.New("sources.CSV: Columns is for files without a header: set NoHeader too")
	case c.MaxRecord < 0:
		return fmt.Errorf("sources.CSV: MaxRecord is %d: it cannot be negative; leave it 0 for the default of 16 MiB", c.MaxRecord)
	}
	if err := c.input().Check(); err != nil {
		return fmt.Errorf("sources.CSV: %w", err)
	}
	if err := c.Dialect.Validate(); err != nil {
		return eachError("sources.CSV: Dialect: ", err)
	}
	// Asked before the files are: they may not be there yet, and what T lacks is worth no second attempt.
	if _, err := csvcodec.Columns[T](); err != nil {
		return fmt.Errorf("sources.CSV: the columns of %v: %w", reflect.TypeFor[T](), err)
	}
	if _, err := c.columns(); err != nil {
		return err
	}
	return nil
}

// columns returns the names of the columns of a file without a header, nil for
// files that have one.
func (c CSV[T]) columns() ([]string, error) {
	if !c.NoHeader {
		return nil, nil
	}
	columns := c.Columns
	if len(columns) == 0 {
		var err error
		if columns, err = csvcodec.Columns[T](); err != nil {
			return nil, fmt.Errorf("sources.CSV: the columns of %v: %w", reflect.TypeFor[T](), err)
		}
	}
	if _, err := csvcodec.NewDecoder[T](columns, c.decodeOptions()); err != nil {
		return nil, fmt.Errorf("sources.CSV: Columns: %w", err)
	}
	return columns, nil
}

func (c CSV[T]) scanOptions() csvcodec.ScanOptions {
	return csvcodec.ScanOptions{Dialect: c.Dialect, MaxRecord: c.MaxRecord}
}

func (c CSV[T]) decodeOptions() csvcodec.DecodeOptions {
	return csvcodec.DecodeOptions{
		Dialect: c.Dialect, AllowInvalidText: c.AllowInvalidText, AllowMissing: c.AllowMissing, OnlyColumns: c.OnlyColumns,
	}
}

// Extract reads the files one after the other.
func (c CSV[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	if err := c.check(); err != nil {
		return pipeline.Permanent(err)
	}
	found, err := c.input().Files(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := c.extract(ctx, csvFile{File: f}, out); err != nil {
			return err
		}
	}
	return nil
}

// Datasets says which files are read.
func (c CSV[T]) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	return c.input().Datasets(ctx)
}

// Incremental tells whether NewFiles is set.
func (c CSV[T]) Incremental() bool { return c.NewFiles }

// Bound fixes the files that a run reads: those that match and are not in last.
// It reads their headers and sums them up.
func (c CSV[T]) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	return c.input().Bound(ctx, last, func(f files.File) error { return c.checkFile(ctx, f) })
}
