package transforms_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

// closed is a record that no file can hold.
type closed struct{ n int }

// tight are stages of numbers that hold next to nothing in memory.
type tight struct {
	name string
	run  func(ctx context.Context, folder string, in pipeline.Source[int]) error
}

func through[Out any](stage func(folder string) pipeline.Transform[int, Out]) func(context.Context, string, pipeline.Source[int]) error {
	return func(ctx context.Context, folder string, in pipeline.Source[int]) error {
		p := pipeline.New("tight", pipeline.Options{})
		pipeline.To(pipeline.Via(pipeline.From(p, "source", in), "stage", stage(folder)), "sink", swallow[Out]())
		_, err := p.Run(ctx)
		return err
	}
}

func tightStages() []tight {
	return []tight{
		{"GroupBy", through(func(folder string) pipeline.Transform[int, count] {
			return transforms.GroupBy[int, int, count]{Key: value, Fold: func(c *count, _ *int) error { c.N++; return nil }, MaxMemory: 1, TempDir: folder}
		})},
		{"Sum", through(func(folder string) pipeline.Transform[int, transforms.Total[int, int]] {
			return transforms.Sum[int, int, int]{Key: value, Value: value, MaxMemory: 1, TempDir: folder}
		})},
		{"Distinct", through(func(folder string) pipeline.Transform[int, int] {
			return transforms.Distinct[int, int]{Key: value, MaxMemory: 1, TempDir: folder}
		})},
		{"Sort", through(func(folder string) pipeline.Transform[int, int] {
			return transforms.Sort[int]{Compare: func(a, b *int) int { return *b - *a }, MaxMemory: 1, TempDir: folder}
		})},
		{"Lookup", through(func(folder string) pipeline.Transform[int, int] {
			stage := addHundred(slice(upTo(5000)...))
			stage.MaxMemory, stage.TempDir = 1, folder
			return stage
		})},
	}
}

func value(n *int) int { return *n }

func TestAFolderThatIsNotThereIsAnErrorThatNamesIt(t *testing.T) {
	for _, stage := range tightStages() {
		folder := t.TempDir() + "/missing"
		err := stage.run(t.Context(), folder, slice(upTo(5000)...))
		if want := "stage: spill folder " + folder + ": no such file"; err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: error %v, want %q", stage.name, err, want)
		}
	}
}

func TestAFailedOrCancelledRunLeavesNoFiles(t *testing.T) {
	for _, stage := range tightStages() {
		folder := t.TempDir()
		source := func(end func(context.Context) error) pipeline.Source[int] {
			return pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
				for n := range 5000 {
					if err := out.Write(n + 1); err != nil {
						return err
					}
				}
				return end(ctx)
			})
		}
		if err := stage.run(t.Context(), folder, source(func(context.Context) error { return errBad })); !errors.Is(err, errBad) {
			t.Errorf("%s: error %v", stage.name, err)
		}
		checkNothingLeft(t, folder)
		ctx, cancel := context.WithCancelCause(t.Context())
		err := stage.run(ctx, folder, source(func(ctx context.Context) error { cancel(errBad); <-ctx.Done(); return ctx.Err() }))
		if !errors.Is(err, errBad) {
			t.Errorf("%s, cancelled: error %v", stage.name, err)
		}
		checkNothingLeft(t, folder)
	}
}

func TestAPanicWhileFilesAreReadLeavesNone(t *testing.T) {
	folder := t.TempDir()
	seen := 0
	stage := transforms.Distinct[int, int]{MaxMemory: 1, TempDir: folder, Key: func(n *int) int {
		if seen++; seen > 6000 {
			panic(errBad)
		}
		return *n
	}}
	r := pipelinetest.RunTransform(t.Context(), stage, upTo(5000))
	if r.Err == nil || seen <= 5000 {
		t.Errorf("error %v after %d calls", r.Err, seen)
	}
	checkNothingLeft(t, folder)
}

