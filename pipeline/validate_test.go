package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
)

type claiming struct {
	pipeline.Source[int]
	claims []pipeline.Claim
}

func (c claiming) Claims() []pipeline.Claim { return c.claims }

type claimingTransform struct {
	pipeline.TransformFunc[int, int]
	claims []pipeline.Claim
}

func (c claimingTransform) Claims() []pipeline.Claim { return c.claims }

type serial struct {
	pipeline.TransformFunc[int, int]
}

func (serial) Serial() {}

func TestMistakesAreFoundBeforeAnythingMoves(t *testing.T) {
	ok := func(p *pipeline.Pipeline) pipeline.Stream[int] { return pipeline.From(p, "ok", numbers(1)) }
	sink := func() pipeline.Sink[int] { return &collector[int]{} }
	step := func(context.Context) error { return nil }
	pool, other := new(int), new(int)
	one := func(c pipeline.Claim) claiming { return claiming{numbers(1), []pipeline.Claim{c}} }
	for name, c := range map[string]struct {
		options pipeline.Options
		build   func(p *pipeline.Pipeline)
		want    string
	}{
		"a pipeline without stages": {build: func(*pipeline.Pipeline) {}, want: "has no stages"},
		"a stream that nobody reads": {build: func(p *pipeline.Pipeline) { ok(p) },
			want: "ok: nobody reads its stream"},
		"rejects that nobody reads": {build: func(p *pipeline.Pipeline) { pipeline.To(ok(p), "sink", sink()); pipeline.Rejects(p) },
			want: "rejects: nobody reads its stream"},
		"a name that is taken":   {build: func(p *pipeline.Pipeline) { pipeline.To(ok(p), "ok", sink()) }, want: "ok: the name is taken twice"},
		"a stage without a name": {build: func(p *pipeline.Pipeline) { pipeline.To(ok(p), "", sink()) }, want: "a sink has no name"},
		"a nil source":           {build: func(p *pipeline.Pipeline) { pipeline.To(pipeline.From[int](p, "a", nil), "sink", sink()) }, want: "a: the source is nil"},
		"a nil function": {build: func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "a", pipeline.SourceFunc[int](nil)), "sink", sink())
		}, want: "a: the source is nil"},
		"a nil step": {build: func(p *pipeline.Pipeline) { pipeline.Do(p, "a", nil) }, want: "a: the step is nil"},
		"a source in lanes that cannot be split": {build: func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "a", numbers(1), pipeline.Parallel(2)), "sink", sink())
		}, want: "a: cannot be read in 2 lanes"},
		"negative lanes": {build: func(p *pipeline.Pipeline) { pipeline.To(ok(p), "sink", sink(), pipeline.Parallel(-1)) }, want: "sink: Parallel(-1)"},
		"lanes of a step": {build: func(p *pipeline.Pipeline) { pipeline.Do(p, "a", step, pipeline.Parallel(2)) },
			want: "a: a step cannot run in lanes"},
		"lanes of a stage that must see all": {build: func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.Via(ok(p), "a", serial{each(double).(pipeline.TransformFunc[int, int])}, pipeline.Parallel(2)), "sink", sink())
		}, want: "a: cannot run in 2 lanes"},
		"a negative timeout": {build: func(p *pipeline.Pipeline) { pipeline.Do(p, "a", step, pipeline.Timeout(-1)) }, want: "a: Timeout(-1ns)"},
		"a sink after the rejects that it can add to": {build: func(p *pipeline.Pipeline) {
			letters := pipeline.To(pipeline.Rejects(p), "letters", &collector[pipeline.Reject]{})
			pipeline.To(ok(p), "late", sink(), pipeline.After(pipeline.Do(p, "step", step, pipeline.After(letters))))
		}, want: "late: After: it would wait for a stage behind the stream of rejects"},
		"records that have to wait and cannot be written to a file": {build: func(p *pipeline.Pipeline) {
			s := pipeline.From(p, "s", sourceOf(func(*pipeline.Writer[func()]) error { return nil }))
			first := pipeline.To(s, "first", sinkOf(func(func()) error { return nil }))
			pipeline.To(s, "second", sinkOf(func(func()) error { return nil }), pipeline.After(first))
		}, want: "second: its records may have to wait in a file, because it waits for others: func() cannot be spilled to a file"},
		"a negative amount that waits": {options: pipeline.Options{MaxWaiting: -1}, want: "Options.MaxWaiting is -1"},
		"After a stage of another pipeline": {build: func(p *pipeline.Pipeline) {
			pipeline.Do(p, "a", step, pipeline.After(pipeline.Do(pipeline.New("other", pipeline.Options{}), "b", step)))
		}, want: `a: After: "b" is a stage of another pipeline`},
		"a source after the rejects": {build: func(p *pipeline.Pipeline) {
			pipeline.To(ok(p), "sink", sink())
			letters := pipeline.To(pipeline.Rejects(p), "letters", &collector[pipeline.Reject]{})
			pipeline.To(pipeline.From(p, "late", numbers(1), pipeline.After(pipeline.Do(p, "step", step, pipeline.After(letters)))), "sink2", sink())
		}, want: "late: After: it would wait for a stage behind the stream of rejects"},
		"a merge across pipelines": {build: func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.Merge(ok(p), ok(pipeline.New("other", pipeline.Options{}))), "sink", sink())
		}, want: `Merge: "ok" is a stream of another pipeline`},
		"a merge of a stream with itself": {build: func(p *pipeline.Pipeline) {
			s := ok(p)
			pipeline.To(pipeline.Merge(s, s), "sink", sink())
		}, want: `Merge: the stream of "ok" is merged with itself`},
		"a budget of nonsense": {options: pipeline.Options{MaxRejects: -5}, want: "Options.MaxRejects is -5"},
		"a negative batch":     {options: pipeline.Options{BatchSize: -1}, want: "Options.BatchSize is -1"},
		"a negative buffer":    {options: pipeline.Options{Buffer: -1}, want: "Options.Buffer is -1"},
		"negative attempts":    {options: pipeline.Options{Retry: pipeline.Retry{MaxAttempts: -1}}, want: "Options.Retry.MaxAttempts is -1"},
		"a negative backoff":   {options: pipeline.Options{Retry: pipeline.Retry{Backoff: -1}}, want: "Options.Retry: a backoff cannot be negative"},
		"a negative time":      {options: pipeline.Options{Timeout: -time.Second}, want: "Options.Timeout is -1s"},
		"an attempt below one": {options: pipeline.Options{Attempt: -1}, want: "Options.Attempt is -1"},
		"a run ID too long":    {options: pipeline.Options{RunID: strings.Repeat("x", 201)}, want: "Options.RunID is 201 bytes long"},
		"a pool too small": {build: func(p *pipeline.Pipeline) {
			a := pipeline.From(p, "a", one(pipeline.Claim{Key: pool, Name: `pool of "x"`, Capacity: 2, Need: 2}))
			b := pipeline.From(p, "b", one(pipeline.Claim{Key: pool, Name: `pool of "x"`, Capacity: 2, Need: 1, Shared: true}))
			pipeline.To(pipeline.Merge(a, b), "sink", sink())
		}, want: `pool of "x" has room for 2, but this pipeline needs 3 at once (stages "a" and "b")`},
	} {
		t.Run(name, func(t *testing.T) {
			p := pipeline.New("p", c.options)
			if c.build == nil {
				pipeline.To(ok(p), "sink", sink())
			} else {
				c.build(p)
			}
			for how, err := range map[string]error{"Validate": p.Validate(t.Context()), "Run": runError(t, p)} {
				var ve *pipeline.ValidationError
				if !errors.As(err, &ve) || len(ve.Problems) != 1 || !strings.Contains(err.Error(), c.want) || !pipeline.IsPermanent(err) {
					t.Fatalf("%s: error %v\nwant one problem with %q", how, err, c.want)
				}
			}
		})
	}
	t.Run("claims that fit", func(t *testing.T) {
		p := pipeline.New("p", pipeline.Options{})
		shared := pipeline.Claim{Key: pool, Name: "pool", Capacity: 2, Need: 1, Shared: true}
		a := pipeline.From(p, "a", one(shared))
		b := pipeline.From(p, "b", one(shared))
		c := pipeline.From(p, "c", one(pipeline.Claim{Key: pool, Name: "pool", Capacity: 2, Need: 1}))
		d := pipeline.From(p, "d", one(pipeline.Claim{Key: other, Name: "other", Capacity: 1, Need: 1}))
		pipeline.To(pipeline.Merge(a, b, c, d), "sink", sink())
		mustRun(t, p)
	})
	t.Run("claims of lanes", func(t *testing.T) {
		for _, c := range []struct {
			name     string
			once     bool
			capacity int
			fits     bool
		}{
			{"of each fit", false, 3, true},
			{"of each do not fit", false, 2, false},
			{"of all together fit", true, 1, true},
			{"of all together do not fit", true, 0, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				p := pipeline.New("p", pipeline.Options{})
				claim := pipeline.Claim{Key: pool, Name: "pool", Capacity: c.capacity, Need: 1, Once: c.once}
				passed := pipeline.Via(ok(p), "pass", claimingTransform{picky(everyTenth).Transform, []pipeline.Claim{claim}}, pipeline.Parallel(3))
				pipeline.To(passed, "sink", sink())
				if err := p.Validate(t.Context()); (err == nil) != c.fits {
					t.Errorf("error %v", err)
				}
			})
		}
	})
}

