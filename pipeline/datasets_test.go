package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// place is a source and a sink with datasets.
type place struct {
	datasets []pipeline.Dataset
	err      error
}

func (place) Extract(context.Context, *pipeline.Writer[int]) error { return nil }
func (place) Load(_ context.Context, in *pipeline.Reader[int]) error {
	for _, err := range in.Batches() {
		if err != nil {
			return err
		}
	}
	return nil
}

// Claims says that both are of one database.
func (place) Claims() []pipeline.Claim {
	return []pipeline.Claim{{Key: "db", Name: "the pool", Capacity: 10, Need: 1, Shared: true}}
}

func (p place) Datasets(context.Context) ([]pipeline.Dataset, error) { return p.datasets, p.err }

func TestASourceThatWouldReadPastWhatTheRunWrites(t *testing.T) {
	reads := place{datasets: []pipeline.Dataset{{Namespace: "db", Name: "a"}, {Namespace: "db", Name: "t"}}}
	inRun := place{datasets: []pipeline.Dataset{{Namespace: "db", Name: "t", InRun: true}}}
	elsewhere := place{datasets: []pipeline.Dataset{{Namespace: "other", Name: "t"}}}
	writes := place{datasets: []pipeline.Dataset{{Namespace: "db", Name: "t", Writes: true}}}
	empties := place{datasets: []pipeline.Dataset{{Namespace: "db", Name: "t", Writes: true, Empties: true}}}
	const behind = `test: again: waits for "load", which writes t, and would read it as it was before the run`
	for _, test := range []struct {
		name         string
		source, sink place
		after        bool // the source waits for the sink, through a step and another source
		want         string
	}{
		{"it comes after the sink of what it reads", reads, writes, true, behind},
		{"it comes after a sink that empties it", reads, empties, true, behind},
		{"it reads beside the sink", reads, writes, false, ""},
		{"it reads beside a sink that lets nobody read", reads, empties, false, `test: again: reads t, which "load" empties in a way that lets nobody else read it`},
		{"it reads in the run", inRun, writes, true, ""},
		{"it reads in the run what was emptied", inRun, empties, true, ""},
		{"it reads something else of the same name", elsewhere, writes, true, ""},
		{"it cannot say what it reads", place{err: errors.New("no connection")}, writes, true, "test: again: no connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := pipeline.New("test", pipeline.Options{})
			load := pipeline.To(pipeline.From(p, "read", place{}), "load", test.sink)
			var options []pipeline.StageOption
			if test.after {
				step := pipeline.Do(p, "step", func(context.Context) error { return nil }, pipeline.After(load))
				between := pipeline.From(p, "between", place{}, pipeline.After(step))
				options = append(options, pipeline.After(pipeline.To(between, "end", place{})))
			}
			pipeline.To(pipeline.From(p, "again", test.source, options...), "keep", place{})
			err := p.Validate(t.Context())
			switch {
			case test.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), test.want):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
