//go:build unix

package privatedb

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheDownloadFails(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	h := bareHost(t)
	h.repository = s.URL
	_, err := h.startDownloaded(t.Context(), want13)
	if err == nil || !strings.Contains(err.Error(), "download from "+s.URL) || !strings.Contains(err.Error(), "no version found") {
		t.Errorf("got %v", err)
	}
	if err := emptyFolder(h.cacheDir); err != nil {
		t.Error(err)
	}
	h.cacheDir = ""
	if _, err := h.startDownloaded(t.Context(), want13); err == nil || !strings.Contains(err.Error(), "no cache folder") {
		t.Errorf("got %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestADownloadIsMadeOnce(t *testing.T) {
	// The programs that are downloaded are scripts that run the installed ones,
	// if there are any: then the server really starts.
	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	target := "/nonexistent"
	installed, _ := thisHost().installed(t.Context(), who)
	if len(installed) > 0 {
		target = installed[0].dir
	}
	jar := jarOf(t, map[string]string{
		"bin/postgres": "#!/bin/sh\nexec " + target + "/postgres \"$@\"\n",
		"bin/initdb":   "#!/bin/sh\nexec " + target + "/initdb \"$@\"\n",
		"bin/pg_ctl":   "#!/bin/sh\nexec " + target + "/pg_ctl \"$@\"\n",
	})
	sum := sha256.Sum256(jar)
	var downloads atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path.Ext(r.URL.Path) {
		case ".jar":
			downloads.Add(1)
			_, _ = w.Write(jar)
		case ".sha256":
			_, _ = io.WriteString(w, hex.EncodeToString(sum[:]))
		}
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()

	h := bareHost(t)
	h.repository = s.URL
	for range 2 {
		b, err := h.startDownloaded(t.Context(), want13)
		if len(installed) == 0 {
			if err == nil || !strings.Contains(err.Error(), "/nonexistent/postgres") {
				t.Fatalf("got %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := query[int](t, b.AdminURL(), "SELECT 1"); got != 1 || !strings.Contains(b.How(), h.cacheDir) {
			t.Errorf("it says %s", b.How())
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := downloads.Load(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	entries, err := os.ReadDir(h.cacheDir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "postgres-"+string(downloadVersion) {
		t.Errorf("in the cache: %v, %v", entries, err)
	}
}

// jarOf packs programs as the repository does: a zip with an xz of a tar.
func jarOf(t *testing.T, programs map[string]string) []byte {
	t.Helper()
	var tarred bytes.Buffer
	tw := tar.NewWriter(&tarred)
	for name, text := range programs {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	zw := zip.NewWriter(&zipped)
	f, err := zw.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(xzOf(tarred.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.Bytes()
}

// xzOf wraps at most 64 KiB, not compressed, as one block of one chunk:
// https://tukaani.org/xz/xz-file-format.txt
func xzOf(data []byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	pad := func(b []byte) []byte {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	flags := []byte{0, 1} // checked by CRC32
	out := append([]byte{0xFD, '7', 'z', 'X', 'Z', 0}, flags...)
	out = append(out, sum(flags)...)

	header := []byte{2, 0, 0x21, 1, 0x16, 0, 0, 0} // 12 bytes; LZMA2 with a dictionary of 8 MiB
	block := append(header, sum(header)...)
	block = append(block, 1) // a chunk that is not compressed
	block = binary.BigEndian.AppendUint16(block, uint16(len(data)-1))
	block = append(block, data...)
	block = append(block, 0) // no further chunk
	size := len(block) + 4   // with the check, without the padding
	out = append(out, pad(block)...)
	out = append(out, sum(data)...)

	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(size))
	index = pad(binary.AppendUvarint(index, uint64(len(data))))
	index = append(index, sum(index)...)
	out = append(out, index...)

	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, flags...)
	out = append(out, sum(footer)...)
	return append(append(out, footer...), 'Y', 'Z')
}
