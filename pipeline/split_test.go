package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

func TestSplitGivesEachRecordToOneStream(t *testing.T) {
	const n, ways = 10_000, 3
	for _, lanes := range []int{1, 4} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			got := make([]collector[int], ways)
			p := pipeline.New("p", pipeline.Options{BatchSize: 7, Buffer: 1})
			streams := pipeline.Split(pipeline.From(p, "numbers", numbers(n)), "split", ways, func(i *int) int { return *i % ways }, pipeline.Parallel(lanes))
			for i, s := range streams {
				pipeline.To(s, fmt.Sprint("sink", i), &got[i])
			}
			report := mustRun(t, p)
			want := make([]pipeline.StreamReport, ways)
			for port := range ways {
				var all []int
				for i := port; i < n; i += ways {
					all = append(all, i)
				}
				have := got[port].got
				if lanes > 1 {
					have = sorted(have)
				}
				if !slices.Equal(have, all) || got[port].ends != 1 {
					t.Errorf("stream %d: %d records of %d, %d ends", port, len(have), len(all), got[port].ends)
				}
				want[port] = pipeline.StreamReport{Name: fmt.Sprint(port), Records: int64(len(all))}
			}
			if s := report.Stage("split"); s.RecordsIn != n || s.RecordsOut != n || !slices.Equal(s.Outputs, want) || s.Inputs != nil {
				t.Errorf("report %+v", s)
			}
		})
	}
}

func TestPartitionDividesByATest(t *testing.T) {
	var even, odd collector[int]
	p := pipeline.New("p", pipeline.Options{BatchSize: 3})
	yes, no := pipeline.Partition(pipeline.From(p, "numbers", numbers(100)), "even", func(i *int) bool { return *i%2 == 0 })
	pipeline.To(yes, "yes", &even)
	pipeline.To(no, "no", &odd)
	mustRun(t, p)
	for i := range 50 {
		if even.got[i] != 2*i || odd.got[i] != 2*i+1 {
			t.Fatalf("got %v and %v", even.got, odd.got)
		}
	}
	g := p.Graph()
	if want := (pipeline.GraphEdge{From: "even", To: "no", Record: "int", Output: "no"}); !slices.Contains(g.Edges, want) {
		t.Errorf("edges %+v", g.Edges)
	}
	if picture := g.Mermaid(); !strings.Contains(picture, "n2 -->|yes| n3\n") {
		t.Errorf("picture %s", picture)
	}
}

func TestStreamsOfOneSplitCanBeMergedAgainAndReadTwice(t *testing.T) {
	var all, again collector[int]
	p := pipeline.New("p", pipeline.Options{BatchSize: 3, Buffer: 1})
	yes, no := pipeline.Partition(pipeline.From(p, "numbers", numbers(1000)), "even", func(i *int) bool { return *i%2 == 0 })
	pipeline.To(pipeline.Merge(pipeline.Via(yes, "double", each(double)), no, yes), "all", &all)
	pipeline.To(no, "again", &again)
	mustRun(t, p)
	if len(all.got) != 1500 || len(again.got) != 500 {
		t.Errorf("%d and %d records", len(all.got), len(again.got))
	}
}

// A record for a stream that gets few must not lie still until there are more of them.
func TestSplitDoesNotHoldRecordsBackWhileItWaits(t *testing.T) {
	var seen atomic.Bool
	p := pipeline.New("p", pipeline.Options{})
	arrived := make(chan struct{})
	yes, no := pipeline.Partition(pipeline.From(p, "slow", sourceOf(func(out *pipeline.Writer[int]) error {
		if err := errors.Join(out.Write(0), out.Flush()); err != nil {
			return err
		}
		<-arrived // hangs if the record does not arrive
		seen.Store(true)
		return nil
	})), "zero", func(i *int) bool { return *i == 0 })
	pipeline.To(yes, "yes", sinkOf(func(int) error { close(arrived); return nil }))
	pipeline.To(no, "no", &collector[int]{})
	mustRun(t, p)
	if !seen.Load() {
		t.Error("the source did not go on")
	}
}

func TestAnIndexOutOfRangeEndsTheRunForGood(t *testing.T) {
	for _, index := range []int{-1, 3, 1 << 40} {
		p := pipeline.New("p", pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 3}})
		for i, s := range pipeline.Split(pipeline.From(p, "numbers", numbers(5)), "by_size", 3, func(*int) int { return index }) {
			pipeline.To(s, fmt.Sprint("sink", i), &collector[int]{})
		}
		report, err := p.Run(t.Context())
		want := fmt.Sprintf("p: by_size: index %d is out of range: it splits into 3 streams, which count from 0", index)
		if err == nil || err.Error() != want || !pipeline.IsPermanent(err) || report.Attempt != 1 {
			t.Errorf("attempt %d, error %v\nwant %s", report.Attempt, err, want)
		}
	}
}

func TestMistakesWithSplit(t *testing.T) {
	for name, c := range map[string]struct {
		build func(p *pipeline.Pipeline, in pipeline.Stream[int])
		want  string
	}{
		"a stream that nobody reads": {func(_ *pipeline.Pipeline, in pipeline.Stream[int]) {
			yes, _ := pipeline.Partition(in, "split", func(*int) bool { return true })
			pipeline.To(yes, "sink", &collector[int]{})
		}, `split: nobody reads its stream "no"`},
		"no streams": {func(_ *pipeline.Pipeline, in pipeline.Stream[int]) {
			pipeline.Split(in, "split", 0, func(*int) int { return 0 })
		}, "split: Split into 0 streams"},
		"fewer than no streams": {func(_ *pipeline.Pipeline, in pipeline.Stream[int]) {
			pipeline.Split(in, "split", -3, func(*int) int { return 0 })
		}, "split: Split into -3 streams"},
		"no function for Split": {func(_ *pipeline.Pipeline, in pipeline.Stream[int]) {
			pipeline.To(pipeline.Split(in, "split", 1, nil)[0], "sink", &collector[int]{})
		}, "split: the transform is nil"},
		"no function for Partition": {func(_ *pipeline.Pipeline, in pipeline.Stream[int]) {
			yes, no := pipeline.Partition(in, "split", nil)
			pipeline.To(pipeline.Merge(yes, no), "sink", &collector[int]{})
		}, "split: the transform is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pipeline.New("p", pipeline.Options{})
			c.build(p, pipeline.From(p, "numbers", numbers(1)))
			var invalid *pipeline.ValidationError
			if err := p.Validate(t.Context()); !errors.As(err, &invalid) || len(invalid.Problems) != 1 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant %q", err, c.want)
			}
		})
	}
}
