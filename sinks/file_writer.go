package sinks

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// stdoutPath is the Path of standard output.
const stdoutPath = "-"

const packedBuffer = 64 << 10 // bytes

// fileWriter writes a file of a run, packed as its extension says, or to standard
// output.
type fileWriter struct {
	to      io.Writer
	packer  io.WriteCloser // nil for plain files
	packed  *bufio.Writer  // behind packer
	written int64          // bytes in the file
}

// openWriter joins the file's unit. What is written appears with the run's commit.
func openWriter(ctx context.Context, path string) (*fileWriter, error) {
	if path == stdoutPath {
		return &fileWriter{to: named{os.Stdout, "standard output"}}, nil
	}
	unit, err := joinFile(ctx, path)
	if err != nil {
		return nil, err
	}
	w := &fileWriter{to: unit}
	extension := strings.ToLower(filepath.Ext(path))
	if extension != ".gz" && extension != ".zst" {
		return w, nil
	}
	w.packed = bufio.NewWriterSize(counted{unit, &w.written}, packedBuffer)
	if extension == ".gz" {
		w.packer = gzip.NewWriter(w.packed)
		return w, nil
	}
	// One at a time, so that a run that fails leaves no goroutine of the packer's.
	w.packer, err = zstd.NewWriter(w.packed, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	return w, err
}

// Write appends to the file.
func (w *fileWriter) Write(p []byte) (int, error) {
	if w.packer != nil {
		return w.packer.Write(p)
	}
	n, err := w.to.Write(p)
	w.written += int64(n)
	return n, err
}

// finish writes what the packer holds.
func (w *fileWriter) finish() error {
	if w.packer == nil {
		return nil
	}
	if err := w.packer.Close(); err != nil {
		return err
	}
	return w.packed.Flush()
}

type counted struct {
	io.Writer
	n *int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	return n, err
}

// named says in its errors what they are about.
type named struct {
	io.Writer
	name string
}

func (w named) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	return n, fileError(w.name, err)
}

// describeFile is a path for Describe.
func describeFile(path string) string {
	if path == stdoutPath {
		return "standard output"
	}
	return filepath.Base(path)
}
