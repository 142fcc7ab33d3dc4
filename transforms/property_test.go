package transforms_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

// What a few lines over a map compute, the stages must compute too, whatever the
// records, the size of their batches and the number of lanes.

type item struct {
	Key   string
	Value int64
}

func items() *rapid.Generator[[]item] {
	one := rapid.Custom(func(t *rapid.T) item {
		return item{
			Key:   rapid.StringN(0, 2, -1).Draw(t, "key"),
			Value: rapid.Int64Range(-1000, 1000).Draw(t, "value"),
		}
	})
	few := rapid.Custom(func(t *rapid.T) item { // so that most keys come again
		return item{
			Key:   rapid.SampledFrom([]string{"", "a", "b", "ä", "a\x00"}).Draw(t, "key"),
			Value: rapid.Int64().Draw(t, "value") >> 16,
		}
	})
	return rapid.OneOf(rapid.SliceOfN(one, 0, 3000), rapid.SliceOfN(few, 0, 300))
}

func batchSize() *rapid.Generator[int] { return rapid.SampledFrom([]int{1, 2, 3, 7, 512, 1000}) }

func run[In, Out any](t *rapid.T, stage pipeline.Transform[In, Out], in []In, lanes int) []Out {
	r := pipelinetest.RunTransform(context.Background(), stage, in, pipelinetest.WithStage(pipeline.Parallel(lanes)),
		pipelinetest.WithOptions(pipeline.Options{BatchSize: batchSize().Draw(t, "batch size")}))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Records
}

// stat is more than a sum, so that a group that is folded twice or lost shows.
type stat struct {
	Key      string
	Count    int
	Sum      int64
	Min, Max int64
}

func (s *stat) fold(i *item) error {
	if s.Count == 0 {
		s.Min, s.Max = i.Value, i.Value
	}
	s.Count++
	s.Sum += i.Value
	s.Min, s.Max = min(s.Min, i.Value), max(s.Max, i.Value)
	return nil
}

func (s *stat) merge(o *stat) error {
	s.Count += o.Count
	s.Sum += o.Sum
	s.Min, s.Max = min(s.Min, o.Min), max(s.Max, o.Max)
	return nil
}

func TestGroupByDoesWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := items().Draw(t, "items"), rapid.IntRange(1, 4).Draw(t, "lanes")
		stage := transforms.GroupBy[item, string, stat]{
			Key:   func(i *item) string { return i.Key },
			New:   func(key string) stat { return stat{Key: key} },
			Fold:  (*stat).fold,
			Merge: (*stat).merge,
		}
		want := map[string]stat{}
		var order []string
		for _, i := range in {
			s, ok := want[i.Key]
			if !ok {
				s.Key = i.Key
				order = append(order, i.Key)
			}
			_ = s.fold(&i)
			want[i.Key] = s
		}
		got := run(t, stage, in, lanes)
		if lanes == 1 {
			var seen []string
			for _, s := range got {
				seen = append(seen, s.Key)
			}
			if !slices.Equal(seen, order) {
				t.Fatalf("the groups came as %q, first seen were %q", seen, order)
			}
		}
		byKey := map[string]stat{}
		for _, s := range got {
			byKey[s.Key] = s
		}
		if len(byKey) != len(got) || !maps.Equal(byKey, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestSumDoesWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := items().Draw(t, "items"), rapid.IntRange(1, 4).Draw(t, "lanes")
		want := map[string]int64{}
		for _, i := range in {
			want[i.Key] += i.Value
		}
		got := run(t, transforms.Sum[item, string, int64]{
			Key:   func(i *item) string { return i.Key },
			Value: func(i *item) int64 { return i.Value },
		}, in, lanes)
		sums := map[string]int64{}
		for _, total := range got {
			sums[total.Key] = total.Sum
		}
		if len(sums) != len(got) || !maps.Equal(sums, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestDistinctDoesWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := items().Draw(t, "items")
		seen := map[string]bool{}
		want := []item{}
		for _, i := range in {
			if !seen[i.Key] {
				seen[i.Key] = true
				want = append(want, i)
			}
		}
		if got := run(t, transforms.Distinct[item, string]{Key: func(i *item) string { return i.Key }}, in, 1); !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestLookupDoesWhatAMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := items().Draw(t, "items"), rapid.IntRange(1, 4).Draw(t, "lanes")
		reference := rapid.MapOfN(rapid.StringN(0, 2, -1), rapid.Int64(), 0, 600).Draw(t, "reference")
		var refs []item
		for key, value := range reference {
			refs = append(refs, item{key, value})
		}
		var want []item
		for _, i := range in {
			if value, ok := reference[i.Key]; ok {
				want = append(want, item{i.Key, i.Value ^ value})
			}
		}
		got := run(t, transforms.Lookup[item, item, string]{
			Reference:    slice(refs...),
			Key:          func(i *item) string { return i.Key },
			ReferenceKey: func(i *item) string { return i.Key },
			Enrich:       func(i, ref *item) error { i.Value ^= ref.Value; return nil },
			Misses:       transforms.DropMisses,
		}, in, lanes)
		if lanes > 1 {
			byAll := func(a, b item) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value)) }
			slices.SortFunc(got, byAll)
			slices.SortFunc(want, byAll)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestFlatMapDoesWhatALoopDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOf(rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(0, 1500))).Draw(t, "counts")
		var want []int
		for _, n := range counts {
			for k := range n {
				want = append(want, n<<16+k)
			}
		}
		own := rapid.Bool().Draw(t, "own slice")
		got := run(t, transforms.FlatMap(func(n *int, out []int) ([]int, error) {
			if len(out) != 0 {
				t.Errorf("out has %d records already", len(out))
			}
			if own && *n%2 == 0 {
				out = make([]int, 0, *n)
			}
			for k := range *n {
				out = append(out, *n<<16+k)
			}
			return out, nil
		}), counts, 1)
		if !slices.Equal(got, want) {
			t.Fatalf("counts %v: got %d records, want %d", counts, len(got), len(want))
		}
	})
}
