package transforms_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

var errBad = errors.New("bad record")

// ofFunction is each stage that takes a function which can fail, made of one that does f.
func ofFunction(f func(n int) error) map[string]pipeline.Transform[int, int] {
	return map[string]pipeline.Transform[int, int]{
		"Map": transforms.Map(func(n, made *int) error { *made = *n; return f(*n) }),
		"FlatMap": transforms.FlatMap(func(n *int, out []int) ([]int, error) {
			return append(out, *n), f(*n)
		}),
		"Update": transforms.Update(func(n *int) error { return f(*n) }),
		"GroupBy": transforms.GroupBy[int, int, int]{
			Key:  func(n *int) int { return *n },
			Fold: func(group, n *int) error { *group = *n; return f(*n) },
		},
		"Lookup": transforms.Lookup[int, int, int]{
			Reference:    slice(upTo(2000)...),
			Key:          func(n *int) int { return *n },
			ReferenceKey: func(n *int) int { return *n },
			Enrich:       func(n, _ *int) error { return f(*n) },
		},
	}
}

func TestAnErrorOfAFunctionFailsTheRunAndNamesTheStage(t *testing.T) {
	for name, stage := range ofFunction(func(n int) error {
		if n == 700 {
			return errBad
		}
		return nil
	}) {
		t.Run(name, func(t *testing.T) {
			r := pipelinetest.RunTransform(t.Context(), stage, upTo(1500))
			var failed *pipeline.StageError
			if !errors.Is(r.Err, errBad) || !errors.As(r.Err, &failed) || failed.Stage != "stage" {
				t.Errorf("error %v", r.Err)
			}
			if pipeline.IsPermanent(r.Err) {
				t.Errorf("%v is permanent, although the function did not say so", r.Err)
			}
		})
	}
}

func TestARejectOfAFunctionSetsTheRecordAside(t *testing.T) {
	bad := func(n int) bool { return n%600 == 0 || n == 1 || n > 1490 }
	var want []int
	for _, n := range upTo(1500) {
		if !bad(n) {
			want = append(want, n)
		}
	}
	for name, stage := range ofFunction(func(n int) error {
		if bad(n) {
			return fmt.Errorf("wrapped: %w", transforms.Reject("n", fmt.Sprint(n), "is bad"))
		}
		return nil
	}) {
		t.Run(name, func(t *testing.T) {
			r := pipelinetest.RunTransform(t.Context(), stage, upTo(1500))
			if r.Err != nil || !slices.Equal(r.Records, want) {
				t.Errorf("error %v, %d records", r.Err, len(r.Records))
			}
			if len(r.Rejects) != 13 {
				t.Fatalf("%d rejects", len(r.Rejects))
			}
			if got := r.Rejects[0]; got.Stage != "stage" || got.Column != "n" || got.Value != "1" || got.Reason != "is bad" {
				t.Errorf("reject %+v", got)
			}
		})
		t.Run(name+" without a budget", func(t *testing.T) {
			r := pipelinetest.RunTransform(t.Context(), stage, upTo(1500), pipelinetest.WithOptions(pipeline.Options{}))
			if want := `pipelinetest: stage: column "n": "1" is bad`; r.Err == nil || r.Err.Error() != want {
				t.Errorf("error %q, want %q", r.Err, want)
			}
		})
	}
}

func TestARejectedMapLeavesNothingForTheNext(t *testing.T) {
	type pair struct{ A, B int }
	stage := transforms.Map(func(n *int, made *pair) error {
		if *made != (pair{}) {
			return fmt.Errorf("record %d starts as %+v", *n, *made)
		}
		made.A = *n
		if *n%2 == 0 {
			made.B = *n
			return transforms.Reject("", "", "is even")
		}
		return nil
	})
	// Small batches, so that they are used again soon.
	small := pipelinetest.WithOptions(pipeline.Options{BatchSize: 3, MaxRejects: -1})
	r := pipelinetest.RunTransform(t.Context(), stage, upTo(3000), small)
	if r.Err != nil {
		t.Error(r.Err)
	}
	for _, p := range r.Records {
		if p.B != 0 {
			t.Fatalf("record %+v has what was made of another", p)
		}
	}
}

func TestARejectedFlatMapWritesNothing(t *testing.T) {
	stage := transforms.FlatMap(func(n *int, out []int) ([]int, error) {
		out = append(out, *n)
		if *n == 2 {
			return out, transforms.Reject("", "", "is two")
		}
		return append(out, *n), nil
	})
	if got := pipelinetest.RunTransform(t.Context(), stage, upTo(3)).Records; !slices.Equal(got, []int{1, 1, 3, 3}) {
		t.Errorf("got %v", got)
	}
}

func TestReject(t *testing.T) {
	if got, want := transforms.Reject("price", "-1", "is negative").Error(), `column "price": "-1" is negative`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, c := range []struct{ name, value, want string }{
		{"text stays", "grün", "grün"},
		{"NUL goes", "a\x00b", "a�b"},
		{"what is not UTF-8 goes", "a\xffb", "a�b"},
		{"1,000 bytes stay", strings.Repeat("x", 1000), strings.Repeat("x", 1000)},
		{"more is cut", strings.Repeat("x", 1001), strings.Repeat("x", 1000) + "…"},
		{"no character is cut in two", strings.Repeat("x", 998) + "€€", strings.Repeat("x", 998) + "…"},
		{"noise is cut too", strings.Repeat("\x80", 1300), "�…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := pipelinetest.RunTransform(t.Context(), transforms.Update(func(s *string) error {
				return transforms.Reject("", *s, "is rejected")
			}), []string{c.value})
			if len(r.Rejects) != 1 || r.Rejects[0].Value != c.want || !utf8.ValidString(r.Rejects[0].Value) {
				t.Errorf("got %+v, want the value %q", r.Rejects, c.want)
			}
		})
	}
}

