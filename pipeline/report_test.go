package pipeline_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/pipeline"
)

func TestTheReportSaysWhereTheTimeWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Ten records of a second each through a slow sink: the source waits on its output.
		p := pipeline.New("slow", pipeline.Options{BatchSize: 1, Buffer: 1})
		s := pipeline.From(p, "source", pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
			out.AddBytes(77)
			return numbers(10).Extract(ctx, out)
		}))
		s = pipeline.Via(s, "transform", each(double))
		pipeline.To(s, "sink", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
			for _, err := range in.All() {
				if err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			return nil
		}))
		e := p.Start(t.Context())
		if first := e.Progress(); len(first.Stages) != 3 || first.Stages[2].Name != "sink" {
			t.Errorf("at the start: %+v", first)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		half := e.Progress()
		if half.State != pipeline.StateRunning || !half.EndedAt.IsZero() {
			t.Errorf("half-way: state %s, ended %v", half.State, half.EndedAt)
		}
		if sink := half.Stage("sink"); sink.RecordsIn != 6 || sink.State != pipeline.StateRunning || sink.Working < 5*time.Second {
			t.Errorf("half-way: %+v", sink)
		}
		if tr := half.Stage("transform"); tr.WaitingOut < 4*time.Second { // seen while it waits
			t.Errorf("half-way: %+v", tr)
		}
		rep, err := e.Wait()
		if err != nil {
			t.Fatal(err)
		}
		source, sink := rep.Stage("source"), rep.Stage("sink")
		if sink.Working != 10*time.Second || sink.WaitingIn != 0 || source.Working > time.Microsecond || source.WaitingOut < 4*time.Second {
			t.Errorf("sink %+v\nsource %+v", sink, source)
		}
		if source.Bytes != 77 || source.Kind != pipeline.KindSource || rep.EndedAt.Sub(rep.StartedAt) != 10*time.Second {
			t.Errorf("source %+v, ended after %v", source, rep.EndedAt.Sub(rep.StartedAt))
		}
	})
}

func TestTheReportsJSON(t *testing.T) {
	p := pipeline.New("json", pipeline.Options{RunID: "one"})
	pipeline.To(pipeline.From(p, "numbers", numbers(3)), "sink", &collector[int]{})
	rep := mustRun(t, p)
	data, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"pipeline", "run_id", "state", "started_at", "ended_at", "error", "stages"} {
		if _, ok := m[k]; !ok {
			t.Errorf("the report has no %q: %s", k, data)
		}
	}
	stage := m["stages"].([]any)[1].(map[string]any)
	var keys []string
	for k := range stage {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range []string{"name", "kind", "state", "records_in", "records_out", "rejects", "working_ms", "waiting_in_ms", "waiting_out_ms", "error"} {
		if !slices.Contains(keys, k) {
			t.Errorf("a stage has no %q: %v", k, keys)
		}
	}
	var back pipeline.Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*pipeline.Report{&rep, &back} { // a clock's monotonic reading and the nanoseconds are not kept
		r.StartedAt, r.EndedAt = r.StartedAt.UTC().Truncate(0), r.EndedAt.UTC().Truncate(0)
		for i := range r.Stages {
			s := &r.Stages[i]
			s.StartedAt, s.EndedAt = s.StartedAt.UTC().Truncate(0), s.EndedAt.UTC().Truncate(0)
			s.Working, s.WaitingIn, s.WaitingOut = s.Working.Truncate(time.Millisecond), s.WaitingIn.Truncate(time.Millisecond), s.WaitingOut.Truncate(time.Millisecond)
		}
	}
	if !reflect.DeepEqual(rep, back) {
		t.Errorf("there and back:\n%+v\n%+v", rep, back)
	}
}

func TestALogLineNamesRunAndStage(t *testing.T) {
	lines := &lineSink{}
	p := pipeline.New("logged", pipeline.Options{RunID: "r1", Logger: hclog.New(&hclog.LoggerOptions{Output: lines, JSONFormat: true, Level: hclog.Debug})})
	pipeline.Do(p, "step", func(ctx context.Context) error {
		pipeline.LoggerFrom(ctx).Info("hello")
		return nil
	})
	mustRun(t, p)
	found := false
	for _, l := range lines.lines {
		var m map[string]any
		if err := json.Unmarshal(l, &m); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		if m["run"] != "r1" || m["pipeline"] != "logged" {
			t.Errorf("a line without its run: %s", l)
		}
		found = found || m["@message"] == "hello" && m["stage"] == "step"
	}
	if !found {
		t.Errorf("no line of the stage's own in %s", lines.lines)
	}
	pipeline.LoggerFrom(t.Context()).Info("outside a run nothing happens")
}

type lineSink struct{ lines [][]byte }

func (l *lineSink) Write(p []byte) (int, error) {
	l.lines = append(l.lines, slices.Clone(p))
	return len(p), nil
}
