package transforms_test

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

// rejectSevens is an error that rejects, now and then.
func rejectSevens(n int) error {
	if n%7 == 0 {
		return transforms.Reject("n", "seven", "is divisible by seven")
	}
	return nil
}

func init() { // what cannot be said in one literal
	sliding.Every = 7 * time.Second
	bySession.Size, bySession.Gap = 0, 2*time.Second
	bySession.Key = func(n *int) int { return *n / 20 }
	plainSessions = bySession
	wholeOrder.Compare = func(a, b *int) int { return *b - *a }
}

var (
	doubleMap = transforms.Map(func(n *int, made *int64) error {
		*made = int64(*n) * 2
		return rejectSevens(*n)
	})
	twice = transforms.FlatMap(func(n *int, out []int) ([]int, error) {
		return append(out, *n, -*n), rejectSevens(*n)
	})
	own    = transforms.FlatMap(func(n *int, _ []int) ([]int, error) { return make([]int, *n%5), nil })
	even   = transforms.Filter(func(n *int) bool { return *n%2 == 0 })
	square = transforms.Update(func(n *int) error {
		*n *= *n
		return rejectSevens(*n)
	})
	look    = transforms.Tap(func(*int) {})
	groupBy = transforms.GroupBy[int, int, int]{
		Key:   func(n *int) int { return *n % 13 },
		Fold:  func(sum, n *int) error { *sum += *n; return nil },
		Merge: func(into, from *int) error { *into += *from; return nil },
	}
	sum = transforms.Sum[int, int, int64]{
		Key:   func(n *int) int { return *n % 13 },
		Value: func(n *int) int64 { return int64(*n) },
	}
	distinct = transforms.Distinct[int, int]{Key: func(n *int) int { return *n % 13 }}
	lookup   = transforms.Lookup[int, int, int]{
		Reference:    slice(upTo(20)...),
		Key:          func(n *int) int { return *n % 25 },
		ReferenceKey: func(n *int) int { return *n },
		Enrich:       func(n, ref *int) error { *n += 1000 * *ref; return rejectSevens(*n) },
	}
	sortByDigit = transforms.Sort[int]{Compare: func(a, b *int) int { return *a%10 - *b%10 }}
	validate    = transforms.Validate[int]{Rules: []transforms.Rule[int]{
		{Column: "n", Valid: func(n *int) bool { return *n%3 != 0 }},
		{Valid: func(n *int) bool { return *n%5 != 0 }, Value: func(n *int) any { return *n }, Reason: "is divisible by five"},
	}}
	doubleAsync = transforms.Async[int, int64]{Calls: 3, Call: func(_ context.Context, n *int, made *int64) error {
		*made = int64(*n) * 2
		return rejectSevens(*n)
	}}
	tumbling = transforms.Window[int, int, int]{
		Time: func(n *int) time.Time { return time.Unix(int64(*n), 0) },
		Key:  func(n *int) int { return *n % 3 },
		Size: 20 * time.Second,
		Fold: func(sum, n *int) error {
			err := rejectSevens(*n)
			if err == nil {
				*sum += *n
			}
			return err
		},
		Merge: func(into, from *int) error { *into += *from; return nil },
	}
	sliding, bySession = tumbling, tumbling
	wholeOrder         = topThree // one that tells all records apart, for lanes
	plainSessions      = tumbling
)

func TestTransformsKeepTheRules(t *testing.T) {
	in := upTo(300)
	check := func(name string, f func(t *testing.T)) { t.Run(name, f) }
	check("Map", func(t *testing.T) { pipelinetest.CheckTransform(t, doubleMap, in) })
	check("FlatMap", func(t *testing.T) { pipelinetest.CheckTransform(t, twice, in) })
	check("FlatMap with slices of its own", func(t *testing.T) { pipelinetest.CheckTransform(t, own, in) })
	check("Filter", func(t *testing.T) { pipelinetest.CheckTransform(t, even, in) })
	check("Update", func(t *testing.T) { pipelinetest.CheckTransform(t, square, in) })
	check("Tap", func(t *testing.T) { pipelinetest.CheckTransform(t, look, in) })
	check("Limit", func(t *testing.T) { pipelinetest.CheckTransform(t, transforms.Limit[int](77), in) })
	check("GroupBy", func(t *testing.T) { pipelinetest.CheckTransform(t, groupBy, in) })
	check("Sum", func(t *testing.T) { pipelinetest.CheckTransform(t, sum, in) })
	check("Distinct", func(t *testing.T) { pipelinetest.CheckTransform(t, distinct, in) })
	check("Lookup", func(t *testing.T) { pipelinetest.CheckTransform(t, lookup, in) })
	check("Sort", func(t *testing.T) { pipelinetest.CheckTransform(t, sortByDigit, in) })
	check("Validate", func(t *testing.T) { pipelinetest.CheckTransform(t, validate, in) })
	check("Chunk", func(t *testing.T) { pipelinetest.CheckTransform(t, transforms.Chunk[int](7), in) })
	check("TopN", func(t *testing.T) { pipelinetest.CheckTransform(t, topThree, in) })
	check("tumbling Window", func(t *testing.T) { pipelinetest.CheckTransform(t, tumbling, in) })
	check("sliding Window", func(t *testing.T) { pipelinetest.CheckTransform(t, sliding, in) })
	check("session Window", func(t *testing.T) { pipelinetest.CheckTransform(t, bySession, in) })
	check("Async", func(t *testing.T) { pipelinetest.CheckTransform(t, doubleAsync, in) })
	check("unordered Async", func(t *testing.T) {
		stage := doubleAsync
		stage.Unordered = true
		pipelinetest.CheckTransform(t, stage, in, pipelinetest.Unordered())
	})
}