// A run that is cancelled while a stage works in its files ends soon.
func TestAStageInItsFilesCanBeStopped(t *testing.T) {
	const records = 20_000
	type keyed = func(key func(*int) int, folder string) pipeline.Transform[int, int]
	for name, stage := range map[string]keyed{
		"GroupBy": func(key func(*int) int, folder string) pipeline.Transform[int, int] {
			return transforms.GroupBy[int, int, int]{Key: key, Fold: func(_, _ *int) error { return nil }, MaxMemory: 10_000, TempDir: folder}
		},
		"Distinct": func(key func(*int) int, folder string) pipeline.Transform[int, int] {
			return transforms.Distinct[int, int]{Key: key, MaxMemory: 10_000, TempDir: folder}
		},
		"Lookup": func(key func(*int) int, folder string) pipeline.Transform[int, int] {
			lookup := addHundred(slice(upTo(records)...))
			lookup.Key, lookup.MaxMemory, lookup.TempDir = key, 10_000, folder
			return lookup
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			calls := 0
			key := func(n *int) int { // asked once for each record, then again for those that come from files
				if calls++; calls == records+1 {
					cancel(errBad)
				}
				return *n
			}
			p := pipeline.New("stopped", pipeline.Options{})
			pipeline.To(pipeline.Via(pipeline.From(p, "source", slice(upTo(records)...)), "stage", stage(key, folder)), "sink", swallow[int]())
			_, err := p.Run(ctx)
			if !errors.Is(err, errBad) || calls <= records || calls > records+1024 {
				t.Errorf("error %v after %d calls", err, calls)
			}
			checkNothingLeft(t, folder)
		})
	}
}

