package sinks_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

func ExampleJSONLines() {
	type Total struct {
		Product string `json:"product"`
		Pieces  int    `json:"pieces"`
	}
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "totals.jsonl")

	p := pipeline.New("report", pipeline.Options{})
	totals := pipeline.From(p, "totals", sources.Slice[Total]{{"Tea & milk", 12}, {"Mug", 3}})
	pipeline.To(totals, "write", sinks.JSONLines[Total]{Path: path})
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
	// {"product":"Tea & milk","pieces":12}
	// {"product":"Mug","pieces":3}
}

func TestJSONConformance(t *testing.T) {
	totals := make([]total, 3000)
	for i := range totals {
		totals[i] = total{fmt.Sprint("product ", i), i}
	}
	for _, name := range []string{"out.jsonl", "out.jsonl.gz", "out.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			pipelinetest.CheckSink[total](t, sinks.JSONLines[total]{Path: path}, totals, pipelinetest.AllOrNothing(),
				pipelinetest.Loaded(func() any { b, _ := os.ReadFile(path); return string(b) }))
			pipelinetest.Sink[total](t, sinks.JSONLines[total]{Path: path}, totals)
			if got := pipelinetest.Source[total](t, sources.JSONLines[total]{Path: path}); len(got) != len(totals) || got[2999] != totals[2999] {
				t.Errorf("%d records are read back", len(got))
			}
		})
	}
}

func TestJSONThatWouldChangeIsRejected(t *testing.T) {
	type inner struct {
		Price float64 `json:"price"`
	}
	type record struct {
		Name  string `json:"name"`
		Inner inner  `json:"inner"`
	}
	path := filepath.Join(t.TempDir(), "out.jsonl")
	all := []record{{Name: "a\xff"}, {"tea", inner{math.NaN()}}, {"<mug>", inner{0.1}}, {"x", inner{math.Inf(-1)}}}
	var rejects []pipeline.Reject
	p := pipeline.New("test", pipeline.Options{MaxRejects: 3})
	pipeline.To(pipeline.From(p, "extract", records(all...)), "load", sinks.JSONLines[record]{Path: path})
	pipeline.To(pipeline.Rejects(p), "refused", sinks.Slice[pipeline.Reject]{Into: &rejects})
	_, err := p.Run(t.Context())
	check(t, err)
	if got, want := content(t, path), "{\"name\":\"<mug>\",\"inner\":{\"price\":0.1}}\n"; got != want {
		t.Errorf("got %q", got)
	}
	if len(rejects) != 3 || rejects[0].Column != "name" || rejects[1].Column != "inner.price" || rejects[2].Column != "inner.price" ||
		!strings.Contains(rejects[0].Reason, "UTF-8") || !strings.Contains(rejects[1].Reason, "NaN") || rejects[1].Record == nil && rejects[1].Reason == "" {
		t.Errorf("got %+v", rejects)
	}
	_, err = write(t, pipeline.Options{}, records(all[1]), sinks.JSONLines[record]{Path: path})
	if err == nil || !strings.Contains(err.Error(), "inner.price") || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("got %v", err)
	}
	if err := (sinks.JSONLines[struct{ C chan int }]{Path: path}).Validate(t.Context()); err == nil || !pipeline.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
}
