package sinks_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// ExampleRejectedLines loads what can be loaded, and loads the rest when
// somebody has mended it.
func ExampleRejectedLines() {
	type Sale struct {
		ID       int `csv:"id"`
		Quantity int `csv:"quantity"`
	}
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path, refused := filepath.Join(folder, "sales.csv"), filepath.Join(folder, "refused.csv")
	if err := os.WriteFile(path, []byte("id,quantity\n1,3\n2,four\n3,5\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	load := func(path string) {
		var loaded []Sale
		p := pipeline.New("load", pipeline.Options{MaxRejects: -1})
		pipeline.To(pipeline.From(p, "extract", sources.CSV[Sale]{Path: path}), "load", sinks.Slice[Sale]{Into: &loaded})
		pipeline.To(pipeline.Rejects(p), "refuse", sinks.RejectedLines{Path: refused, HeaderOf: path})
		_, err := p.Run(context.Background())
		fmt.Println(loaded, err)
	}
	load(path)
	lines, err := os.ReadFile(refused)
	fmt.Printf("%q %v\n", lines, err)
	mended := strings.ReplaceAll(string(lines), "four", "4")
	if err := os.WriteFile(path, []byte(mended), 0o644); err != nil {
		fmt.Println(err)
	}
	load(path)
	// Output:
	// [{1 3} {3 5}] <nil>
	// "id,quantity\n2,four\n" <nil>
	// [{2 4}] <nil>
}

func TestRejectedLines(t *testing.T) {
	folder := t.TempDir()
	head := put(t, filepath.Join(folder, "head.csv"), "\xef\xbb\xbf# sales\r\n\"a\r\nb\";c\r\n1;2\r\n")
	raw := func(source, line string) pipeline.Reject { return pipeline.Reject{Source: source, Raw: []byte(line)} }
	for _, tt := range []struct {
		name    string
		sink    sinks.RejectedLines
		rejects []pipeline.Reject
		want    string
	}{
		{"byte for byte", sinks.RejectedLines{}, []pipeline.Reject{raw("a", "1,\"x\r\n\"\r\n"), raw("a", "2,\xff\x00\n"), raw("a", "\"3")}, "1,\"x\r\n\"\r\n2,\xff\x00\n\"3"},
		{"a last line without an end", sinks.RejectedLines{}, []pipeline.Reject{raw("a", "1"), raw("b", "2")}, "1\n2"},
		{"the lines of one source", sinks.RejectedLines{Source: "b"}, []pipeline.Reject{raw("a", "1\n"), raw("b", "2\n")}, "2\n"},
		{"the header, byte for byte", sinks.RejectedLines{HeaderOf: head, Dialect: dialect.CSV{Delimiter: ";", Comment: "#"}}, []pipeline.Reject{raw("a", "1;x\n")}, "\xef\xbb\xbf\"a\r\nb\";c\r\n1;x\n"},
		{"no rejects", sinks.RejectedLines{HeaderOf: head, Dialect: dialect.CSV{Delimiter: ";", Comment: "#"}}, nil, "\xef\xbb\xbf\"a\r\nb\";c\r\n"},
		{"nothing at all", sinks.RejectedLines{}, nil, ""},
		{"rejects without a line", sinks.RejectedLines{}, []pipeline.Reject{{Reason: "negative"}, raw("a", "1\n")}, "1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.sink.Path = filepath.Join(folder, "refused.csv")
			report, err := write(t, pipeline.Options{}, records(tt.rejects...), tt.sink)
			check(t, err)
			if got := content(t, tt.sink.Path); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if s := report.Stage("load"); s.Bytes != int64(len(tt.want)) || s.Description != "rejected lines refused.csv" {
				t.Errorf("the report says %d bytes, %q", s.Bytes, s.Description)
			}
		})
	}
	wantOnly(t, folder, "head.csv", "refused.csv")
}

func TestRejectedLinesThatCannotBe(t *testing.T) {
	folder := t.TempDir()
	out := filepath.Join(folder, "refused.csv")
	for _, tt := range []struct {
		name string
		sink sinks.RejectedLines
		want string
	}{
		{"no path", sinks.RejectedLines{}, "no Path is set"},
		{"no such header", sinks.RejectedLines{Path: out, HeaderOf: filepath.Join(folder, "no.csv")}, "no.csv: no such file"},
		{"an empty header", sinks.RejectedLines{Path: out, HeaderOf: put(t, filepath.Join(folder, "empty.csv"), "")}, "empty.csv: the input is empty"},
		{"a blank header", sinks.RejectedLines{Path: out, HeaderOf: put(t, filepath.Join(folder, "blank.csv"), "\n\n\n\n\n")}, "blank.csv: the input is empty"},
		{"a broken header", sinks.RejectedLines{Path: out, HeaderOf: put(t, filepath.Join(folder, "broken.csv"), "a,\"b\n")}, "broken.csv: line 1: "},
		{"a delimiter that cannot be", sinks.RejectedLines{Path: out, HeaderOf: put(t, filepath.Join(folder, "a.csv"), "a\n"), Dialect: dialect.CSV{Delimiter: "\""}}, "cannot hold the quote"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := write(t, pipeline.Options{}, records[pipeline.Reject](), tt.sink)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A stage behind the source refuses records: their lines are read again where their origin says that they stand.
func TestLinesOfLaterStagesAreReadAgain(t *testing.T) {
	type row struct {
		pipeline.Origin
		N    int    `csv:"n"`
		Text string `csv:"text"`
	}
	dir := t.TempDir()
	const first, second = "n,text\n1,a\n2,\"two\nlines\"\r\n3,c", "text,n\nx,x\ny,6\n"
	for name, content := range map[string]string{"1.csv": first, "2.csv": second} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, lanes := range []int{1, 2} {
		p := pipeline.New("p", pipeline.Options{MaxRejects: -1})
		in := pipeline.From(p, "in", sources.CSV[row]{Path: filepath.Join(dir, "*.csv")}, pipeline.Parallel(lanes))
		pipeline.To(in, "refuse", pipeline.SinkFunc[row](func(_ context.Context, in *pipeline.Reader[row]) error {
			for r, err := range in.All() {
				if err != nil {
					return err
				}
				if r.N != 1 {
					if err := in.Reject(&r, pipeline.Reject{Reason: "is not one"}); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		path := filepath.Join(dir, "refused.txt")
		pipeline.To(pipeline.Rejects(p), "back", sinks.RejectedLines{Path: path})
		if _, err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"2,\"two\nlines\"\r\n", "3,c", "x,x\n", "y,6\n"} {
			if !strings.Contains(string(got), line) {
				t.Errorf("%d lanes: %q lacks %q", lanes, got, line)
			}
		}
		if want := len("2,\"two\nlines\"\r\n3,c\nx,x\ny,6\n"); len(got) != want && len(got) != want-1 { // 3,c may be the last
			t.Errorf("%d lanes: %q", lanes, got)
		}
	}
}