func TestATypeThatNoFileCanHoldIsAnErrorWhenMemoryIsShort(t *testing.T) {
	var in []closed
	for n := range 2000 {
		in = append(in, closed{n})
	}
	const what = "transforms_test.closed cannot be spilled to a file: field n of transforms_test.closed is not exported"
	check := func(name string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "transforms."+name+": what exceeds MaxMemory (") || !strings.Contains(err.Error(), what) || !pipeline.IsPermanent(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	key := func(c *closed) int { return c.n }
	groups := transforms.GroupBy[closed, int, count]{Key: key, Fold: func(*count, *closed) error { return nil }, MaxMemory: 1}
	distinct := transforms.Distinct[closed, int]{Key: key, MaxMemory: 1}
	sort := transforms.Sort[closed]{Compare: func(a, b *closed) int { return b.n - a.n }, MaxMemory: 1}
	lookup := transforms.Lookup[closed, closed, int]{Reference: slice(in...), Key: key, ReferenceKey: key, Enrich: func(_, _ *closed) error { return nil }, MaxMemory: 1}

	// With MaxMemory set, at the start.
	check("GroupBy", pipelinetest.RunTransform(t.Context(), groups, in).Err)
	check("Distinct", pipelinetest.RunTransform(t.Context(), distinct, in).Err)
	check("Sort", pipelinetest.RunTransform(t.Context(), sort, in).Err)
	check("Lookup", pipelinetest.RunTransform(t.Context(), lookup, in).Err)
	// Without, when it comes to that; here by going round Validate.
	check("GroupBy", pipelinetest.RunTransform(t.Context(), pipeline.TransformFunc[closed, count](groups.Transform), in).Err)
	check("Distinct", pipelinetest.RunTransform(t.Context(), pipeline.TransformFunc[closed, closed](distinct.Transform), in).Err)
	check("Sort", pipelinetest.RunTransform(t.Context(), pipeline.TransformFunc[closed, closed](sort.Transform), in).Err)
	check("Lookup", pipelinetest.RunTransform(t.Context(), pipeline.TransformFunc[closed, closed](lookup.Transform), in).Err)

	// And never while there is memory.
	groups.MaxMemory, distinct.MaxMemory, sort.MaxMemory, lookup.MaxMemory = 0, 0, 0, 0
	pipelinetest.Transform(t, groups, in)
	pipelinetest.Transform(t, distinct, in)
	pipelinetest.Transform(t, lookup, in)
	if got := pipelinetest.Transform(t, sort, in); got[0].n != 1999 {
		t.Errorf("the first is %v", got[0])
	}

	byPointer := transforms.Distinct[int, *int]{Key: func(n *int) *int { return n }, MaxMemory: 1}
	if err := pipelinetest.RunTransform(t.Context(), byPointer, upTo(5)).Err; err == nil || !strings.Contains(err.Error(), "*int is equal to itself only") {
		t.Errorf("keys that are pointers: %v", err)
	}
}

func TestANegativeMaxMemoryIsAnError(t *testing.T) {
	want := "MaxMemory is -1: say how many bytes it may hold"
	checkInvalid(t, pipelinetest.RunTransform(t.Context(), transforms.GroupBy[int, int, int]{Key: value, Fold: func(_, _ *int) error { return nil }, MaxMemory: -1}, upTo(3)).Err, "transforms.GroupBy: "+want)
	checkInvalid(t, pipelinetest.RunTransform(t.Context(), transforms.Sum[int, int, int]{Key: value, Value: value, MaxMemory: -1}, upTo(3)).Err, "transforms.Sum: "+want)
	checkInvalid(t, pipelinetest.RunTransform(t.Context(), transforms.Distinct[int, int]{Key: value, MaxMemory: -1}, upTo(3)).Err, "transforms.Distinct: "+want)
	checkInvalid(t, pipelinetest.RunTransform(t.Context(), transforms.Sort[int]{Compare: func(_, _ *int) int { return 0 }, MaxMemory: -1}, upTo(3)).Err, "transforms.Sort: "+want)
	lookup := addHundred(slice(1))
	lookup.MaxMemory = -1
	checkInvalid(t, pipelinetest.RunTransform(t.Context(), lookup, upTo(3)).Err, "transforms.Lookup: "+want)
}

func TestSortWithoutCompareIsInvalid(t *testing.T) {
	checkInvalid(t, pipelinetest.RunTransform(t.Context(), transforms.Sort[int]{}, upTo(3)).Err, "transforms.Sort: Compare is nil")
	r := pipelinetest.RunTransform(t.Context(), transforms.Sort[int]{Compare: func(_, _ *int) int { return 0 }}, upTo(3), pipelinetest.WithStage(pipeline.Parallel(2)))
	if r.Err == nil {
		t.Error("it sorts in lanes")
	}
}

func TestAGroupThatOutgrowsTheMemoryIsAnError(t *testing.T) {
	stage := transforms.GroupBy[int, string, []int]{
		Key:       func(n *int) string { return fmt.Sprint("key ", *n%2) },
		Fold:      func(all *[]int, n *int) error { *all = append(*all, *n); return nil },
		MaxMemory: 100_000,
		TempDir:   t.TempDir(),
	}
	fits := pipelinetest.Transform(t, stage, upTo(12_000)) // one group does, both do not
	if len(fits) != 2 || len(fits[0]) != 6000 || !slices.IsSorted(fits[0]) || !slices.IsSorted(fits[1]) {
		t.Errorf("%d groups", len(fits))
	}
	r := pipelinetest.RunTransform(t.Context(), stage, upTo(200_000))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "the group of key key ") || !strings.Contains(r.Err.Error(), "more than MaxMemory (100000)") || !pipeline.IsPermanent(r.Err) {
		t.Errorf("error %v", r.Err)
	}
	checkNothingLeft(t, stage.TempDir)
}

func TestAKeyThatIsTwiceIsFoundInFilesToo(t *testing.T) {
	for name, twice := range map[string]int{"both in memory": 1, "one in memory": 2, "none in memory": 4999} {
		t.Run(name, func(t *testing.T) {
			refs := upTo(5000)
			at := twice
			if twice == 2 {
				at = 4000
				refs[at] = 1
			} else {
				refs[at] = refs[at-1]
			}
			stage := addHundred(slice(refs...))
			stage.Misses, stage.MaxMemory, stage.TempDir = transforms.KeepMisses, 1000, t.TempDir()
			r := pipelinetest.RunTransform(t.Context(), stage, []int{7})
			if r.Err == nil || !strings.Contains(r.Err.Error(), fmt.Sprintf("the key %d is there twice", refs[at])) {
				t.Errorf("error %v", r.Err)
			}
			checkNothingLeft(t, stage.TempDir)
		})
	}
}
