package transforms_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

type count struct {
	Key string
	N   int
}

// counts counts the records of each word.
var counts = transforms.GroupBy[string, string, count]{
	Key:   func(s *string) string { return *s },
	New:   func(key string) count { return count{Key: key} },
	Fold:  func(c *count, _ *string) error { c.N++; return nil },
	Merge: func(into, from *count) error { into.N += from.N; return nil },
}

func TestGroupsComeInTheOrderOfTheirFirstRecords(t *testing.T) {
	for _, groups := range []int{1, 511, 512, 513, 1024, 1025, 5000} {
		var in []string
		for i := range groups {
			in = append(in, fmt.Sprint(groups-i))
		}
		in = append(in, in...)
		got := pipelinetest.Transform(t, counts, in)
		if len(got) != groups {
			t.Fatalf("%d groups, want %d", len(got), groups)
		}
		for i, c := range got {
			if c.Key != in[i] || c.N != 2 {
				t.Fatalf("group %d of %d is %+v, want the key %s, twice", i+1, groups, c, in[i])
			}
		}
	}
}

func TestAGroupWhoseOnlyRecordsAreRejectedIsNotThere(t *testing.T) {
	stage := counts
	stage.Fold = func(c *count, s *string) error {
		if strings.HasPrefix(*s, "bad") && c.N == 0 {
			return transforms.Reject("", *s, "is bad")
		}
		c.N++
		return nil
	}
	// More than a chunk of the table, with bad ones at its edges.
	var in, want []string
	for i := range 1100 {
		if i%512 < 2 || i%512 > 509 || i > 1090 {
			in = append(in, fmt.Sprint("bad", i), fmt.Sprint("bad", i))
		}
		in = append(in, fmt.Sprint(i))
		want = append(want, fmt.Sprint(i))
	}
	for _, lanes := range []int{1, 3} {
		r := pipelinetest.RunTransform(t.Context(), stage, in, pipelinetest.WithStage(pipeline.Parallel(lanes)))
		if r.Err != nil || len(r.Rejects) != len(in)-len(want) {
			t.Errorf("error %v, %d rejects", r.Err, len(r.Rejects))
		}
		var got []string
		for _, c := range r.Records {
			got = append(got, c.Key)
		}
		if lanes > 1 {
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d lanes: groups %q", lanes, got)
		}
	}
}

func TestGroupByWithoutMergeRefusesLanes(t *testing.T) {
	stage := counts
	stage.Merge = nil
	if got := pipelinetest.Transform(t, stage, []string{"a", "a"}, pipelinetest.WithStage(pipeline.Parallel(1))); len(got) != 1 {
		t.Errorf("in one lane: %v", got)
	}
	r := pipelinetest.RunTransform(t.Context(), stage, []string{"a"}, pipelinetest.WithStage(pipeline.Parallel(4)))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "Merge is nil") || !pipeline.IsPermanent(r.Err) {
		t.Errorf("in four: %v", r.Err)
	}
	if r.Stage().RecordsIn != 0 {
		t.Errorf("it read %d records first", r.Stage().RecordsIn)
	}
}

func TestAnErrorOfMergeFailsTheRun(t *testing.T) {
	for name, err := range map[string]error{"as an error": errBad, "as a reject too": transforms.Reject("", "", "is bad")} {
		t.Run(name, func(t *testing.T) {
			stage := counts
			stage.Merge = func(_, _ *count) error { return err }
			// Both lanes must have the key for a merge to happen.
			var both sync.WaitGroup
			both.Add(2)
			stage.Fold = func(c *count, _ *string) error {
				if c.N++; c.N == 1 {
					both.Done()
					both.Wait()
				}
				return nil
			}
			r := pipelinetest.RunTransform(t.Context(), stage, []string{"a", "a"},
				pipelinetest.WithStage(pipeline.Parallel(2)), pipelinetest.WithOptions(pipeline.Options{BatchSize: 1, MaxRejects: -1}))
			if !errors.Is(r.Err, err) {
				t.Errorf("error %v", r.Err)
			}
		})
	}
}

