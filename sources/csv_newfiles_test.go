package sources_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// folder is a landing folder with the state of a pipeline that reads it.
type folder struct {
	t     *testing.T
	path  string
	state *memoryState
	runs  int
}

func newFolder(t *testing.T) *folder {
	return &folder{t: t, path: t.TempDir(), state: newMemoryState()}
}

// put writes a file with one sale of each ID.
func (f *folder) put(name string, ids ...int64) string {
	f.t.Helper()
	var b strings.Builder
	b.WriteString("id,product,quantity\n")
	for _, id := range ids {
		fmt.Fprintf(&b, "%d,tea,1\n", id)
	}
	return file(f.t, f.path, name, b.String())
}

// load runs the pipeline, with during called when all was read, and returns the IDs.
func (f *folder) load(o pipeline.Options, during func() error) ([]int64, error) {
	f.t.Helper()
	f.runs++
	if o.RunID == "" {
		o.RunID = fmt.Sprint("run ", f.runs)
	}
	o.State = f.state
	var got []int64
	p := pipeline.New("test", o)
	pipeline.To(pipeline.From(p, "extract", sources.CSV[sale]{Path: filepath.Join(f.path, "*", "*.csv*"), NewFiles: true}), "load",
		pipeline.SinkFunc[sale](func(_ context.Context, in *pipeline.Reader[sale]) error {
			got = nil
			for s, err := range in.All() {
				if err != nil {
					return err
				}
				got = append(got, s.ID)
			}
			if during != nil {
				return during()
			}
			return nil
		}))
	_, err := p.Run(f.t.Context())
	return got, err
}

func (f *folder) want(o pipeline.Options, ids ...int64) {
	f.t.Helper()
	got, err := f.load(o, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, ids) {
		f.t.Errorf("got %v, want %v", got, ids)
	}
}

func TestNewFilesTakesEachFileOnce(t *testing.T) {
	f := newFolder(t)
	none := pipeline.Options{}
	f.want(none) // no file yet is no error
	f.put("a/1.csv", 1, 2)
	f.put("b/1.csv", 3)
	f.want(none, 1, 2, 3)
	f.want(none)
	path := f.put("a/2.csv", 4)
	f.want(none, 4)
	f.want(none)

	t.Log("a file that was only touched is the same file")
	check(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
	f.want(none)
	f.want(none)

	t.Log("the same content under another name is another file")
	f.put("c/2.csv", 4)
	f.want(none, 4)

	t.Log("a file with another content is new, and one that comes back is not")
	content, err := os.ReadFile(path)
	check(t, err)
	f.put("a/2.csv", 5, 6)
	f.want(none, 5, 6)
	check(t, os.WriteFile(path, content, 0o600))
	f.want(none)
	check(t, os.Remove(path))
	f.want(none)
	f.put("a/2.csv", 4)
	f.want(none)

	t.Log("a packed file counts by its packed bytes")
	file(t, f.path, "a/3.csv.gz", pack(t, files.Gzip, "id,product,quantity\n7,tea,1\n"))
	f.want(none, 7)
	f.want(none)
}

func TestNewFilesGoByTheNameBelowTheFixedFolder(t *testing.T) {
	f := newFolder(t)
	f.put("a/1.csv", 1)
	f.want(pipeline.Options{}, 1)
	moved := filepath.Join(t.TempDir(), "elsewhere")
	check(t, os.Rename(f.path, moved))
	f.path = moved
	f.want(pipeline.Options{})
}

func TestNewFilesOfAFailedRunAreStillNew(t *testing.T) {
	f := newFolder(t)
	f.put("a/1.csv", 1)
	broken := errors.New("the disk is full")
	if _, err := f.load(pipeline.Options{}, func() error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	f.want(pipeline.Options{}, 1)
}

func TestARetryReadsTheSameFiles(t *testing.T) {
	f := newFolder(t)
	f.put("a/1.csv", 1)
	tries := 0
	got, err := f.load(pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond}}, func() error {
		if tries++; tries == 1 {
			f.put("a/2.csv", 2) // for the next run, not for the next attempt
			return errors.New("lost the connection")
		}
		return nil
	})
	if err != nil || !reflect.DeepEqual(got, []int64{1}) {
		t.Errorf("got %v, %v", got, err)
	}
	f.want(pipeline.Options{}, 2)
}

func TestARetryWhoseFilesHaveChanged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, f *folder, path string)
		want   string
		is     error
	}{
		{"gone", func(t *testing.T, f *folder, path string) { check(t, os.Remove(path)) }, "is gone; put it back, or start a run with another ID", fs.ErrNotExist},
		{"of another size", func(t *testing.T, f *folder, path string) { f.put("a/1.csv", 1, 2) }, "the file has changed since this run began: it had 28 bytes with the SHA-256 ", nil},
		{"of another content", func(t *testing.T, f *folder, path string) { f.put("a/1.csv", 2) }, "the file has changed since this run began: it had 28 bytes with the SHA-256 ", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFolder(t)
			path := f.put("a/1.csv", 1)
			if _, err := f.load(pipeline.Options{RunID: "today"}, func() error { return errors.New("lost the connection") }); err == nil {
				t.Fatal("the first attempt should fail")
			}
			tt.change(t, f, path)
			_, err := f.load(pipeline.Options{RunID: "today", Attempt: 2}, nil)
			if err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestNewFilesHoldsTheHeadersOfNewFilesOnly(t *testing.T) {
	f := newFolder(t)
	file(t, f.path, "a/1.csv", "id,product,quantiti\n")
	file(t, f.path, "a/2.csv", "")
	_, err := f.load(pipeline.Options{}, nil)
	for _, want := range []string{`1.csv: line 1: column "quantity" (nearest: "quantiti") is missing`, "2.csv: the input is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if len(f.state.ranges) > 0 {
		t.Error("the files were fixed although they cannot be read")
	}
	f.put("a/1.csv", 1)
	f.put("a/2.csv", 2)
	f.want(pipeline.Options{}, 1, 2)
}

func TestNewFilesCursor(t *testing.T) {
	f := newFolder(t)
	for i := range 100 {
		f.put(fmt.Sprintf("a/a file with a name of usual length %02d.csv", i), int64(i))
	}
	if _, err := f.load(pipeline.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	f.want(pipeline.Options{})
	cursor := f.state.cursors["extract"]
	if len(cursor) > 100*40 {
		t.Errorf("the cursor of 100 files that were read long ago has %d bytes", len(cursor))
	}
	for _, bad := range []string{`"2026-01-01"`, `{}`, `{"files":[],"taken":"?"}`, `{"files":[],"taken":"AAAA"}`} {
		f.state.cursors["extract"] = json.RawMessage(bad)
		_, err := f.load(pipeline.Options{}, nil)
		if err == nil || !strings.Contains(err.Error(), "the cursor is not one of files") || !pipeline.IsPermanent(err) {
			t.Errorf("cursor %s: got %v", bad, err)
		}
	}
}

func TestNewFilesNeedsARunThatKeepsACursor(t *testing.T) {
	source := sources.CSV[sale]{Path: filepath.Join(t.TempDir(), "*.csv"), NewFiles: true}
	_, _, err := run(t, source, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), "set Options.State") {
		t.Errorf("got %v", err)
	}
	for _, err := range pipeline.Records(t.Context(), source) {
		if err == nil || !strings.Contains(err.Error(), "NewFiles needs a pipeline with Options.State") {
			t.Errorf("got %v", err)
		}
	}
}
