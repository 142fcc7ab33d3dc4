package files

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"

	"github.com/millrace/millrace/pipeline"
)

// Compression is how a file is packed.
type Compression string

// The compressions. A file that is packed well unpacks to very much, but is
// unpacked piece by piece: its size costs time ([pipeline.Options].Timeout bounds
// that), not memory.
const (
	// Auto goes by the extension, .gz, .zst, .bz2, .xz or .zip, and without one by the first bytes.
	Auto Compression = ""
	// Plain is no compression.
	Plain Compression = "plain"
	// Gzip is RFC 1952, one member or several. Zeros behind the last one are passed over.
	Gzip Compression = "gzip"
	// Zstd is RFC 8878, with a window of at most 128 MiB.
	Zstd Compression = "zstd"
	// Bzip2 can be read only.
	Bzip2 Compression = "bzip2"
	// XZ can be read only, with a dictionary of at most 64 MiB.
	XZ Compression = "xz"
	// Zip is an archive of one file, and can be read only.
	Zip Compression = "zip"
)

const (
	maxZstdWindow   = 128 << 20
	maxXZDictionary = 64 << 20
)

// magic is what packed bytes begin with. None of them can begin a text in UTF-8, save those of bzip2 and zip, which no
// header of a table begins with: "BZh" and a digit before the mark of a block, "PK" before control characters.
var magic = []struct {
	kind  Compression
	bytes string
}{
	{Gzip, "\x1f\x8b"},
	{Zstd, "\x28\xb5\x2f\xfd"},
	{XZ, "\xfd7zXZ\x00"},
	{Zip, "PK\x03\x04"},
	{Zip, "PK\x05\x06"}, // an empty one
}

// magicSize is how many bytes tell a compression.
const magicSize = 10

func (k Compression) check(writing bool) error {
	switch k {
	case Auto, Plain, Gzip, Zstd:
		return nil
	case Bzip2, XZ, Zip:
		if !writing {
			return nil
		}
		return fmt.Errorf("Compression is %q, which can be read only: use Auto, Plain, Gzip or Zstd", k)
	}
	return fmt.Errorf("Compression is %q: use Auto, Plain, Gzip, Zstd, Bzip2, XZ or Zip", k)
}

// of decides for a file by its name, if it can.
func (k Compression) of(name string) Compression {
	if k != Auto {
		return k
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".gz":
		return Gzip
	case ".zst":
		return Zstd
	case ".bz2":
		return Bzip2
	case ".xz":
		return XZ
	case ".zip":
		return Zip
	}
	return Auto
}

func byMagic(head []byte) Compression {
	for _, m := range magic {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return m.kind
		}
	}
	// "BZh", the size of blocks, and the mark of a block, or of the end.
	if len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "\x31\x41\x59\x26\x53\x59" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90") {
		return Bzip2
	}
	return Plain
}

// unpacked is the content of a packed file.
type unpacked struct {
	io.Reader
	raw   rawInput
	kind  Compression
	close func()
}

// unpack returns the content of raw, and nil if it is not packed: then buffered is the content.
func unpack(raw rawInput, kind Compression) (u *unpacked, buffered io.Reader, err error) {
	if kind == Plain {
		return nil, raw, nil
	}
	b := bufio.NewReaderSize(raw, pumpPiece)
	head, err := b.Peek(magicSize)
	if err != nil && !isEOF(err) {
		return nil, nil, err
	}
	if kind == Auto {
		kind = byMagic(head)
	}
	if kind == Plain || len(head) == 0 { // what is empty is empty in any packing
		return nil, b, nil
	}
	u = &unpacked{raw: raw, kind: kind, close: func() {}}
	switch kind {
	case Gzip:
		u.Reader, err = newGzip(b)
	case Zstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow)); err == nil {
			u.Reader, u.close = d, d.Close
		}
	case Bzip2:
		u.Reader = bzip2.NewReader(b)
	case XZ:
		u.Reader, err = xz.NewReader(b, maxXZDictionary)
	case Zip:
		u.Reader, err = unzip(raw)
	}
	if err != nil {
		return nil, nil, u.explain(err)
	}
	return u, nil, nil
}

