package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/pipeline"
)

// Output says which file is written. A sink of files makes one of its fields, or embeds it: its methods are those that the
// runner asks a sink for. It is configuration: making one does no I/O, and it serves many runs at once.
//
// The file is a unit of the run. It is written under a name that carries the run, made durable, and gets its own name when
// the run commits, after the databases. Until then, and for ever if the run fails, the target is as it was, and readers
// of it see the old file or the new one, whole. With [pipeline.Options].State a run that dies between the database's
// commit and that is completed by its retry. What dead runs left is removed when the same target is written again: on a
// disk when nobody holds its lock, in other stores after 7 days.
type Output struct {
	// Path is the target, or - for standard output, without a Store, which is outside all or nothing: what is written
	// there cannot be taken back, and an attempt that fails leaves its bytes. On a disk its folder must be there.
	Path string

	// Store is where the target is. Defaults to [Disk].
	Store Writable

	// Compression defaults to what the extension of Path says: .gz, .zst, or none.
	Compression Compression
}

func (o Output) store() Writable {
	if o.Store == nil {
		return Disk{}
	}
	return o.Store
}

// Describe says which file it is.
func (o Output) Describe() string {
	if o.Path == Standard {
		return "standard output"
	}
	return path.Base(filepath.ToSlash(o.Path))
}

// Serial says that a file has one writer: the whole input goes through one call.
func (Output) Serial() {}

// Validate finds what would keep the file from being written, as far as that can be told without writing.
func (o Output) Validate(ctx context.Context) error {
	if err := o.check(); err != nil {
		return pipeline.Permanent(err)
	}
	if o.Path == Standard {
		return nil
	}
	if d, ok := o.store().(Disk); ok {
		return d.checkTarget(o.Path)
	}
	_, err := o.store().Stat(ctx, o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (o Output) check() error {
	switch {
	case o.Path == "":
		return errors.New("no Path is set")
	case o.Path == Standard && o.Store != nil:
		return errors.New("the Path - is standard output: leave Store out")
	case o.Store == nil && schemeOf(o.Path) != "":
		return fmt.Errorf("the Path %q is no path of this machine's disk: set Store (module blob for buckets)", withoutSecrets(o.Path))
	case o.Store != nil && !reflect.TypeOf(o.Store).Comparable():
		return fmt.Errorf("Store is a %T, which cannot be compared, so that two sinks with one target would not be noticed: use a pointer to it", o.Store)
	}
	if k := o.Compression.of(o.Path); o.Compression == Auto && k != Auto && k.check(true) != nil {
		return fmt.Errorf("%s: its name says that it is packed with %s, which can be read only: use .gz or .zst, or set Compression", o.Path, k)
	}
	return o.Compression.check(true)
}

// Create begins the file in the run whose context it is. What is written appears with the run's commit. A second sink of
// the run with the same target is an error.
func (o Output) Create(ctx context.Context) (*Writer, error) {
	if err := o.check(); err != nil {
		return nil, pipeline.Permanent(err)
	}
	w := &Writer{}
	if o.Path == Standard {
		w.to = &counted{to: named{os.Stdout, "standard output"}}
	} else {
		unit, err := join(ctx, o.store(), o.Path)
		if err != nil {
			return nil, err
		}
		w.to = &counted{to: unit}
	}
	kind := o.Compression.of(o.Path)
	if kind != Gzip && kind != Zstd {
		return w, nil
	}
	w.buffer = bufio.NewWriterSize(w.to, packedBuffer)
	if kind == Gzip {
		w.packer = gzip.NewWriter(w.buffer)
		return w, nil
	}
	// One at a time, so that a run that fails leaves no goroutine of the packer's.
	var err error
	w.packer, err = zstd.NewWriter(w.buffer, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	return w, err
}

// Finish completes a commit that was cut short between the databases and the file.
func (o Output) Finish(ctx context.Context) error {
	if o.Path == Standard {
		return nil
	}
	return finish(ctx, o.store(), o.Path)
}

const packedBuffer = 64 << 10 // bytes

// Writer writes the file of an [Output]. It is used by one goroutine.
type Writer struct {
	to     *counted
	packer io.WriteCloser // nil for plain files
	buffer *bufio.Writer  // behind packer
}

// Write appends to the file. Its errors name it.
func (w *Writer) Write(p []byte) (int, error) {
	if w.packer != nil {
		return w.packer.Write(p)
	}
	return w.to.Write(p)
}

// Close writes what the packer holds. The file appears with the run's commit all the same, and only then; without a
// Close a packed one is cut off.
func (w *Writer) Close() error {
	if w.packer == nil {
		return nil
	}
	if err := w.packer.Close(); err != nil {
		return err
	}
	return w.buffer.Flush()
}

// Bytes is how many bytes were written to the store so far.
func (w *Writer) Bytes() int64 { return w.to.n }

type counted struct {
	to io.Writer
	n  int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// named says in its errors what they are about.
type named struct {
	io.Writer
	name string
}

func (w named) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	return n, nameError(w.name, err)
}
