package files_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// contents reads everything that an input names.
func contents(ctx context.Context, in files.Input) (string, error) {
	found, err := in.Files(ctx)
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, f := range found {
		c, err := in.Open(ctx, f, nil)
		if err != nil {
			return all.String(), err
		}
		_, err = io.Copy(&all, c)
		c.Close()
		if err != nil {
			return all.String(), err
		}
	}
	return all.String(), nil
}

const text = "id,name\n1,Ann\n2,Señor ☕\n"

func zipped(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// packers make what files are packed as, by extension.
func packers(t *testing.T) map[string]string {
	t.Helper()
	packed := map[string]string{"": text, ".zip": zipped(t, "in/", "in/a.csv")}
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = io.WriteString(z, text[:10])
	_ = z.Close()
	z.Reset(&gz)
	_, _ = io.WriteString(z, text[10:])
	_ = z.Close()
	packed[".gz"] = gz.String()
	e, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(e, text)
	_ = e.Close()
	packed[".zst"] = zst.String()
	for _, extension := range []string{".bz2", ".xz"} { // which nothing here can write
		b, err := os.ReadFile("testdata/text" + extension)
		if err != nil {
			t.Fatal(err)
		}
		packed[extension] = string(b)
	}
	return packed
}

func TestEveryPackingIsKnownByNameOrByItsFirstBytes(t *testing.T) {
	for extension, packed := range packers(t) {
		for _, name := range []string{"a.csv" + extension, "a.csv" + strings.ToUpper(extension), "a.data"} {
			dir := filepath.ToSlash(t.TempDir())
			write(t, dir+"/"+name, packed)
			stores := map[string]files.Input{
				"disk": {Path: dir + "/" + name},
				"fs":   {Path: name, Store: files.FS(os.DirFS(dir))},
				"map":  {Path: name, Store: files.FS(fstest.MapFS{name: &fstest.MapFile{Data: []byte(packed)}})},
			}
			h, _ := serve(t, &site{contents: map[string][]byte{"/" + name: []byte(packed)}, version: `"1"`})
			stores["http"] = files.Input{Path: name, Store: h}
			for place, in := range stores {
				if got, err := contents(t.Context(), in); got != text || err != nil {
					t.Errorf("%s in %s: %q, %v", name, place, got, err)
				}
			}
		}
	}
}

func TestAPackedFileThatIsCutIsAnErrorWhereverItIsCut(t *testing.T) {
	for extension, packed := range packers(t) {
		if extension == "" {
			continue
		}
		for n := 1; n < len(packed); n++ {
			if extension == ".gz" && n == cutAtMember(packed) {
				continue // whole, as far as anybody can tell
			}
			in := files.Input{Path: "a" + extension, Store: files.FS(fstest.MapFS{"a" + extension: &fstest.MapFile{Data: []byte(packed[:n])}})}
			got, err := contents(t.Context(), in)
			if err == nil {
				t.Fatalf("%s cut at %d of %d bytes was read as %q, without an error", extension, n, len(packed), got)
			}
			if msg := err.Error(); strings.ContainsAny(msg, "\x00\n") || !strings.HasPrefix(text, got) {
				t.Errorf("%s cut at %d: %q, read %q", extension, n, msg, got)
			}
		}
	}
}

// cutAtMember is where the second member of a gzip file begins.
func cutAtMember(packed string) int { return strings.LastIndex(packed, "\x1f\x8b") }

func TestADamagedPackingIsAnError(t *testing.T) {
	for extension, packed := range packers(t) {
		if extension == "" {
			continue
		}
		for i := range packed {
			b := []byte(packed)
			b[i] ^= 0x55
			in := files.Input{Path: "a" + extension, Store: files.FS(fstest.MapFS{"a" + extension: &fstest.MapFile{Data: b}})}
			if got, err := contents(t.Context(), in); err == nil && got != text {
				t.Errorf("%s with byte %d damaged was read as %q, without an error", extension, i, got)
			}
		}
	}
}

func TestGzipMayBePaddedWithZerosAndWithNothingElse(t *testing.T) {
	packed := packers(t)[".gz"]
	for padding, ok := range map[string]bool{strings.Repeat("\x00", 512): true, strings.Repeat("\x00", 100_000): true, "\x00\x00x": false, "x": false} {
		in := files.Input{Path: "a.gz", Store: files.FS(fstest.MapFS{"a.gz": &fstest.MapFile{Data: []byte(packed + padding)}})}
		if got, err := contents(t.Context(), in); (err == nil) != ok || got != text {
			t.Errorf("padded with %.5q: %q, %v", padding, got, err)
		}
	}
}

func TestWhatCannotBeUnpackedIsNamed(t *testing.T) {
	for name, tt := range map[string]struct{ data, says string }{
		"several.zip":   {zipped(t, "a.csv", "b.csv", "c.csv", "d.csv"), `holds 4 files ("a.csv", "b.csv", "c.csv", ...)`},
		"empty.zip":     {zipped(t), "holds 0 files"},
		"book.csv":      {zipped(t, "xl/workbook.xml", "xl/worksheets/sheet1.xml"), "Excel workbook: save the sheet as CSV"},
		"not.gz":        {text, "what should be gzip data is not"},
		"not.zst":       {text, "what should be zstd data is not"},
		"not.bz2":       {text, "what should be bzip2 data is not"},
		"not.xz":        {text, "what should be xz data is not"},
		"not.zip":       {text, "what should be zip data is not"},
		"utf32.csv":     {"\xff\xfe\x00\x00a\x00\x00\x00", "UTF-32"},
		"utf16le.csv":   {"i\x00d\x00,\x00", `set Encoding to "utf-16le"`},
		"utf16be.csv":   {"\x00i\x00d\x00,", `set Encoding to "utf-16be"`},
		"dictionary.xz": {"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00\xd6\xb9\x71\x9e", "xz data"},
	} {
		in := files.Input{Path: name, Store: files.FS(fstest.MapFS{name: &fstest.MapFile{Data: []byte(tt.data)}})}
		_, err := contents(t.Context(), in)
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), tt.says) || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("got %v, want %s", err, tt.says)
		}
	}
}

