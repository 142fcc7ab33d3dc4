package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// stuckRun starts a pipeline that has written a thousand records and waits until the test is done with it.
func stuckRun(t *testing.T) (pipeline.Graph, *pipeline.Execution) {
	t.Helper()
	written := make(chan struct{})
	p := pipeline.New("stuck", pipeline.Options{})
	numbers := pipeline.From(p, "count", pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
		if err := out.WriteBatch(make([]int, 1000)); err != nil {
			return err
		}
		close(written)
		<-ctx.Done()
		return ctx.Err()
	}))
	pipeline.To(numbers, "drop", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for _, err := range in.All() {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	run := p.Start(t.Context())
	t.Cleanup(func() {
		run.Cancel(nil)
		if _, err := run.Wait(); err == nil {
			t.Error("the run was cancelled and has no error")
		}
	})
	<-written
	return p.Graph(), run
}

// lineWriter hands on each write.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

func TestPlainProgressIsALineATick(t *testing.T) {
	_, run := stuckRun(t)
	tick, lines := make(chan time.Time), make(lineWriter)
	stop := showPlain(run, tick, lines)
	for seconds := 3; seconds < 10; seconds += 3 {
		tick <- run.Progress().StartedAt.Add(time.Duration(seconds) * time.Second)
		line := <-lines
		if want := "stuck: " + string(rune('0'+seconds)) + " s: rows: count 1,000, drop "; !strings.HasPrefix(line, want) || !strings.HasSuffix(line, "\n") {
			t.Errorf("line %q, want %q", line, want)
		}
	}
	stop() // and no goroutine is left, says goleak
}

func TestPlainLineSaysWhatIsUnusual(t *testing.T) {
	began := time.Now()
	report := pipeline.Report{Pipeline: "p", State: pipeline.StateCommitting, StartedAt: began, Stages: []pipeline.StageReport{
		{Name: "a", Kind: pipeline.KindSource, RecordsOut: 1234567},
		{Name: "b", Kind: pipeline.KindTransform, RecordsIn: 12, RecordsOut: 1},
		{Name: "c", Kind: pipeline.KindSink, RecordsIn: 123},
	}}
	if got, want := plainLine(report, began.Add(61*time.Second)), "p: 61 s, committing: rows: a 1,234,567, b 12, c 123"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLiveProgressIsALineAStageAndLeavesNone(t *testing.T) {
	var screen bytes.Buffer
	graph, run := stuckRun(t)
	stop := showLive(graph, run, &screen)
	stop()
	text := screen.String()
	for _, want := range []string{"count  running            1,000 rows ", "drop   running "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	// The last thing written takes the two lines away.
	if !strings.HasSuffix(text, "\x1b[2A\x1b[J") {
		t.Errorf("the screen ends with %q", text[max(0, len(text)-20):])
	}
}

func TestProgressOnShowsAlsoWithoutATerminal(t *testing.T) {
	_, url := newDatabase(t)
	got := sales(t.Context(), "-database-url", url, "-init", "-progress", "on", "-json")
	if got.status != exitOK || !strings.Contains(got.stderr, "extract_postgres") || !strings.Contains(got.stderr, "make_online") {
		t.Errorf("status %d, standard error %q", got.status, got.stderr)
	}
	readReport(t, got.stdout)
}

func TestRate(t *testing.T) {
	began := time.Now()
	for _, tt := range []struct {
		name  string
		stage pipeline.StageReport
		want  int64
	}{
		{"not started", pipeline.StageReport{Kind: pipeline.KindSink}, 0},
		{"running", pipeline.StageReport{Kind: pipeline.KindSink, RecordsIn: 50, StartedAt: began}, 5},
		{"ended", pipeline.StageReport{Kind: pipeline.KindSource, RecordsOut: 50, StartedAt: began, EndedAt: began.Add(2 * time.Second)}, 25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := rate(tt.stage, began.Add(10*time.Second)); got != tt.want {
				t.Errorf("%d rows/s, want %d", got, tt.want)
			}
		})
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