func TestMissingFunctionsAreFoundBeforeTheStart(t *testing.T) {
	key := func(n *int) int { return *n }
	for _, c := range []struct {
		name  string
		stage pipeline.Transform[int, int]
		want  string
	}{
		{"Map", transforms.Map[int, int](nil), "transforms.Map: the function is nil"},
		{"FlatMap", transforms.FlatMap[int, int](nil), "transforms.FlatMap: the function is nil"},
		{"Filter", transforms.Filter[int](nil), "transforms.Filter: the function is nil"},
		{"Update", transforms.Update[int](nil), "transforms.Update: the function is nil"},
		{"Tap", transforms.Tap[int](nil), "transforms.Tap: the function is nil"},
		{"Distinct", transforms.Distinct[int, int]{}, "transforms.Distinct: Key is nil"},
		{"GroupBy", transforms.GroupBy[int, int, int]{}, "transforms.GroupBy: Key and Fold are nil"},
		{"GroupBy without Fold", transforms.GroupBy[int, int, int]{Key: key}, "transforms.GroupBy: Fold is nil"},
		{"Lookup", transforms.Lookup[int, int, int]{}, "transforms.Lookup: Reference and Key and ReferenceKey and Enrich are nil"},
		{"Validate", transforms.Validate[int]{Rules: []transforms.Rule[int]{{Column: "a", Valid: func(*int) bool { return true }}, {Column: "b"}}},
			`transforms.Validate: rule 2 (column "b"): Valid is nil`},
		{"Limit", transforms.Limit[int](-1), "transforms.Limit: -1 is negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkInvalid(t, pipelinetest.RunTransform(t.Context(), c.stage, upTo(3)).Err, c.want)
		})
	}
	t.Run("Sum", func(t *testing.T) {
		checkInvalid(t, pipelinetest.RunTransform(t.Context(), transforms.Sum[int, int, int]{Key: key}, upTo(3)).Err, "transforms.Sum: Value is nil")
	})
}

func checkInvalid(t *testing.T, err error, want string) {
	t.Helper()
	var invalid *pipeline.ValidationError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) || !pipeline.IsPermanent(err) {
		t.Errorf("error %v, want %q, before the start and for good", err, want)
	}
}

func TestWhatCountsTheWholeStreamRefusesLanes(t *testing.T) {
	for name, stage := range map[string]pipeline.Transform[int, int]{
		"Limit":    transforms.Limit[int](1),
		"Distinct": transforms.Distinct[int, int]{Key: func(n *int) int { return *n }},
	} {
		t.Run(name, func(t *testing.T) {
			r := pipelinetest.RunTransform(t.Context(), stage, upTo(3), pipelinetest.WithStage(pipeline.Parallel(2)))
			checkInvalid(t, r.Err, "cannot run in 2 lanes")
		})
	}
}

func TestLimit(t *testing.T) {
	for _, c := range []struct {
		name        string
		limit, want int
	}{
		{"none pass", 0, 0},
		{"some of a batch pass", 5, 5},
		{"whole batches pass", 512, 512},
		{"some of the second batch pass", 700, 700},
		{"all pass", 1500, 1500},
		{"there are not as many", 99_999, 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
				for _, n := range upTo(1500) {
					if err := out.Write(n); err != nil {
						return err
					}
				}
				return nil
			})
			p := pipeline.New("limited", pipeline.Options{})
			var got []int
			pipeline.To(pipeline.Via(pipeline.From(p, "source", source), "limit", transforms.Limit[int](c.limit)), "sink",
				pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
					for n, err := range in.All() {
						if err != nil {
							return err
						}
						got = append(got, n)
					}
					return nil
				}))
			if _, err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, upTo(1500)[:c.want]) {
				t.Errorf("%d records passed, want the first %d", len(got), c.want)
			}
		})
	}
}

func TestTapSeesAllAndChangesNothing(t *testing.T) {
	var seen []int
	got := pipelinetest.Transform(t, transforms.Tap(func(n *int) { seen = append(seen, *n) }), upTo(1500))
	if !slices.Equal(seen, upTo(1500)) || !slices.Equal(got, seen) {
		t.Errorf("saw %d, passed on %d", len(seen), len(got))
	}
}

func TestValidate(t *testing.T) {
	asked := 0
	stage := transforms.Validate[int]{Rules: []transforms.Rule[int]{
		{Column: "n", Valid: func(n *int) bool { return *n != 2 }, Value: func(n *int) any { return strings.Repeat("\x00", *n) }, Reason: "is two"},
		{Valid: func(n *int) bool { asked++; return *n < 3 }},
	}}
	r := pipelinetest.RunTransform(t.Context(), stage, upTo(4))
	if r.Err != nil || !slices.Equal(r.Records, []int{1}) {
		t.Errorf("records %v, error %v", r.Records, r.Err)
	}
	want := []pipeline.Reject{
		{Stage: "stage", Column: "n", Value: "��", Reason: "is two"},
		{Stage: "stage", Reason: "is not valid"},
		{Stage: "stage", Reason: "is not valid"},
	}
	if fmt.Sprint(r.Rejects) != fmt.Sprint(want) || asked != 3 {
		t.Errorf("rejects %+v, want %+v; the second rule was asked %d times, want 3: one reject a record", r.Rejects, want, asked)
	}
	if got := pipelinetest.Transform(t, transforms.Validate[int]{}, upTo(3)); len(got) != 3 {
		t.Errorf("without rules %d of 3 records are valid", len(got))
	}
}