func TestTransformsKeepTheRulesInLanes(t *testing.T) {
	in := upTo(300)
	lanes := []pipelinetest.Option{pipelinetest.WithStage(pipeline.Parallel(4)), pipelinetest.Unordered()}
	check := func(name string, f func(t *testing.T)) { t.Run(name, f) }
	check("Map", func(t *testing.T) { pipelinetest.CheckTransform(t, doubleMap, in, lanes...) })
	check("FlatMap", func(t *testing.T) { pipelinetest.CheckTransform(t, twice, in, lanes...) })
	check("Filter", func(t *testing.T) { pipelinetest.CheckTransform(t, even, in, lanes...) })
	check("Update", func(t *testing.T) { pipelinetest.CheckTransform(t, square, in, lanes...) })
	check("Tap", func(t *testing.T) { pipelinetest.CheckTransform(t, look, in, lanes...) })
	check("GroupBy", func(t *testing.T) { pipelinetest.CheckTransform(t, groupBy, in, lanes...) })
	check("Sum", func(t *testing.T) { pipelinetest.CheckTransform(t, sum, in, lanes...) })
	check("Lookup", func(t *testing.T) { pipelinetest.CheckTransform(t, lookup, in, lanes...) })
	check("Validate", func(t *testing.T) { pipelinetest.CheckTransform(t, validate, in, lanes...) })
	check("TopN", func(t *testing.T) { pipelinetest.CheckTransform(t, wholeOrder, in, lanes...) })
	check("tumbling Window", func(t *testing.T) { pipelinetest.CheckTransform(t, tumbling, in, lanes...) })
	check("sliding Window", func(t *testing.T) { pipelinetest.CheckTransform(t, sliding, in, lanes...) })
	check("session Window", func(t *testing.T) { pipelinetest.CheckTransform(t, plainSessions, in, lanes...) })
}

// With no memory to speak of everything goes through files.
func TestTransformsKeepTheRulesInFiles(t *testing.T) {
	in := upTo(300)
	groupBy, sum, distinct, lookup := groupBy, sum, distinct, lookup
	groupBy.MaxMemory, sum.MaxMemory, distinct.MaxMemory, lookup.MaxMemory = 1, 1, 1, 1
	check := func(name string, f func(t *testing.T, options ...pipelinetest.Option)) {
		t.Run(name, func(t *testing.T) { f(t) })
	}
	checkLanes := func(name string, f func(t *testing.T, options ...pipelinetest.Option)) {
		check(name, f)
		t.Run(name+" in lanes", func(t *testing.T) {
			f(t, pipelinetest.WithStage(pipeline.Parallel(4)), pipelinetest.Unordered())
		})
	}
	checkLanes("GroupBy", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, groupBy, in, options...)
	})
	checkLanes("Sum", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, sum, in, options...)
	})
	checkLanes("Lookup", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, lookup, in, options...)
	})
	topN, slide, sessions := wholeOrder, sliding, plainSessions
	topN.MaxMemory, slide.MaxMemory, sessions.MaxMemory = 1, 1, 1
	checkLanes("TopN", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, topN, in, options...)
	})
	checkLanes("sliding Window", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, slide, in, options...)
	})
	checkLanes("session Window", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, sessions, in, options...)
	})
	check("Distinct", func(t *testing.T, options ...pipelinetest.Option) {
		pipelinetest.CheckTransform(t, distinct, in, options...)
	})
	check("Sort", func(t *testing.T, options ...pipelinetest.Option) {
		sort := sortByDigit
		sort.MaxMemory = 1
		pipelinetest.CheckTransform(t, sort, in, options...)
	})
}

func TestAJoinKeepsTheRules(t *testing.T) {
	left, right := upTo(120), append(upTo(60), upTo(30)...)
	join := transforms.Join[int, int, int, [2]int]{
		LeftKey:  func(n *int) int { return *n % 50 },
		RightKey: func(n *int) int { return *n },
		Combine: func(l, r *int, made *[2]int) error {
			if l != nil {
				made[0] = *l
			}
			if r != nil {
				made[1] = *r
			}
			return rejectSevens(made[0] + made[1])
		},
	}
	full := join
	full.LeftMisses, full.RightMisses = transforms.KeepMisses, transforms.KeepMisses
	files := full
	files.MaxMemory = 1
	for name, stage := range map[string]transforms.Join[int, int, int, [2]int]{
		"one that rejects misses": join, "full": full, "full, in files": files,
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.CheckTransform2(t, stage, left, right) })
	}
}