func TestTheSameGraphUnderOtherOptions(t *testing.T) {
	var got collector[int]
	p := pipeline.New("p", pipeline.Options{})
	pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(20)), "picky", picky(everyTenth)), "sink", &got)
	lenient := p.WithOptions(func(o *pipeline.Options) { o.MaxRejects = 2; o.RunID = "x" })
	if rep := mustRun(t, lenient); rep.RunID != "x" || rep.Rejects != 2 || len(got.got) != 18 {
		t.Fatalf("report %+v", rep)
	}
	if _, err := p.Run(t.Context()); err == nil {
		t.Fatal("the options of the first have changed too")
	}
	wrong := p.WithOptions(func(o *pipeline.Options) { o.MaxRejects = -5 })
	if err := wrong.Validate(t.Context()); err == nil {
		t.Fatal("nonsense passes")
	}
}

func runError(t *testing.T, p *pipeline.Pipeline) error {
	t.Helper()
	rep, err := p.Run(t.Context())
	for _, s := range rep.Stages {
		if s.State != pipeline.StatePending {
			t.Errorf("%s is %s, though nothing should have started", s.Name, s.State)
		}
	}
	return err
}

func TestTheProblemsOfAllStagesAreReportedTogether(t *testing.T) {
	bad := func(msg string) validated {
		return validated{&collector[int]{}, func(context.Context) error { return errors.New(msg) }}
	}
	p := pipeline.New("p", pipeline.Options{})
	s := pipeline.From(p, "source", numbers(1))
	pipeline.To(s, "one", bad("table one is not there"))
	pipeline.To(s, "two", bad("table two is not there"))
	pipeline.To(s, "three", validated{&collector[int]{}, func(context.Context) error { panic("three") }})
	err := p.Validate(t.Context())
	var ve *pipeline.ValidationError
	if !errors.As(err, &ve) || len(ve.Problems) != 3 {
		t.Fatalf("error %v", err)
	}
	if want := "p: 3 problems, nothing was moved:\n  one: table one is not there\n  two: table two is not there\n  three: panic: three"; !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("message %q", err)
	}
}