func TestABombUnpacksPieceByPiece(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 1 << 8 { // 256 MiB of a quarter of one
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	in := files.Input{Path: "a.gz", Store: files.FS(fstest.MapFS{"a.gz": &fstest.MapFile{Data: b.Bytes()}})}
	found, err := in.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c, err := in.Open(ctx, found[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := io.Copy(io.Discard, c)
	if n == 1<<28 || !errors.Is(err, context.DeadlineExceeded) { // on a machine that unpacks it in 50 ms
		t.Logf("%d bytes, %v", n, err)
	}
	if n < 1<<28 && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended after %d bytes with %v", n, err)
	}
}

func TestEncodingsBecomeUTF8(t *testing.T) {
	for name, tt := range map[string]struct{ encoding, data, want string }{
		"UTF-16LE by its mark":     {"", "\xff\xfea\x00=\xd8\x00\xde", "a😀"},
		"UTF-16BE by its mark":     {"", "\xfe\xff\x00a\xd8=\xde\x00", "a😀"},
		"UTF-16LE by name":         {"UTF-16LE", "a\x00", "a"},
		"UTF-16LE, a mark further": {"utf-16le", "\xff\xfea\x00\xff\xfe", "a\ufeff"},
		"half a pair":              {"utf-16be", "\xd8=\x00a", "\xffa"},
		"the other half":           {"utf-16be", "\xde\x00\x00a", "\xffa"},
		"half a unit":              {"utf-16be", "\x00a\x00", "a\xff"},
		"a replacement character":  {"utf-16be", "\xff\xfd", "\ufffd"},
		"windows-1252":             {"windows-1252", "Se\xf1or \x80", "Señor €"},
		"windows-1252, a hole":     {"Windows-1252", "a\x81b\x8dc", "a\xffb\xffc"},
		"latin 1":                  {"iso-8859-1", "Se\xf1or", "Señor"},
		"shift_jis":                {"shift_jis", "\x93\xfa\x96{", "日本"},
		"a text in UTF-8":          {"", "Señor", "Señor"},
		"UTF-8 by name":            {"utf-8", "Señor", "Señor"},
		"nothing":                  {"windows-1252", "", ""},
		"long":                     {"windows-1252", strings.Repeat("\xf1\x81", 100_000), strings.Repeat("ñ\xff", 100_000)},
		"long UTF-16":              {"utf-16be", strings.Repeat("\xd8=\xde\x00", 100_000), strings.Repeat("😀", 100_000)},
	} {
		in := files.Input{Path: "a", Encoding: tt.encoding, Store: files.FS(fstest.MapFS{"a": &fstest.MapFile{Data: []byte(tt.data)}})}
		if err := in.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := contents(t.Context(), in); got != tt.want || err != nil {
			t.Errorf("%s: %.60q, %v, want %.60q", name, got, err, tt.want)
		}
	}
}

func TestPatternsMatchOnEveryStoreAlike(t *testing.T) {
	names := []string{"a.csv", "b.csv", "c.txt", "in/a.csv", "in/2026/01/x.csv", "in/2026/02/x.csv", "in/[1].csv", "b.csv.millrace-run-1.tmp"}
	dir := filepath.ToSlash(t.TempDir())
	fsys := fstest.MapFS{}
	for _, name := range names {
		write(t, dir+"/"+name, name)
		fsys[name] = &fstest.MapFile{Data: []byte(name)}
	}
	if err := os.Mkdir(dir+"/folder.csv", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for pattern, want := range map[string][]string{
		"*.csv":               {"a.csv", "b.csv"},
		"{a,b}.csv":           {"a.csv", "b.csv"},
		"[ab].csv":            {"a.csv", "b.csv"},
		"?.txt":               {"c.txt"},
		"**/*.csv":            {"a.csv", "b.csv", "in/2026/01/x.csv", "in/2026/02/x.csv", "in/[1].csv", "in/a.csv"},
		"in/**/x.csv":         {"in/2026/01/x.csv", "in/2026/02/x.csv"},
		"in/2026/{01,02}/*":   {"in/2026/01/x.csv", "in/2026/02/x.csv"},
		"in/[1].csv":          {"in/[1].csv"}, // looks like a pattern, and is a file
		"b*":                  {"b.csv"},      // not what is unfinished
		"in/**/[!a-w].csv":    {"in/2026/01/x.csv", "in/2026/02/x.csv"},
		"no/such/folder/*.gz": nil,
	} {
		for place, store := range map[string]files.Store{"disk": nil, "fs": files.FS(fsys)} {
			found, err := files.Input{Path: pattern, Store: store}.Files(t.Context())
			var got []string
			for _, f := range found {
				got = append(got, f.Name)
			}
			if !slices.Equal(got, want) || (err != nil) != (want == nil) {
				t.Errorf("%s on %s: %q, %v, want %q", pattern, place, got, err, want)
			}
			if err != nil && !strings.Contains(err.Error(), "no file matches") {
				t.Errorf("%s on %s: %v", pattern, place, err)
			}
		}
	}
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	for says, in := range map[string]files.Input{
		"no Path is set":                  {},
		"the Path - is standard input":    {Path: "-", Store: files.FS(fstest.MapFS{})},
		"NewFiles is for files":           {Path: "-", NewFiles: true},
		`"s3://bucket/a.csv" is no path`:  {Path: "s3://bucket/a.csv"},
		`"https://host/a.csv" is no path`: {Path: "https://user:hush@host/a.csv?signature=hush"},
		`Compression is "rar"`:            {Path: "a", Compression: "rar"},
		`the Encoding "klingon"`:          {Path: "a", Encoding: "klingon"},
		"does not say the order of bytes": {Path: "a", Encoding: "UTF-16"},
		"an Encoding is for text":         {Path: "a", Binary: true, Encoding: "utf-8"},
	} {
		err := in.Check()
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%+v: %v, want %s", in, err, says)
		}
	}
	_, err := files.Input{Path: "a{b"}.Files(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is no pattern") || !pipeline.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	_, err = files.Input{Path: "no/such.csv"}.Files(t.Context())
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "no/such.csv: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatChangesWhileItIsReadIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.csv")
	for how, change := range map[string]func() error{
		"grew":       func() error { return os.WriteFile(name, []byte(text+"more"), 0o600) },
		"shrank":     func() error { return os.WriteFile(name, []byte("x"), 0o600) },
		"written to": func() error { return os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)) },
	} {
		write(t, name, text)
		in := files.Input{Path: filepath.ToSlash(name)}
		found, err := in.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := in.Open(t.Context(), found[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, c)
		c.Close()
		if !errors.Is(err, files.ErrChanged) || !strings.Contains(err.Error(), how) {
			t.Errorf("%s: %v", how, err)
		}
		if _, err := in.Open(t.Context(), found[0], nil); !errors.Is(err, files.ErrChanged) {
			t.Errorf("%s before it was opened: %v", how, err)
		}
	}
}
