package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"time"

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
// not decoded. What is missing is reported before any data moves.
//
// The input is RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) in UTF-8, with
// LF or CRLF line ends, with or without a byte order mark. Blank lines are skipped, except
// in a file of one column, where one is NULL, as in COPY's files. What is no such input
// (UTF-16, an archive, a workbook, lines that end in CR) is an error that says what it is. A
// record that cannot be read (a wrong number of fields, a value that is not of its
// field's type or does not fit it, a quote in the wrong place, text that is not UTF-8
// or holds a NUL byte) is a reject: the first one fails the run unless
// [pipeline.Options].MaxRejects allows it, and reading goes on with the next record.
// A quote that is never closed takes the rest of its file with it.
//
// With [pipeline.Parallel] plain files are read in ranges and compressed ones file by file.
//
// A value serves many runs at once, except that standard input can be read only once.
type CSV[T any] struct {
	// Path is a file; a pattern with *, ? or [ ] as in [filepath.Match], whose
	// files are read in sorted order (directories are passed over); or - for
	// standard input. A file whose name merely looks like a pattern is found.
	//
	// A file that changes while it is read is an error. A named pipe is read as it comes.
	Path string

	// Open gives the bytes when they do not come from a file: an object store,
	// an HTTP response, an embedded file. It replaces Path. It is called once for
	// the check of the header and once for each attempt, each time from the start.
	// When the run is cancelled Close may be called during a Read, which must then return.
	Open func(ctx context.Context) (io.ReadCloser, error)

	// Name is what messages and rejects call the input of Open; its extension tells the
	// compression. Defaults to "input".
	Name string

	// Comma is the delimiter, an ASCII character. Defaults to ','.
	Comma byte

	// Comment is an ASCII character: lines that begin with it are skipped. Defaults to none.
	Comment byte

	// NoHeader says that the first line is a record. The columns are then those
	// of Columns.
	NoHeader bool

	// Columns names the columns of files without a header, in the order of the
	// file; "" passes one over. Defaults to the columns of T in the order of its fields.
	Columns []string

	// AllowMissing lets files lack columns that T names; their fields are then
	// zero.
	AllowMissing bool

	// Null is the text that means NULL, which only a pointer can hold. Defaults
	// to the empty text. In quotes it is a text, not NULL, for strings.
	Null string

	// Layout is how a time.Time is written, as for [time.Parse]. Defaults to RFC
	// 3339, a date, or a date and a time. An abbreviation of a zone (MST) is an error,
	// except UTC and GMT, and those of Location.
	Layout string

	// Location is where the clocks stood that showed the times without an offset; a date is
	// the beginning of its day there. A time that they skipped is a reject; of one that
	// they showed twice the first is meant. Defaults to UTC, whatever this machine's zone is.
	Location *time.Location

	// DecimalComma reads the comma in a float as its decimal mark, and a point, which may
	// stand between thousands, is an error; otherwise the comma is.
	DecimalComma bool

	// AllowInvalidText lets NUL bytes and invalid UTF-8 into strings. A Postgres
	// text can hold neither.
	AllowInvalidText bool

	// Compression defaults to what a file's name says.
	Compression Compression

	// MaxRecord is the size of the largest record, in bytes. Defaults to 16 MiB.
	// A larger one is a reject and is not held in memory.
	MaxRecord int

	// NewFiles makes the source incremental: a run reads only the files that no
	// committed run of this stage has read. It needs [pipeline.Options].State.
	//
	// A file is known by its name below the pattern's fixed folder, its size and its
	// SHA-256. One that changed after it was read is new, and read whole; one that
	// has the name, size and time of a file that was read is taken for it
	// without looking inside. A retry reads the same files, and fails if one of
	// them has changed or is gone. No file at all is no error.
	//
	// A file must be complete when it appears: write it elsewhere, then rename it.
	NewFiles bool
}

// Describe says which file it is.
func (c CSV[T]) Describe() string {
	switch {
	case c.Open != nil:
		return "CSV " + c.name()
	case c.Path == stdinPath:
		return "CSV standard input"
	case hasMeta(c.Path):
		return "CSV " + c.Path
	}
	return "CSV " + filepath.Base(c.Path)
}

func (c CSV[T]) name() string {
	if c.Name == "" {
		return "input"
	}
	return c.Name
}

// Validate reads the header of each file, and of Open's input; of standard input
// and of pipes, which can be read only once, it checks nothing.
func (c CSV[T]) Validate(ctx context.Context) error {
	if err := c.check(); err != nil {
		return pipeline.Permanent(err)
	}
	if c.NewFiles { // only Bound knows which files there are to read
		_, err := c.matches()
		return err
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range files {
		if err := c.checkFile(ctx, f); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(problems) == maxHeaderProblems && len(files) > maxHeaderProblems {
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
	case c.Path == "" && c.Open == nil:
		return errors.New("sources.CSV: neither Path nor Open is set")
	case c.Path != "" && c.Open != nil:
		return errors.New("sources.CSV: both Path and Open are set")
	case c.Name != "" && c.Open == nil:
		return errors.New("sources.CSV: Name is for the input of Open; a file has its path")
	case len(c.Columns) > 0 && !c.NoHeader:
		return errors.New("sources.CSV: Columns is for files without a header: set NoHeader too")
	case c.MaxRecord < 0:
		return fmt.Errorf("sources.CSV: MaxRecord is %d: it cannot be negative; leave it 0 for the default of 16 MiB", c.MaxRecord)
	case c.NewFiles && (c.Open != nil || c.Path == stdinPath):
		return errors.New("sources.CSV: NewFiles is for files: set Path to one or to a pattern")
	case !c.Compression.known():
		return fmt.Errorf("sources.CSV: Compression is %q: use Auto, Plain, Gzip or Zstd", c.Compression)
	}
	if err := checkPath(c.Path); err != nil {
		return fmt.Errorf("sources.CSV: %w", err)
	}
	if _, err := csvcodec.NewScanner(nil, c.scanOptions()); err != nil {
		return fmt.Errorf("sources.CSV: %w", err)
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
	return csvcodec.ScanOptions{Comma: c.Comma, Comment: c.Comment, MaxRecord: c.MaxRecord}
}

func (c CSV[T]) decodeOptions() csvcodec.DecodeOptions {
	return csvcodec.DecodeOptions{
		Null: c.Null, Layout: c.Layout, Location: c.Location, DecimalComma: c.DecimalComma,
		AllowInvalidText: c.AllowInvalidText, AllowMissing: c.AllowMissing,
	}
}

// Extract reads the files one after the other.
func (c CSV[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	if err := c.check(); err != nil {
		return pipeline.Permanent(err)
	}
	files, err := c.filesOf(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := c.extract(ctx, f, out); err != nil {
			return err
		}
	}
	return nil
}

// filesOf returns what this run is to read.
func (c CSV[T]) filesOf(ctx context.Context) ([]csvFile, error) {
	if c.NewFiles {
		return c.newFilesOf(ctx)
	}
	return c.files()
}
