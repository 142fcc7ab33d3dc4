package sources_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/sources"
)

func ExampleJSONLines() {
	type Sale struct {
		Product string `json:"product"`
		Pieces  int    `json:"pieces"`
	}
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "sales.jsonl")
	if err := os.WriteFile(path, []byte("{\"product\":\"tea\",\"pieces\":3}\n{\"product\":\"mug\",\"pieces\":1}\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	p := pipeline.New("example", pipeline.Options{})
	sales := pipeline.From(p, "read", sources.JSONLines[Sale]{Path: path})
	pipeline.To(sales, "print", pipeline.SinkFunc[Sale](func(_ context.Context, in *pipeline.Reader[Sale]) error {
		for sale, err := range in.All() {
			if err != nil {
				return err
			}
			fmt.Println(sale.Pieces, sale.Product)
		}
		return nil
	}))
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 tea
	// 1 mug
}

// jsonSale is the record of the tests of JSON.
type jsonSale struct {
	pipeline.Origin
	ID       int64  `json:"id"`
	Product  string `json:"product"`
	Quantity int32  `json:"quantity"`
}

func jsonLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"id\":%d,\"product\":\"product %d\",\"quantity\":%d}\n", i, i%7, i%100)
	}
	return b.String()
}

func TestJSONConformance(t *testing.T) {
	dir := t.TempDir()
	content := jsonLines(3_000)
	array := "[" + strings.ReplaceAll(strings.TrimSpace(content), "\n", ",\n") + "]"
	for name, source := range map[string]sources.JSONLines[jsonSale]{
		"plain":    {Path: file(t, dir, "a.jsonl", content)},
		"gzip":     {Path: file(t, dir, "a.jsonl.gz", pack(t, files.Gzip, content))},
		"zstd":     {Path: file(t, dir, "a.jsonl.zst", pack(t, files.Zstd, content))},
		"opened":   {Path: "input", Store: opens(content)},
		"empty":    {Path: file(t, dir, "empty.jsonl", "")},
		"array":    {Path: file(t, dir, "a.json", array)},
		"document": {Path: file(t, dir, "d.json", `{"data":{"items":`+array+`}}`), Records: "data.items"},
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.CheckSource[jsonSale](t, source) })
	}
}

func TestJSONInLanes(t *testing.T) {
	path := file(t, t.TempDir(), "sales.jsonl", jsonLines(120_000))
	whole, _, err := run(t, sources.JSONLines[jsonSale]{Path: path}, pipeline.Options{})
	check(t, err)
	parts, err := sources.JSONLines[jsonSale]{Path: path}.Split(t.Context(), 3)
	check(t, err)
	var got []jsonSale
	for _, part := range parts {
		some, _, err := run(t, part, pipeline.Options{})
		check(t, err)
		if len(some) < 30_000 {
			t.Errorf("a lane of %d records", len(some))
		}
		got = append(got, some...)
	}
	byID := make([]jsonSale, len(whole))
	for _, s := range got {
		byID[s.ID] = s
	}
	if len(parts) != 3 || len(got) != len(whole) || !reflect.DeepEqual(byID, whole) {
		t.Errorf("%d parts with %d records, want %d, with their lines and offsets", len(parts), len(got), len(whole))
	}
	if o := whole[7].Origin; o.Source != path || o.Line != 8 || o.Offset == 0 {
		t.Errorf("the origin is %+v", o)
	}
}

func TestJSONRejects(t *testing.T) {
	bad := `{"id":1,"product":"tea","quantity":"many"}`
	path := file(t, t.TempDir(), "sales.jsonl", jsonLines(100_000)+bad+"\nhello\n"+jsonLines(2))
	for _, stage := range [][]pipeline.StageOption{nil, {pipeline.Parallel(2)}} {
		got, rejects, _, err := runWithRejects(t, sources.JSONLines[jsonSale]{Path: path}, pipeline.Options{MaxRejects: 2}, stage...)
		check(t, err)
		if len(got) != 100_002 || len(rejects) != 2 {
			t.Fatalf("%d records, %d rejects", len(got), len(rejects))
		}
		r := rejects[0]
		if r.Source != path || r.Line != 100_001 || string(r.Raw) != bad+"\n" || r.Column != "quantity" || r.Value != `"many"` || r.Reason != "is not an integer" {
			t.Errorf("got %+v", r)
		}
	}
	_, _, err := run(t, sources.JSONLines[jsonSale]{Path: path}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), path+": line 100001: ") || !strings.Contains(err.Error(), "quantity") || !strings.Contains(err.Error(), "many") {
		t.Errorf("the error does not say where: %v", err)
	}
}

func TestJSONFilesOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "latin/1.jsonl", "{\"id\":1,\"product\":\"th\xe9\"}\n")
	file(t, dir, "latin/deep/2.jsonl", "{\"id\":2,\"product\":\"caf\xe9\"}")
	got, _, err := run(t, sources.JSONLines[jsonSale]{Path: dir + "/latin/**/*.jsonl", Encoding: "windows-1252"}, pipeline.Options{})
	if err != nil || len(got) != 2 || got[0].Product != "thé" || got[1].Product != "café" {
		t.Errorf("got %v, %v", got, err)
	}
	for name, tt := range map[string]struct{ content, want string }{
		"page.json":  {"<!DOCTYPE html>", "XML or a web page"},
		"torn.json":  {`[{"id":1}`, "it has been cut off"},
		"p.parquet":  {"PAR1\x15", "Parquet"},
		"utf16.json": {"{\x00\"\x00i\x00", "UTF-16 without a byte order mark"},
	} {
		path := file(t, dir, name, tt.content)
		_, _, err := run(t, sources.JSONLines[jsonSale]{Path: path}, pipeline.Options{MaxRejects: -1})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.want) || !pipeline.IsPermanent(err) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	source := sources.JSONLines[jsonSale]{Path: dir + "/new/*.jsonl", NewFiles: true}
	state := newMemoryState()
	for i := range 3 {
		file(t, dir, fmt.Sprintf("new/%d.jsonl", i), jsonLines(i+1))
		got, _, err := run(t, source, pipeline.Options{State: state})
		if err != nil || len(got) != i+1 {
			t.Errorf("run %d: %d records, %v", i, len(got), err)
		}
	}
}

// longLine is a store of one file that is made as it is read: a record, a line of so many bytes, a record.
type longLine struct{ bytes int64 }

func (s longLine) List(context.Context, string) iter.Seq2[files.Info, error] {
	return func(yield func(files.Info, error) bool) { yield(files.Info{Name: "long.jsonl", Size: -1}, nil) }
}

func (s longLine) Stat(context.Context, string) (files.Info, error) {
	return files.Info{Name: "long.jsonl", Size: -1}, nil
}

func (s longLine) Open(context.Context, files.Info, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("{\"id\":1}\n{\"product\":\""),
		io.LimitReader(letters{}, s.bytes), strings.NewReader("\"}\n{\"id\":3}\n"))), nil
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestALineOf3GBIsOneReject(t *testing.T) {
	size := int64(3 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, rejects, _, err := runWithRejects(t, sources.JSONLines[jsonSale]{Path: "long.jsonl", Store: longLine{size}}, pipeline.Options{MaxRejects: 1})
	runtime.ReadMemStats(&after)
	if err != nil || len(got) != 2 || got[1].Line != 3 || len(rejects) != 1 || rejects[0].Line != 2 || rejects[0].Raw != nil {
		t.Fatalf("%d records, %d rejects, %v", len(got), len(rejects), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 96<<20 {
		t.Errorf("%d MiB were allocated", used>>20)
	}
}
