package transforms_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

var topThree = transforms.TopN[int, int]{N: 3, Compare: func(a, b *int) int { return *b%10 - *a%10 }, Key: func(n *int) int { return *n % 13 }}

func byValue(a, b *item) int { return cmp.Compare(a.Value/100, b.Value/100) }

// wantTop is what sorting everything gives.
func wantTop(in []item, n int, key func(*item) string) (want []item) {
	var order []string
	groups := map[string][]item{}
	for i := range in {
		k := key(&in[i])
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], in[i])
	}
	for _, k := range order {
		group := groups[k]
		slices.SortStableFunc(group, func(a, b item) int { return byValue(&a, &b) })
		want = append(want, group[:min(n, len(group))]...)
	}
	return want
}

func TestTopNIsWhatSortingGives(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in := items().Draw(t, "items")
		stage := transforms.TopN[item, string]{N: rapid.IntRange(1, 40).Draw(t, "n"), Compare: byValue, TempDir: folder}
		key := func(*item) string { return "" }
		if rapid.Bool().Draw(t, "by key") {
			key = func(i *item) string { return i.Key }
			stage.Key = key
		}
		want := outcome[item]{records: wantTop(in, stage.N, key)}
		for _, stage.MaxMemory = range []int64{0, maxMemory().Draw(t, "memory")} {
			// One group for all of them can be too large for the smallest memories.
			if stage.Key == nil {
				stage.MaxMemory = 0
			}
			checkSame(t, outcomeOf(t, stage, in, 1), want, 1)
			checkNothingLeft(t, folder)
		}
	})
}

// Of equal records any may be kept in lanes; that the order does not tell apart is what must be the same.
func TestTopNInLanesKeepsTheSameRanks(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := items().Draw(t, "items"), rapid.IntRange(2, 4).Draw(t, "lanes")
		stage := transforms.TopN[item, string]{
			N: rapid.IntRange(1, 40).Draw(t, "n"), Compare: byValue, Key: func(i *item) string { return i.Key }, TempDir: folder,
		}
		ranks := func(records []item) (ranks []item) {
			for _, r := range records {
				ranks = append(ranks, item{r.Key, r.Value / 100})
			}
			slices.SortFunc(ranks, func(a, b item) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value)) })
			return ranks
		}
		want := ranks(wantTop(in, stage.N, stage.Key))
		stage.MaxMemory = maxMemory().Draw(t, "memory")
		got := outcomeOf(t, stage, in, lanes)
		if !slices.Equal(ranks(got.records), want) {
			t.Fatalf("%v, want %v", got.records, want)
		}
		last := map[string]int64{}
		for i, r := range got.records {
			if i > 0 && got.records[i-1].Key == r.Key && last[r.Key] > r.Value/100 {
				t.Fatalf("the records of key %q are not in order: %v", r.Key, got.records)
			}
			last[r.Key] = r.Value / 100
		}
		checkNothingLeft(t, folder)
	})
}

// What is kept until the end must not keep the text of its whole batch.
func TestTopNKeepsNoTextBesidesItsOwn(t *testing.T) {
	text := strings.Repeat("x", 1000) + "key"
	in := []item{{Key: text[1000:], Value: 1}}
	stage := transforms.TopN[item, struct{}]{N: 1, Compare: byValue}
	got := pipelinetest.Transform(t, stage, in)
	if got[0].Key != "key" || unsafe.StringData(got[0].Key) == unsafe.StringData(in[0].Key) {
		t.Errorf("%q is part of a text of %d bytes", got[0].Key, len(text))
	}
}

func TestTopNHoldsNoMoreThanN(t *testing.T) {
	stage := transforms.TopN[int, struct{}]{N: 10, Compare: func(a, b *int) int { return *a - *b }, MaxMemory: 1000, TempDir: t.TempDir() + "/missing"}
	got := pipelinetest.Transform(t, stage, upTo(300_000)) // files would be an error
	if !slices.Equal(got, upTo(10)) {
		t.Error(got)
	}
	stage.N, stage.TempDir = 100_000, t.TempDir()
	r := pipelinetest.RunTransform(t.Context(), stage, upTo(300_000))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "transforms.TopN: the group of key {} alone holds about") || !pipeline.IsPermanent(r.Err) {
		t.Errorf("error %v", r.Err)
	}
	checkNothingLeft(t, stage.TempDir)
}

func TestTopNWithoutNOrCompareIsInvalid(t *testing.T) {
	run := func(stage transforms.TopN[int, int]) error {
		return pipelinetest.RunTransform(t.Context(), stage, upTo(3)).Err
	}
	compare := func(a, b *int) int { return *a - *b }
	checkInvalid(t, run(transforms.TopN[int, int]{N: 1}), "transforms.TopN: Compare is nil")
	checkInvalid(t, run(transforms.TopN[int, int]{Compare: compare}), "transforms.TopN: N is 0: say how many records to keep, from 1")
	checkInvalid(t, run(transforms.TopN[int, int]{Compare: compare, N: -2}), "transforms.TopN: N is -2")
	checkInvalid(t, run(transforms.TopN[int, int]{Compare: compare, N: 1, MaxMemory: -1}), "transforms.TopN: MaxMemory is -1")
	err := pipelinetest.RunTransform(t.Context(), transforms.TopN[closed, int]{N: 1, MaxMemory: 1, Compare: func(a, b *closed) int { return 0 }}, nil).Err
	if err == nil || strings.Count(err.Error(), "cannot be spilled") != 1 {
		t.Errorf("error %v", err)
	}
}

func TestChunksHoldEveryRecordOnceInOrder(t *testing.T) {
	for _, n := range []int{1, 2, 7, 512, 513, 1<<62 + 1} {
		for _, records := range []int{0, 1, 6, 7, 14, 512, 1025, 3000} {
			chunks := pipelinetest.Transform(t, transforms.Chunk[int](n), upTo(records))
			var all []int
			for i, chunk := range chunks {
				if len(chunk) != n && (i < len(chunks)-1 || len(chunk) == 0 || len(chunk) > n) {
					t.Errorf("chunk %d of %d has %d records, want %d", i+1, len(chunks), len(chunk), n)
				}
				all = append(all, chunk...)
			}
			if !slices.Equal(all, upTo(records)) {
				t.Errorf("chunks of %d: %d records came, of %d", n, len(all), records)
			}
		}
	}
}

func TestAChunkOfNothingIsInvalid(t *testing.T) {
	for _, n := range []int{0, -1} {
		err := pipelinetest.RunTransform(t.Context(), transforms.Chunk[int](n), upTo(3)).Err
		checkInvalid(t, err, "say how many records make a chunk, from 1")
		var all *pipeline.ValidationError
		if !errors.As(err, &all) {
			t.Errorf("%v came after data had moved", err)
		}
	}
}
