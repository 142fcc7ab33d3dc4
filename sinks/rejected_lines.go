package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/internal/csvcodec"
	"github.com/millrace/millrace/pipeline"
)

// RejectedLines writes the original lines of rejected CSV records into a file, byte
// for byte, so that somebody can mend them and load the file again:
//
//	pipeline.To(pipeline.Rejects(p), "refused", sinks.RejectedLines{Path: "refused.csv", HeaderOf: "sales.csv"})
//
// A reject of a later stage has no line of its own. If its record embeds [pipeline.Origin], which tells the file and
// the offset, the line is read from there: from plain files of this machine's disk.
//
// A last line that had no line end gets one if another line follows it. Rejects
// without an original line (of records without an origin, and records of more
// than a mebibyte) cannot be written; the log tells their number, and the stream
// can also be loaded into another sink, which keeps them.
//
// The file appears with the run's commit, as that of [CSV] does, and is there also when
// nothing was rejected: with the header alone, or empty.
type RejectedLines struct {
	// Path is the target, as for [CSV], - and packing included.
	Path string

	// Store is where the target is. Defaults to this machine's disk.
	Store files.Writable

	// HeaderOf is a plain CSV file whose header is written first, byte for byte. It
	// should be one of the files that are read; rejects of files that have other
	// columns do not belong into the same file. Defaults to no header.
	HeaderOf string

	// Dialect is that of HeaderOf, as in sources.CSV. What stands before the header is not taken over.
	Dialect dialect.CSV

	// Source limits the lines to those of one source, as [pipeline.Reject] names
	// it: a file's path. Defaults to all.
	Source string
}

// Serial says that the whole input goes through one call.
func (RejectedLines) Serial() {}

// Describe says which file it is.
func (s RejectedLines) Describe() string { return "rejected lines " + s.output().Describe() }

func (s RejectedLines) output() files.Output { return files.Output{Path: s.Path, Store: s.Store} }

// Validate checks that the target can be written and the header read.
func (s RejectedLines) Validate(ctx context.Context) error {
	if s.HeaderOf != "" {
		if _, err := s.header(); err != nil {
			return err
		}
	}
	return s.output().Validate(ctx)
}

// header returns the first record of HeaderOf as it stands there, with a byte order mark
// if it has one. Which character separates the names does not matter for that.
func (s RejectedLines) header() ([]byte, error) {
	f, err := os.Open(s.HeaderOf)
	if err != nil {
		return nil, fileError(s.HeaderOf, err)
	}
	defer f.Close()
	var start [3]byte
	n, err := io.ReadFull(f, start[:])
	if err != nil && n == 0 {
		if errors.Is(err, io.EOF) {
			err = pipeline.Permanent(csvcodec.ErrEmpty)
		}
		return nil, fileError(s.HeaderOf, err)
	}
	scan, err := csvcodec.NewScanner(io.MultiReader(bytes.NewReader(start[:n]), f), csvcodec.ScanOptions{Dialect: s.Dialect})
	if err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("sinks.RejectedLines: %w", err))
	}
	rec, err := scan.Next()
	if errors.Is(err, io.EOF) {
		err = csvcodec.ErrEmpty
	}
	if err != nil {
		return nil, pipeline.Permanent(fileError(s.HeaderOf, err))
	}
	header := append([]byte(nil), rec.Raw()...)
	if mark := []byte("\xef\xbb\xbf"); bytes.Equal(start[:n], mark) {
		header = append(mark, header...)
	}
	return header, nil
}

// Load writes the lines.
func (s RejectedLines) Load(ctx context.Context, in *pipeline.Reader[pipeline.Reject]) error {
	var header []byte
	if s.HeaderOf != "" {
		var err error
		if header, err = s.header(); err != nil {
			return err
		}
	}
	w, err := s.output().Create(ctx)
	if err != nil {
		return err
	}
	lines := lineWriter{to: w}
	if err := lines.write(header); err != nil {
		return err
	}
	original := originals{options: csvcodec.ScanOptions{Dialect: s.Dialect, MaxRecord: maxOriginal}}
	defer original.close()
	without, source := 0, cleantext.Clean(s.Source)
	for reject, err := range in.All() {
		if err != nil {
			return err
		}
		if s.Source != "" && reject.Source != source {
			continue
		}
		line := reject.Raw
		if line == nil {
			line = original.line(reject)
		}
		if line == nil {
			without++
			continue
		}
		if err := lines.write(line); err != nil {
			return err
		}
	}
	if err := lines.flush(); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	in.AddBytes(w.Bytes())
	if without > 0 {
		pipeline.LoggerFrom(ctx).Warn(fmt.Sprintf("%d rejects have no original line and are not in the file", without), "file", s.Path)
	}
	return nil
}

// maxOriginal is the largest line that is read again, in bytes.
const maxOriginal = 1 << 20

// originals reads lines again where rejects say that they stand. The file that the last one was in stays open.
type originals struct {
	options csvcodec.ScanOptions
	name    string
	file    *os.File // nil if it cannot be read again
}

// line is the record at a reject's place, byte for byte; nil if that cannot be told.
func (o *originals) line(r pipeline.Reject) []byte {
	if r.Source == "" || r.Line == 0 {
		return nil
	}
	if r.Source != o.name {
		o.open(r.Source)
	}
	if o.file == nil {
		return nil
	}
	at := o.options
	at.StartOffset, at.StartLine = r.Offset, int(r.Line)
	scan, err := csvcodec.NewScanner(io.NewSectionReader(o.file, r.Offset, maxOriginal), at)
	if err != nil {
		return nil
	}
	rec, err := scan.Next()
	if err != nil {
		return nil
	}
	return rec.Raw()
}

func (o *originals) open(name string) {
	o.close()
	o.name = name
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if o.file, err = os.Open(name); err != nil {
		o.file = nil
		return
	}
	var start [4]byte
	n, _ := o.file.ReadAt(start[:], 0)
	for _, packed := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(start[:n], []byte(packed)) { // offsets are of what is in it
			o.close()
			o.name = name
			return
		}
	}
}

func (o *originals) close() {
	if o.file != nil {
		_ = o.file.Close()
	}
	o.name, o.file = "", nil
}

// lineWriter gathers lines, and ends one that has no end before the next.
type lineWriter struct {
	to   io.Writer
	buf  []byte
	open bool // the last line has no end
}

func (w *lineWriter) write(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	if w.open {
		w.buf = append(w.buf, '\n')
	}
	w.buf = append(w.buf, line...)
	w.open = line[len(line)-1] != '\n'
	if len(w.buf) < writeAt {
		return nil
	}
	return w.flush()
}

func (w *lineWriter) flush() error {
	_, err := w.to.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// Finish completes a commit that was cut short between the databases and the file.
func (s RejectedLines) Finish(ctx context.Context) error { return s.output().Finish(ctx) }

// fileError says what is wrong with a file, its name first and once.
func fileError(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