// gzipReader reads members one after the other, and passes over zeros behind the last one, which tapes and some
// stores pad with.
type gzipReader struct {
	from *bufio.Reader
	z    *gzip.Reader
	done bool
}

func newGzip(from *bufio.Reader) (*gzipReader, error) {
	z, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{from: from, z: z}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for !g.done {
		n, err := g.z.Read(p)
		if n > 0 || !isEOF(err) {
			if isEOF(err) {
				err = nil // of this member; the next Read meets it again
			}
			return n, err
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

func (g *gzipReader) next() error {
	for padded := false; ; padded = true {
		b, err := g.from.ReadByte()
		switch {
		case isEOF(err):
			g.done = true
			return nil
		case err != nil:
			return err
		case b == 0:
			continue
		case padded:
			return errors.New("bytes other than zeros follow the zeros behind the gzip data")
		}
		if err := g.from.UnreadByte(); err != nil {
			return err
		}
		if err := g.z.Reset(g.from); err != nil {
			return err
		}
		g.z.Multistream(false)
		return nil
	}
}

// unzip returns the one file of an archive.
func unzip(raw rawInput) (io.Reader, error) {
	at, size, ok := raw.at()
	if !ok {
		return nil, pipeline.Permanent(errors.New("a zip archive is read from its end, which this input cannot be: unpack it, and read the file in it"))
	}
	archive, err := zip.NewReader(at, size)
	if err != nil {
		return nil, err
	}
	var found []*zip.File
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") && !strings.HasPrefix(f.Name, "__MACOSX/") {
			found = append(found, f)
		}
	}
	for _, f := range found {
		if f.Name == "xl/workbook.xml" {
			return nil, pipeline.Permanent(errors.New("this is an Excel workbook: save the sheet as CSV"))
		}
	}
	if len(found) != 1 {
		names := make([]string, 0, 3)
		for _, f := range found[:min(len(found), 3)] {
			names = append(names, fmt.Sprintf("%q", f.Name))
		}
		if len(found) > 3 {
			names = append(names, "...")
		}
		return nil, pipeline.Permanent(fmt.Errorf("the zip archive holds %d files (%s), and is read if it is one: "+
			"unpack it, or give its fs.FS to files.FS", len(found), strings.Join(names, ", ")))
	}
	if found[0].Flags&1 != 0 {
		return nil, pipeline.Permanent(errors.New("the file in the zip archive is encrypted: unpack it first"))
	}
	return found[0].Open()
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && !isEOF(err) {
		err = u.explain(err)
	}
	return n, err
}

// explain says what an error of a packer is about.
func (u *unpacked) explain(err error) error {
	if raw := u.raw.failure(); raw != nil {
		return raw
	}
	var structure bzip2.StructuralError
	switch {
	case pipeline.IsPermanent(err):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, xz.ErrBuf):
		return fmt.Errorf("the %s data ends too early: the file is cut off: %w", u.kind, io.ErrUnexpectedEOF)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, xz.ErrFormat),
		errors.Is(err, zip.ErrFormat), errors.As(err, &structure) && strings.Contains(err.Error(), "magic"):
		return pipeline.Permanent(fmt.Errorf("what should be %s data is not: %w", u.kind, err))
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("the zstd data needs a window of more than %d MiB: %w", maxZstdWindow>>20, err)
	case errors.Is(err, xz.ErrMemlimit):
		return fmt.Errorf("the xz data needs a dictionary of more than %d MiB: %w", maxXZDictionary>>20, err)
	case errors.Is(err, zip.ErrAlgorithm):
		return fmt.Errorf("the file in the zip archive is packed in a way that is not known here: unpack it first: %w", err)
	}
	return fmt.Errorf("the %s data is damaged: %w", u.kind, err)
}
