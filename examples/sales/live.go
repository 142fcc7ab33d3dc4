package main

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/millrace/millrace/pipeline"
)

// showLive keeps a line for each stage up to date until the function that it returns is called, which removes them.
func showLive(graph pipeline.Graph, run *pipeline.Execution, w io.Writer) (stop func()) {
	screen := mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh())
	width := 0
	for _, stage := range graph.Nodes {
		width = max(width, len(stage.Name))
	}
	var lines []*mpb.Bar
	for _, stage := range graph.Nodes {
		// The total is not known: a line has figures and no bar.
		line := screen.MustAdd(0, mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
			_, err := fmt.Fprint(w, liveLine(run.Progress().Stage(stage.Name), width, time.Now()))
			return err
		}), mpb.BarRemoveOnComplete())
		lines = append(lines, line)
	}
	return func() {
		for _, line := range lines {
			line.SetTotal(-1, true)
		}
		screen.Wait()
	}
}

func liveLine(stage pipeline.StageReport, width int, now time.Time) string {
	return fmt.Sprintf("%-*s  %-10s %13s rows %11s rows/s", width, stage.Name, stage.State, thousands(rowsOf(stage)), thousands(rate(stage, now)))
}