type described struct {
	pipeline.Source[int]
	text string
}

func (d described) Describe() string { return d.text }

func TestPicturesEscapeWhatStagesSay(t *testing.T) {
	p := pipeline.New(`p "1"`, pipeline.Options{})
	s := pipeline.From(p, "source", described{numbers(1), "CSV \"a\" <b> #1\nnext \\"})
	sink := pipeline.To(s, "sink", &collector[int]{})
	pipeline.Do(p, "step", func(context.Context) error { return nil }, pipeline.After(sink))
	g := p.Graph()
	wantMermaid := `flowchart LR
    n1(["source<br/>CSV #quot;a#quot; #lt;b#gt; #35;1 next \"])
    n2[("sink")]
    n3{{"step"}}
    n1 --> n2
    n2 -.-> n3
`
	if got := g.Mermaid(); got != wantMermaid {
		t.Errorf("Mermaid:\n%s\nwant:\n%s", got, wantMermaid)
	}
	wantDOT := `digraph "p \"1\"" {
    rankdir=LR;
    n1 [label="source\nCSV \"a\" <b> #1\nnext \\" shape=cds];
    n2 [label="sink" shape=cylinder];
    n3 [label="step" shape=hexagon];
    n1 -> n2;
    n2 -> n3 [style=dashed];
}
`
	if got := g.DOT(); got != wantDOT {
		t.Errorf("DOT:\n%s\nwant:\n%s", got, wantDOT)
	}
	data, err := json.Marshal(g)
	if err != nil || !strings.Contains(string(data), `{"from":"source","to":"sink","record":"int"}`) {
		t.Errorf("JSON %s, error %v", data, err)
	}
}

func TestProblemsOfTheGraphDoNotHideThoseOfTheStages(t *testing.T) {
	p := pipeline.New("p", pipeline.Options{})
	unread := pipeline.From(p, "unread", numbers(1))
	pipeline.Merge(unread, unread)
	pipeline.To(pipeline.From[int](p, "nil", nil), "load", validated{&collector[int]{}, func(context.Context) error {
		return errors.New("sales.csv: no such file")
	}})
	err := p.Validate(t.Context())
	for _, want := range []string{"unread: nobody reads", "merged with itself", "nil: the source is nil", "load: sales.csv: no such file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nlacks %q", err, want)
		}
	}
}
