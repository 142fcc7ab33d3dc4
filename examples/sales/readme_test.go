package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

var block = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// blocks returns the blocks of README that are in a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range block.FindAllStringSubmatch(string(readme), -1) {
		if match[1] == language {
			found = append(found, match[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("README has no block of %s", language)
	}
	return found
}

// What README shows of Go is copied from the examples, where it is compiled and run.
func TestReadmeShowsCodeOfTheExamples(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := blocks(t, "go")
	if len(shown) != 3 {
		t.Errorf("%d blocks of Go, want a pipeline, a stage and its test", len(shown))
	}
	for _, text := range shown {
		if !strings.Contains(code.String(), text) {
			t.Errorf("not in the examples as it stands:\n%s", text)
		}
	}
}

func TestReadmeShowsTheGraph(t *testing.T) {
	if diff := cmp.Diff(salesetl.New(salesetl.Config{}).Graph().Mermaid(), blocks(t, "mermaid")[0]); diff != "" {
		t.Error(diff)
	}
}

// What the command prints has times that differ from run to run: they are compared as #.
func TestReadmeShowsWhatTheCommandPrints(t *testing.T) {
	const prompt = "$ go run ./examples/sales\n"
	shown, ok := strings.CutPrefix(blocks(t, "console")[0], prompt)
	if !ok {
		t.Fatalf("the first console does not begin with %q", prompt)
	}
	_, shown, _ = strings.Cut(shown, "\n") // which database it is
	_, url := newDatabase(t)
	printed := mustSucceed(t, "-database-url", url, "-init").stdout
	if diff := cmp.Diff(masked(printed), masked(shown)); diff != "" {
		t.Errorf("-printed +shown:\n%s", diff)
	}
}

var (
	timeAndRate = regexp.MustCompile(`(?m) +[0-9.]+[µm]?s +[0-9.]+[µm]?s +[0-9,]+ *$`)
	anyTime     = regexp.MustCompile(`[0-9.]+[µm]?s`)
	lineOrBlank = regexp.MustCompile(`─+| +`)
)

func masked(text string) []string {
	text = timeAndRate.ReplaceAllString(text, " # # #")
	text = anyTime.ReplaceAllString(text, "#")
	text = lineOrBlank.ReplaceAllStringFunc(text, func(s string) string { return string([]rune(s)[:1]) })
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}