func TestAFailedLaneEndsTheOthers(t *testing.T) {
	for name, fail := range map[string]func() error{
		"by an error":             func() error { return errBad },
		"by a panic":              func() error { panic(errBad) },
		"by a reject over budget": func() error { return transforms.Reject("", "", "is bad") },
	} {
		t.Run(name, func(t *testing.T) {
			stage := counts
			stage.Fold = func(*count, *string) error { return fail() }
			// One lane gets the record, the other waits for one that never comes.
			source := pipeline.SourceFunc[string](func(ctx context.Context, out *pipeline.Writer[string]) error {
				if err := out.WriteBatch([]string{"a"}); err != nil {
					return err
				}
				<-ctx.Done()
				return context.Cause(ctx)
			})
			p := pipeline.New("lanes", pipeline.Options{})
			grouped := pipeline.Via(pipeline.From(p, "source", source), "group", stage, pipeline.Parallel(2))
			pipeline.To(grouped, "sink", swallow[count]())
			_, err := p.Run(t.Context())
			var failed *pipeline.StageError
			if !errors.As(err, &failed) || failed.Stage != "group" {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestLanesFoldEveryRecordOnce(t *testing.T) {
	in := make([]string, 0, 20_000)
	for i := range cap(in) {
		in = append(in, fmt.Sprint(i%1500))
	}
	total := 0
	got := pipelinetest.Transform(t, counts, in, pipelinetest.WithStage(pipeline.Parallel(4)))
	for _, c := range got {
		total += c.N
	}
	if len(got) != 1500 || total != len(in) {
		t.Errorf("%d groups of %d records, want 1500 of %d", len(got), total, len(in))
	}
}

func TestEachNaNIsAGroupOfItsOwn(t *testing.T) {
	stage := transforms.GroupBy[float64, float64, float64]{
		Key: func(f *float64) float64 { return *f },
		Fold: func(sum, f *float64) error {
			if *f == 2 {
				return transforms.Reject("", "", "is two")
			}
			*sum += *f
			return nil
		},
		Merge: func(into, from *float64) error { *into += *from; return nil },
	}
	in := []float64{math.NaN(), 1, 2, math.NaN(), 1, 2}
	for _, lanes := range []int{1, 2} {
		got := pipelinetest.RunTransform(t.Context(), stage, in, pipelinetest.WithStage(pipeline.Parallel(lanes)))
		if got.Err != nil || len(got.Records) != 3 || len(got.Rejects) != 2 {
			t.Errorf("%d lanes: %v, error %v", lanes, got.Records, got.Err)
		}
	}
}

func TestSumNeverWraps(t *testing.T) {
	sumOf := func(t *testing.T, in ...int8) (int8, error) {
		t.Helper()
		r := pipelinetest.RunTransform(t.Context(), transforms.Sum[int8, string, int8]{
			Key:   func(*int8) string { return "k" },
			Value: func(n *int8) int8 { return *n },
		}, in)
		if r.Err != nil {
			return 0, r.Err
		}
		return r.Records[0].Sum, nil
	}
	for _, c := range []struct {
		name string
		in   []int8
		want int8
		fits bool
	}{
		{"up to the top", []int8{100, 27}, 127, true},
		{"down to the bottom", []int8{-100, -28}, -128, true},
		{"there and back", []int8{127, -128, 1}, 0, true},
		{"over the top", []int8{100, 28}, 0, false},
		{"under the bottom", []int8{-100, -29}, 0, false},
		{"as far as can be", []int8{-128, -128}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := sumOf(t, c.in...)
			if (err == nil) != c.fits || got != c.want {
				t.Errorf("sum %d, error %v", got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), "key k: ") || !strings.Contains(err.Error(), "int8") || !pipeline.IsPermanent(err)) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("without a sign", func(t *testing.T) {
		r := pipelinetest.RunTransform(t.Context(), transforms.Sum[uint8, uint8, uint8]{
			Key:   func(*uint8) uint8 { return 0 },
			Value: func(n *uint8) uint8 { return *n },
		}, []uint8{200, 56})
		if r.Err == nil {
			t.Errorf("200 and 56 make %v", r.Records)
		}
	})
	t.Run("floats have no end", func(t *testing.T) {
		got := pipelinetest.Transform(t, transforms.Sum[float64, int, float64]{
			Key:   func(*float64) int { return 0 },
			Value: func(n *float64) float64 { return *n },
		}, []float64{math.MaxFloat64, math.MaxFloat64, math.Inf(-1)})
		if !math.IsNaN(got[0].Sum) {
			t.Errorf("infinity less infinity is %v", got[0].Sum)
		}
	})
}
