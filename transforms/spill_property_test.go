package transforms_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

// A stage that went to files writes what one with all memory writes, and rejects
// the same records, whatever the memory, the size of batches and the number of lanes.

func maxMemory() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Just[int64](1), rapid.Int64Range(1, 2000), rapid.Int64Range(2000, 100_000))
}

// outcome is what a stage wrote and rejected, the rejects sorted: those of spilled records come later.
type outcome[T any] struct {
	records []T
	rejects []string
}

func outcomeOf[In, Out any](t *rapid.T, stage pipeline.Transform[In, Out], in []In, lanes int) outcome[Out] {
	r := pipelinetest.RunTransform(context.Background(), stage, slices.Clone(in), pipelinetest.WithStage(pipeline.Parallel(lanes)),
		pipelinetest.WithOptions(pipeline.Options{BatchSize: batchSize().Draw(t, "batch size"), MaxRejects: -1}))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	got := outcome[Out]{records: r.Records}
	for _, reject := range r.Rejects {
		got.rejects = append(got.rejects, reject.String())
	}
	slices.Sort(got.rejects)
	return got
}

func checkSame[T comparable](t *rapid.T, got, want outcome[T], lanes int) {
	t.Helper()
	if lanes > 1 {
		byText := func(a, b T) int { return cmp.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) }
		slices.SortFunc(got.records, byText)
		slices.SortFunc(want.records, byText)
	}
	if !slices.Equal(got.records, want.records) {
		for i := range min(len(got.records), len(want.records)) {
			if got.records[i] != want.records[i] {
				t.Fatalf("%d records, want %d; number %d is %+v, want %+v", len(got.records), len(want.records), i, got.records[i], want.records[i])
			}
		}
		t.Fatalf("%d records, want %d", len(got.records), len(want.records))
	}
	if !slices.Equal(got.rejects, want.rejects) {
		t.Fatalf("rejects %q, want %q", got.rejects, want.rejects)
	}
}

// checkNothingLeft fails when a stage left something in its folder.
func checkNothingLeft(t interface {
	Helper()
	Fatalf(string, ...any)
}, folder string) {
	t.Helper()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Fatalf("in the folder are %v, error %v", left, err)
	}
}

func TestGroupByIsTheSameInFiles(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := items().Draw(t, "items"), rapid.IntRange(1, 4).Draw(t, "lanes")
		stage := transforms.GroupBy[item, string, stat]{
			Key: func(i *item) string { return i.Key },
			New: func(key string) stat { return stat{Key: key} },
			Fold: func(s *stat, i *item) error {
				if i.Value%5 == 0 {
					return transforms.Reject("value", fmt.Sprint(i.Key, i.Value), "is divisible by five")
				}
				return s.fold(i)
			},
			Merge:   (*stat).merge,
			TempDir: folder,
		}
		want := outcomeOf(t, stage, in, 1)
		stage.MaxMemory = maxMemory().Draw(t, "memory")
		checkSame(t, outcomeOf(t, stage, in, lanes), want, lanes)
		checkNothingLeft(t, folder)
	})
}

// Groups that collect what was folded into them grow, and show its order.
func TestGroupsThatGrowAreTheSameInFiles(t *testing.T) {
	type history struct {
		Key    string
		Values []int64
		Texts  map[string]string
	}
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) item {
			return item{fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "key")), rapid.Int64().Draw(t, "value")}
		}), 0, 6000).Draw(t, "items")
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		stage := transforms.GroupBy[item, string, *history]{
			Key: func(i *item) string { return i.Key },
			New: func(key string) *history { return &history{Key: key, Texts: map[string]string{}} },
			Fold: func(h **history, i *item) error {
				(*h).Values = append((*h).Values, i.Value)
				(*h).Texts[fmt.Sprint(i.Value%3)] = i.Key
				return nil
			},
			Merge: func(into, from **history) error {
				(*into).Values = append((*into).Values, (*from).Values...)
				for k, v := range (*from).Texts {
					(*into).Texts[k] = v
				}
				return nil
			},
			TempDir: folder,
		}
		texts := func(o outcome[*history]) (lines outcome[string]) {
			for _, h := range o.records {
				if lanes > 1 {
					slices.Sort(h.Values)
				}
				lines.records = append(lines.records, fmt.Sprint(*h))
			}
			return lines
		}
		want := texts(outcomeOf(t, stage, in, 1))
		stage.MaxMemory = rapid.Int64Range(1, 100_000).Draw(t, "memory")
		checkSame(t, texts(outcomeOf(t, stage, in, lanes)), want, lanes)
		checkNothingLeft(t, folder)
	})
}

