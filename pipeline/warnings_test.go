package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// warning runs a pipeline of one step, without a log.
func warning(t *testing.T, step func(log hclog.Logger)) pipeline.StageReport {
	t.Helper()
	p := pipeline.New("warned", pipeline.Options{})
	pipeline.Do(p, "step", func(ctx context.Context) error {
		step(pipeline.LoggerFrom(ctx))
		return nil
	})
	return mustRun(t, p).Stage("step")
}

func TestWhatAStageWarnsOfIsInItsReport(t *testing.T) {
	got := warning(t, func(log hclog.Logger) {
		log.Info("not this")
		log.Debug("nor this")
		log.Warn("left behind", "column", "at", "largest", "9999-12-31 00:00:00+00", "n", 3)
		log.Warn("left behind", "column", "at", "largest", "9999-12-31 00:00:00+00", "n", 3)
		log.Error("odd", "error", errors.New("a\nb\x00"), "missing")
		log.Log(hclog.Warn, "by level")
		log.Log(hclog.Info, "nor this")
		log.With("file", "a.csv").Named("own").ResetNamed("other").Warn("of a file", "size", hclog.Fmt("%d kB", 4))
	}).Warnings
	want := []string{
		`left behind column=at largest="9999-12-31 00:00:00+00" n=3`,
		`odd error="a\nb\x00" missing`,
		"by level",
		`of a file file=a.csv size="4 kB"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("warnings:\n%q\nwant:\n%q", got, want)
	}
	if quiet := warning(t, func(log hclog.Logger) { log.Info("all well") }).Warnings; quiet != nil {
		t.Errorf("warnings of a stage that had none: %q", quiet)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	stage := warning(t, func(log hclog.Logger) {
		var wg sync.WaitGroup
		for lane := range 4 {
			wg.Go(func() {
				for i := range 50 {
					log.Warn(strings.Repeat("ü", 1000), "lane", lane, "value", strings.Repeat(" x", 5000), "i", i)
					log.Warn(fmt.Sprint(lane, " ", i))
				}
			})
		}
		wg.Wait()
	})
	if n := len(stage.Warnings); n != 20 || stage.Warnings[19] != "there were other warnings, which are in the log" {
		t.Errorf("%d warnings: %q", n, stage.Warnings)
	}
	for _, w := range stage.Warnings {
		if len(w) > 510 {
			t.Errorf("a warning of %d bytes", len(w))
		}
	}
}

func TestWarningsAreInTheReportsForms(t *testing.T) {
	r := pipeline.Report{Pipeline: "orders", State: pipeline.StateSucceeded, Error: "x", Stages: []pipeline.StageReport{
		{Name: "read", Kind: pipeline.KindSource, Warnings: []string{"one", "two"}}, {Name: "load", Kind: pipeline.KindSink, Warnings: []string{"three"}},
	}}
	if text := r.String(); !strings.HasSuffix(text, "0\n\nread: warning: one\nread: warning: two\nload: warning: three\n\nx\n") {
		t.Errorf("the table:\n%s", text)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back pipeline.Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Stage("read").Warnings, r.Stages[0].Warnings) || !strings.Contains(string(data), `"warnings":["one","two"]`) {
		t.Errorf("there and back: %s", data)
	}
	if data, _ = json.Marshal(pipeline.StageReport{}); strings.Contains(string(data), "warnings") {
		t.Errorf("a stage without warnings: %s", data)
	}
}

// followed warns while it fixes its range.
type followed struct{ pipeline.Source[int] }

func (followed) Incremental() bool { return true }

func (followed) Bound(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
	pipeline.LoggerFrom(ctx).Warn("a row is left to a later run")
	if err := pipeline.MoveCursor(ctx, json.RawMessage(`1`)); err == nil {
		return nil, errors.New("a cursor is moved before anything is read")
	}
	return json.RawMessage(`7`), nil
}

func TestAWarningOfTheBoundIsInTheReport(t *testing.T) {
	lines := &lineSink{}
	p := pipeline.New("bounded", pipeline.Options{State: &pipelinetest.State{}, Logger: hclog.New(&hclog.LoggerOptions{Output: lines, JSONFormat: true})})
	pipeline.To(pipeline.From(p, "numbers", followed{numbers(3)}), "sink", &collector[int]{})
	r := mustRun(t, p)
	if got := r.Stage("numbers").Warnings; !slices.Equal(got, []string{"a row is left to a later run"}) {
		t.Errorf("warnings: %q", got)
	}
	for _, l := range lines.lines {
		if strings.Contains(string(l), "left to a later run") && strings.Contains(string(l), `"stage":"numbers"`) {
			return
		}
	}
	t.Errorf("the log does not say of which stage it is: %s", lines.lines)
}
