package sinks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

func ExampleCSV() {
	type Total struct {
		Product string `csv:"product"`
		Pieces  int    `csv:"pieces"`
	}
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "totals.csv")

	p := pipeline.New("report", pipeline.Options{})
	totals := pipeline.From(p, "totals", sources.Slice[Total]{{"Tea, green", 12}, {"Mug", 3}})
	pipeline.To(totals, "write", sinks.CSV[Total]{Path: path})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	written, err := os.ReadFile(path)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(string(written))
	// Output:
	// product,pieces
	// "Tea, green",12
	// Mug,3
}

func ExampleSlice() {
	var words []string
	p := pipeline.New("collect", pipeline.Options{})
	pipeline.To(pipeline.From(p, "words", sources.Slice[string]{"mill", "race"}), "collect", sinks.Slice[string]{Into: &words})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(words)
	// Output:
	// [mill race]
}

// stubborn can be written only if it is even.
type stubborn int

func (s stubborn) MarshalCSV() (string, error) {
	if s%2 == 1 {
		return "", fmt.Errorf("%d is odd", int(s))
	}
	return fmt.Sprint(int(s)), nil
}

func TestWhatIsWritten(t *testing.T) {
	type record struct {
		Name *string   `csv:"name"`
		Day  time.Time `csv:"day"`
		N    *int      `csv:"n"`
	}
	day := time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	none, tea, n := "", `green "tea"; a, b`, -3
	all := []record{{&tea, day, &n}, {&none, day, nil}, {nil, day, nil}}
	for _, tt := range []struct {
		name string
		sink sinks.CSV[record]
		all  []record
		want string
	}{
		{"by default", sinks.CSV[record]{}, all,
			"name,day,n\n\"green \"\"tea\"\"; a, b\",2025-12-31T00:00:00Z,-3\n\"\",2025-12-31T00:00:00Z,\n,2025-12-31T00:00:00Z,\n"},
		{"with every option", sinks.CSV[record]{Dialect: dialect.CSV{Delimiter: ";", Null: []string{"NULL"}, Layout: "02.01.2006"}, CRLF: true, NoHeader: true}, all,
			"\"green \"\"tea\"\"; a, b\";31.12.2025;-3\r\n;31.12.2025;NULL\r\nNULL;31.12.2025;NULL\r\n"},
		{"no records", sinks.CSV[record]{}, nil, "name,day,n\n"},
		{"no records, no header", sinks.CSV[record]{NoHeader: true}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			for extension, unpack := range map[string]func(io.Reader) (io.Reader, error){
				"":     func(r io.Reader) (io.Reader, error) { return r, nil },
				".gz":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
				".zst": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
			} {
				tt.sink.Path = filepath.Join(folder, "out.csv"+extension)
				report, err := write(t, pipeline.Options{}, records(tt.all...), tt.sink)
				check(t, err)
				packed := content(t, tt.sink.Path)
				r, err := unpack(strings.NewReader(packed))
				check(t, err)
				got, err := io.ReadAll(r)
				check(t, err)
				if string(got) != tt.want {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
				if s := report.Stage("load"); s.Bytes != int64(len(packed)) || s.Description != "CSV out.csv"+extension {
					t.Errorf("the report says %d bytes of %d, %q", s.Bytes, len(packed), s.Description)
				}
			}
			wantOnly(t, folder, "out.csv", "out.csv.gz", "out.csv.zst")
		})
	}
}

func TestManyRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	all := make([]total, 100_000)
	var want bytes.Buffer
	want.WriteString("product,pieces\n")
	for i := range all {
		all[i] = total{fmt.Sprint("product ", i), i}
		fmt.Fprintf(&want, "product %d,%d\n", i, i)
	}
	report, err := write(t, pipeline.Options{}, records(all...), sinks.CSV[total]{Path: path})
	check(t, err)
	if got := content(t, path); got != want.String() {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
	if s := report.Stage("load"); s.Bytes != int64(want.Len()) || s.RecordsIn != 100_000 {
		t.Errorf("the report says %d bytes, %d records", s.Bytes, s.RecordsIn)
	}
}

