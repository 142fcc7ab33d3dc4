package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/millrace/millrace/pipeline"
)

// progressMode is the value of -progress.
type progressMode string

const (
	progressAuto progressMode = "auto"
	progressOn   progressMode = "on"
	progressOff  progressMode = "off"
)

// String implements flag.Value.
func (m *progressMode) String() string {
	if m == nil {
		return ""
	}
	return string(*m)
}

// Set implements flag.Value.
func (m *progressMode) Set(text string) error {
	switch mode := progressMode(text); mode {
	case progressAuto, progressOn, progressOff:
		*m = mode
		return nil
	}
	return fmt.Errorf("want auto, on or off")
}

// plainEvery is the time between two plain lines. A short run has none.
const plainEvery = 3 * time.Second

// watch runs a pipeline, shows how it is going, and returns how it went.
func watch(ctx context.Context, p *pipeline.Pipeline, mode progressMode, stderr io.Writer) (pipeline.Report, error) {
	run, stop := p.Start(ctx), func() {}
	switch {
	case mode == progressOff:
	case mode == progressOn || isTerminal(stderr):
		stop = showLive(p.Graph(), run, stderr)
	default:
		ticker := time.NewTicker(plainEvery)
		defer ticker.Stop()
		stop = showPlain(run, ticker.C, stderr)
	}
	report, err := run.Wait()
	stop() // before anything else is printed
	return report, err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// showPlain writes a line at each tick until the function that it returns is called.
func showPlain(run *pipeline.Execution, tick <-chan time.Time, w io.Writer) (stop func()) {
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case now := <-tick:
				fmt.Fprintln(w, plainLine(run.Progress(), now))
			case <-done:
				return
			}
		}
	})
	return func() { close(done); writer.Wait() }
}

// plainLine is how a run is going: sde_gul_etl: 6 s: extract_csv 812,345 rows, load 0.
func plainLine(report pipeline.Report, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %.0f s", report.Pipeline, now.Sub(report.StartedAt).Seconds())
	if report.State != pipeline.StateRunning {
		fmt.Fprintf(&b, ", %s", report.State)
	}
	for i, stage := range report.Stages {
		separator := ", "
		if i == 0 {
			separator = ": rows: "
		}
		fmt.Fprintf(&b, "%s%s %s", separator, stage.Name, thousands(rowsOf(stage)))
	}
	return b.String()
}

// rowsOf is how many records went through a stage: into a transform or a sink, out of a source.
func rowsOf(stage pipeline.StageReport) int64 {
	if stage.Kind == pipeline.KindSource {
		return stage.RecordsOut
	}
	return stage.RecordsIn
}

// rate is in records a second, from the stage's start to its end, or to now while it runs.
func rate(stage pipeline.StageReport, now time.Time) int64 {
	if took := elapsed(stage, now); took > 0 {
		return int64(float64(rowsOf(stage)) / took.Seconds())
	}
	return 0
}

func elapsed(stage pipeline.StageReport, now time.Time) time.Duration {
	switch {
	case stage.StartedAt.IsZero():
		return 0
	case stage.EndedAt.IsZero():
		return now.Sub(stage.StartedAt)
	}
	return stage.EndedAt.Sub(stage.StartedAt)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