func TestDistinctIsTheSameInFiles(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in := items().Draw(t, "items")
		stage := transforms.Distinct[item, string]{Key: func(i *item) string { return i.Key }, TempDir: folder}
		want := outcomeOf(t, stage, in, 1)
		stage.MaxMemory = maxMemory().Draw(t, "memory")
		checkSame(t, outcomeOf(t, stage, in, 1), want, 1)
		checkNothingLeft(t, folder)
	})
}

func TestSumIsTheSameInFiles(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) large {
			return large{A: rapid.Int64Range(0, 3000).Draw(t, "key"), B: rapid.Int64Range(-9, 9).Draw(t, "value")}
		}), 0, 3000).Draw(t, "records")
		lanes := rapid.IntRange(1, 4).Draw(t, "lanes")
		stage := transforms.Sum[large, int64, int64]{
			Key:     func(r *large) int64 { return r.A },
			Value:   func(r *large) int64 { return r.B },
			TempDir: folder,
		}
		want := outcomeOf(t, stage, in, 1)
		stage.MaxMemory = maxMemory().Draw(t, "memory")
		checkSame(t, outcomeOf(t, stage, in, lanes), want, lanes)
		checkNothingLeft(t, folder)
	})
}

func TestSortIsTheSameInFilesAndStable(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in := items().Draw(t, "items")
		for i := range in {
			in[i].Value = int64(i)
		}
		stage := transforms.Sort[item]{Compare: func(a, b *item) int { return cmp.Compare(a.Key, b.Key) }, TempDir: folder}
		want := slices.Clone(in)
		slices.SortStableFunc(want, func(a, b item) int { return cmp.Compare(a.Key, b.Key) })
		if len(want) == 0 {
			want = nil
		}
		for _, stage.MaxMemory = range []int64{0, maxMemory().Draw(t, "memory")} {
			checkSame(t, outcomeOf(t, stage, in, 1), outcome[item]{records: want}, 1)
			checkNothingLeft(t, folder)
		}
	})
}

func TestLookupIsTheSameInFiles(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := items().Draw(t, "items"), rapid.IntRange(1, 4).Draw(t, "lanes")
		var refs []item
		for key, value := range rapid.MapOfN(rapid.StringN(0, 2, -1), rapid.Int64(), 0, 1500).Draw(t, "reference") {
			refs = append(refs, item{key, value})
		}
		stage := transforms.Lookup[item, item, string]{
			Reference:    slice(refs...),
			Key:          func(i *item) string { return i.Key },
			ReferenceKey: func(i *item) string { return i.Key },
			Enrich: func(i, ref *item) error {
				if i.Value%5 == 0 {
					return transforms.Reject("value", fmt.Sprint(i.Key, i.Value), "is divisible by five")
				}
				i.Value ^= ref.Value
				return nil
			},
			Misses:  rapid.SampledFrom([]transforms.Misses{transforms.RejectMisses, transforms.KeepMisses, transforms.DropMisses}).Draw(t, "misses"),
			TempDir: folder,
		}
		want := outcomeOf(t, stage, in, 1)
		stage.MaxMemory = maxMemory().Draw(t, "memory")
		checkSame(t, outcomeOf(t, stage, in, lanes), want, lanes)
		checkNothingLeft(t, folder)
	})
}

func TestEachNaNIsAGroupOfItsOwnInFilesToo(t *testing.T) {
	stage := transforms.GroupBy[float64, float64, int]{
		Key:       func(f *float64) float64 { return *f },
		Fold:      func(n *int, _ *float64) error { *n++; return nil },
		MaxMemory: 1,
		TempDir:   t.TempDir(),
	}
	var in []float64
	for i := range 300 {
		in = append(in, float64(i%3), math.NaN())
	}
	if got := pipelinetest.Transform(t, stage, in); len(got) != 303 || got[0] != 100 || got[1] != 1 {
		t.Errorf("%d groups %v", len(got), got)
	}
}