func TestARecordThatCannotBeWritten(t *testing.T) {
	type record struct {
		N stubborn `csv:"n"`
	}
	path := filepath.Join(t.TempDir(), "out.csv")
	var rejects []pipeline.Reject
	p := pipeline.New("test", pipeline.Options{MaxRejects: 1})
	pipeline.To(pipeline.From(p, "extract", records(record{2}, record{3}, record{4})), "load", sinks.CSV[record]{Path: path})
	pipeline.To(pipeline.Rejects(p), "refused", sinks.Slice[pipeline.Reject]{Into: &rejects})
	_, err := p.Run(t.Context())
	check(t, err)
	if got := content(t, path); got != "n\n2\n4\n" {
		t.Errorf("got %q", got)
	}
	if len(rejects) != 1 || rejects[0].Stage != "load" || rejects[0].Reason != `column "n": 3 is odd` {
		t.Errorf("got %+v", rejects)
	}
	_, err = write(t, pipeline.Options{}, records(record{3}), sinks.CSV[record]{Path: path})
	if want := `test: load: column "n": 3 is odd`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWhatCannotBeATarget(t *testing.T) {
	folder := t.TempDir()
	for _, tt := range []struct {
		name string
		sink pipeline.Sink[total]
		want string
	}{
		{"no path", sinks.CSV[total]{}, "no Path is set"},
		{"a folder", sinks.CSV[total]{Path: folder}, ": is a directory"},
		{"in a folder that is not there", sinks.CSV[total]{Path: filepath.Join(folder, "no", "out.csv")}, "out.csv: the folder " + filepath.Join(folder, "no") + " is not there"},
		{"below a file", sinks.CSV[total]{Path: filepath.Join(put(t, filepath.Join(folder, "file"), ""), "out.csv")}, "out.csv: not a directory"},
		{"a device", sinks.CSV[total]{Path: os.DevNull}, os.DevNull + ": is no regular file; for standard output use -"},
		{"a delimiter that cannot be", sinks.CSV[total]{Path: filepath.Join(folder, "out.csv"), Dialect: dialect.CSV{Delimiter: "\""}}, "cannot hold the quote"},
		{"a NULL that cannot be", sinks.CSV[total]{Path: filepath.Join(folder, "out.csv"), Dialect: dialect.CSV{Null: []string{","}}}, "cannot stand for NULL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := write(t, pipeline.Options{}, records[total](), tt.sink)
			var invalid *pipeline.ValidationError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("of what is no struct", func(t *testing.T) {
		_, err := write(t, pipeline.Options{}, records[int](), sinks.CSV[int]{Path: filepath.Join(folder, "out.csv")})
		var invalid *pipeline.ValidationError
		if !errors.As(err, &invalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("in several lanes", func(t *testing.T) {
		p := pipeline.New("test", pipeline.Options{})
		pipeline.To(pipeline.From(p, "extract", records[total]()), "load", sinks.CSV[total]{Path: filepath.Join(folder, "out.csv")}, pipeline.Parallel(2))
		if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot run in 2 lanes") {
			t.Errorf("got %v", err)
		}
	})
	wantOnly(t, folder, "file")
}

func TestTwoSinksOfOneFile(t *testing.T) {
	folder := t.TempDir()
	path := put(t, filepath.Join(folder, "out.csv"), "old")
	check(t, os.Symlink("out.csv", filepath.Join(folder, "link.csv")))
	for _, other := range []string{path, filepath.Join(folder, ".", "link.csv")} {
		p := pipeline.New("test", pipeline.Options{})
		s := pipeline.From(p, "extract", records(total{"tea", 1}))
		pipeline.To(s, "one", sinks.CSV[total]{Path: path})
		pipeline.To(s, "two", sinks.CSV[total]{Path: other})
		_, err := p.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "another sink of this run writes the same file") || !pipeline.IsPermanent(err) {
			t.Errorf("got %v", err)
		}
	}
	if got := content(t, path); got != "old" {
		t.Errorf("the target is now %q", got)
	}
	wantOnly(t, folder, "link.csv", "out.csv")
}

func TestStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	old := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = old }()
	report, err := write(t, pipeline.Options{}, records(total{"tea", 1}), sinks.CSV[total]{Path: "-"})
	check(t, err)
	check(t, w.Close())
	got, err := io.ReadAll(r)
	check(t, err)
	if string(got) != "product,pieces\ntea,1\n" {
		t.Errorf("got %q", got)
	}
	if s := report.Stage("load"); s.Description != "CSV standard output" || s.Bytes != int64(len(got)) {
		t.Errorf("the report says %q, %d bytes", s.Description, s.Bytes)
	}
	check(t, r.Close())
	if _, err = write(t, pipeline.Options{}, records(total{"tea", 1}), sinks.CSV[total]{Path: "-"}); !errors.Is(err, fs.ErrClosed) || !strings.Contains(err.Error(), "standard output: ") {
		t.Errorf("got %v", err)
	}
}

func TestSlice(t *testing.T) {
	got := []int{1, 2, 3}
	sink := sinks.Slice[int]{Into: &got}
	broken := errors.New("the next stage fails")
	if _, err := write(t, pipeline.Options{}, records(4, 5), sink, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("after a run that failed: %v", got)
	}
	seen := ""
	_, err := write(t, pipeline.Options{}, records(4, 5), sink, func(context.Context) error { seen = fmt.Sprint(got); return nil })
	check(t, err)
	if seen != "[1 2 3]" || fmt.Sprint(got) != "[4 5]" {
		t.Errorf("before the commit %v, after it %v", seen, got)
	}
	_, err = write(t, pipeline.Options{}, records[int](), sink)
	check(t, err)
	if got == nil || len(got) != 0 {
		t.Errorf("after a run without records: %#v", got)
	}
	if _, err = write(t, pipeline.Options{}, records(1), sinks.Slice[int]{}); err == nil || !strings.Contains(err.Error(), "Into is not set") {
		t.Errorf("got %v", err)
	}
	if d := sink.Describe(); d != "[]int in memory" {
		t.Errorf("got %q", d)
	}
}

func TestSliceInLanes(t *testing.T) {
	all := make([]int, 10_000)
	for i := range all {
		all[i] = i
	}
	var got []int
	p := pipeline.New("test", pipeline.Options{BatchSize: 16})
	pipeline.To(pipeline.From(p, "extract", records(all...)), "load", sinks.Slice[int]{Into: &got}, pipeline.Parallel(4))
	_, err := p.Run(t.Context())
	check(t, err)
	seen := map[int]bool{}
	for _, n := range got {
		seen[n] = true
	}
	if len(got) != len(all) || len(seen) != len(all) {
		t.Errorf("got %d records, %d different ones", len(got), len(seen))
	}
}
