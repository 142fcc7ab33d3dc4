package sources

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a file is packed.
type Compression string

// The compressions. A file that is packed well unpacks to very much, but is
// unpacked piece by piece: its size costs time ([pipeline.Options].Timeout bounds
// that), not memory.
const (
	// Auto goes by the extension, .gz or .zst, and without one by the first bytes.
	Auto Compression = ""
	// Plain is no compression.
	Plain Compression = "plain"
	// Gzip is RFC 1952, one member or several.
	Gzip Compression = "gzip"
	// Zstd is RFC 8878, with a window of at most 128 MiB.
	Zstd Compression = "zstd"
)

const maxZstdWindow = 128 << 20

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

func (k Compression) known() bool {
	return k == Auto || k == Plain || k == Gzip || k == Zstd
}

// of decides for a file by its name, if it can.
func (k Compression) of(name string) Compression {
	if k != Auto {
		return k
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz":
		return Gzip
	case ".zst":
		return Zstd
	}
	return Auto
}

// byMagic recognises packed bytes: neither magic number can begin a CSV in UTF-8.
func byMagic(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		return Gzip
	case bytes.HasPrefix(head, zstdMagic):
		return Zstd
	}
	return Plain
}

// unpack returns the unpacked bytes of raw. release must be called when they are
// done with.
func unpack(raw rawInput, kind Compression) (r io.Reader, release func(), err error) {
	release = func() {}
	if kind == Plain {
		return raw, release, nil
	}
	buffered := bufio.NewReaderSize(raw, pumpPiece)
	head, err := buffered.Peek(len(zstdMagic))
	if err != nil && !isEOF(err) {
		return nil, nil, err
	}
	if kind == Auto {
		kind = byMagic(head)
	}
	if kind == Plain || len(head) == 0 { // what is empty is empty in any packing
		return buffered, release, nil
	}
	u := &unpacked{raw: raw, kind: kind}
	if kind == Zstd {
		d, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, nil, u.explain(err)
		}
		u.Reader = d
		return u, d.Close, nil
	}
	z, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, nil, u.explain(err)
	}
	z.Multistream(false)
	u.Reader = &gzipMembers{z, buffered}
	return u, release, nil
}

// gzipMembers reads the members of a gzip file one after the other. Zero bytes behind the
// last one, as tapes and block devices leave them, are padding.
type gzipMembers struct {
	*gzip.Reader
	src *bufio.Reader
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	for {
		n, err := g.Reader.Read(p)
		if n > 0 && isEOF(err) {
			return n, nil // and io.EOF by the next call
		}
		if !isEOF(err) {
			return n, err
		}
		padded := false
		for {
			head, err := g.src.Peek(1)
			if err != nil {
				return 0, err // io.EOF: all was read
			}
			if head[0] != 0 {
				break
			}
			padded = true
			_, _ = g.src.Discard(1) // it was peeked at
		}
		if padded {
			return 0, gzip.ErrHeader
		}
		if err := g.Reset(g.src); err != nil {
			return 0, err
		}
		g.Multistream(false)
	}
}

// unpacked says in its errors what they are about.
type unpacked struct {
	io.Reader
	raw  rawInput
	kind Compression
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && !isEOF(err) {
		err = u.explain(err)
	}
	return n, err
}

func (u *unpacked) explain(err error) error {
	if raw := u.raw.failure(); raw != nil {
		return raw
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the %s data ends too early: the file is cut off: %w", u.kind, io.ErrUnexpectedEOF)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return fmt.Errorf("what should be %s data is not: %w", u.kind, err)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return fmt.Errorf("the %s data is damaged: %w", u.kind, err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("the zstd data needs a window of more than %d MiB: %w", maxZstdWindow>>20, err)
	}
	return fmt.Errorf("the %s data is damaged: %w", u.kind, err)
}
