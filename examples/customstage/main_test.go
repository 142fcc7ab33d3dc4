package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The source.

var folder = Folder{fstest.MapFS{
	"b.txt":       {Data: []byte("12345")},
	"a/deep/c.md": {Data: []byte("1")},
	"empty":       {},
	"link":        {Mode: fs.ModeSymlink},
}}

func TestFolderFindsTheFilesOfAllLevels(t *testing.T) {
	got := pipelinetest.Source(t, folder)
	want := []File{{"a/deep/c.md", 1}, {"b.txt", 5}, {"empty", 0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFolderKeepsTheRules(t *testing.T) { pipelinetest.CheckSource(t, folder) }

func TestFolderThatIsNotThere(t *testing.T) {
	got := pipelinetest.RunSource(t.Context(), Folder{os.DirFS(filepath.Join(t.TempDir(), "none"))})
	if !errors.Is(got.Err, fs.ErrNotExist) {
		t.Errorf("error %v", got.Err)
	}
}

// The transform.

var files = []File{{"small", 1}, {"large", 11}, {"just so", 10}, {"larger", 12}, {"tiny", 0}}

func TestLargerThanDropsTheOthers(t *testing.T) {
	got := pipelinetest.Transform(t, LargerThan(10), files)
	if diff := cmp.Diff([]File{{"large", 11}, {"larger", 12}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLargerThanKeepsTheRules(t *testing.T) { pipelinetest.CheckTransform(t, LargerThan(10), files) }

// The sink.

func TestMarkdownIsATable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	pipelinetest.Sink(t, Markdown{path}, []File{{"a", 1}, {"b|c", 22}})
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "| path | bytes |\n| --- | ---: |\n| a | 1 |\n| b\\|c | 22 |\n"; string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// The rules of a sink that is all or nothing: a run that fails must leave the page as it was, and nothing beside it.
func TestMarkdownKeepsTheRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	content := func() any {
		beside, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
		if err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return [2]string{string(page), strings.Join(beside, " ")}
	}
	pipelinetest.CheckSink(t, Markdown{path}, files, pipelinetest.Loaded(content), pipelinetest.AllOrNothing(), pipelinetest.OneRunAtATime())
}

func TestMarkdownInAFolderThatIsNotThere(t *testing.T) {
	got := pipelinetest.RunSink(t.Context(), Markdown{filepath.Join(t.TempDir(), "none", "page.md")}, files)
	if !errors.Is(got.Err, fs.ErrNotExist) {
		t.Errorf("error %v", got.Err)
	}
}

// All three.

func TestListOfThisFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	report, err := list(t.Context(), ".", 1000, path)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "| main_test.go | ") || strings.Contains(string(page), "largerthan.go") {
		t.Errorf("the page is\n%s", page)
	}
	if read, written := report.Stage("walk").RecordsOut, report.Stage("write").RecordsIn; read < 6 || written < 2 || written >= read {
		t.Errorf("%d files of %d", written, read)
	}
}
