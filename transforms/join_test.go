package transforms_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transforms"
)

// pair is what a join of two items makes; the values say which, 0 none.
type pair struct {
	Left, Right item
	Half        bool
}

func combine(left, right *item, made *pair) error {
	if made.Half || left == nil && right == nil {
		return errors.New("made is not the zero value, or nothing is joined")
	}
	if left != nil {
		made.Left = *left
	}
	if right != nil {
		made.Right = *right
	}
	made.Half = left == nil || right == nil
	return nil
}

func joined() transforms.Join[item, item, string, pair] {
	key := func(i *item) string { return i.Key }
	return transforms.Join[item, item, string, pair]{LeftKey: key, RightKey: key, Combine: combine, Column: "key"}
}

// gather is a sink that keeps everything.
func gather[T any](into *[]T) pipeline.Sink[T] {
	return pipeline.SinkFunc[T](func(_ context.Context, in *pipeline.Reader[T]) error {
		for record, err := range in.All() {
			if err != nil {
				return err
			}
			*into = append(*into, record)
		}
		return nil
	})
}

// runJoin joins two slices.
func runJoin[A, B, Out any](ctx context.Context, stage pipeline.Transform2[A, B, Out], left pipeline.Source[A], right pipeline.Source[B], options pipeline.Options) (got outcome[Out], err error) {
	p := pipeline.New("join", options)
	var rejects []pipeline.Reject
	pipeline.To(pipeline.Via2(pipeline.From(p, "left", left), pipeline.From(p, "right", right), "stage", stage), "sink", gather(&got.records))
	pipeline.To(pipeline.Rejects(p), "dead letters", gather(&rejects))
	_, err = p.Run(ctx)
	for _, r := range rejects {
		if len(r.Record) == 0 {
			err = errors.Join(err, fmt.Errorf("the reject %v has no record", r))
		}
		got.rejects = append(got.rejects, r.String())
	}
	slices.Sort(got.rejects)
	return got, err
}

// wantJoin compares each record with each.
func wantJoin(left, right []item, stage transforms.Join[item, item, string, pair]) (want outcome[pair]) {
	reject := func(key, where string) {
		want.rejects = append(want.rejects, pipeline.Reject{Column: "key", Value: clean(key), Reason: "has no partner in the " + where + " stream"}.String())
	}
	met := map[string]bool{}
	for _, l := range left {
		found := false
		met[l.Key] = true
		for _, r := range right {
			if l.Key == r.Key {
				want.records = append(want.records, pair{l, r, false})
				found = true
			}
		}
		if !found && stage.LeftMisses == transforms.KeepMisses {
			want.records = append(want.records, pair{Left: l, Half: true})
		} else if !found && stage.LeftMisses == transforms.RejectMisses {
			reject(l.Key, "right")
		}
	}
	var order []string
	byKey := map[string][]item{}
	for _, r := range right {
		if met[r.Key] {
			continue
		}
		if byKey[r.Key] == nil {
			order = append(order, r.Key)
		}
		byKey[r.Key] = append(byKey[r.Key], r)
	}
	for _, key := range order {
		for _, r := range byKey[key] {
			switch stage.RightMisses {
			case transforms.KeepMisses:
				want.records = append(want.records, pair{Right: r, Half: true})
			case transforms.RejectMisses:
				reject(key, "left")
			}
		}
	}
	slices.Sort(want.rejects)
	return want
}

func clean(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

func TestAJoinIsWhatNestedLoopsGive(t *testing.T) {
	folder := t.TempDir()
	side := func(t *rapid.T, name string) []item {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) item {
			return item{fmt.Sprint(rapid.IntRange(0, 400).Draw(t, "key")), rapid.Int64().Draw(t, "value")}
		}), 0, 600).Draw(t, name)
	}
	misses := rapid.SampledFrom([]transforms.Misses{transforms.RejectMisses, transforms.KeepMisses, transforms.DropMisses})
	rapid.Check(t, func(t *rapid.T) {
		left, right := side(t, "left"), side(t, "right")
		stage := joined()
		stage.LeftMisses, stage.RightMisses, stage.TempDir = misses.Draw(t, "left misses"), misses.Draw(t, "right misses"), folder
		options := pipeline.Options{BatchSize: batchSize().Draw(t, "batch size"), MaxRejects: -1}
		want := wantJoin(left, right, stage)
		for _, stage.MaxMemory = range []int64{0, maxMemory().Draw(t, "memory")} {
			got, err := runJoin(context.Background(), stage, slice(left...), slice(right...), options)
			if err != nil {
				t.Fatal(err)
			}
			checkSame(t, got, want, 1)
			checkNothingLeft(t, folder)
		}
	})
}

// One key that most records have makes no part smaller however often it is divided.
func TestAJoinOfOneFrequentKeyWorksInFiles(t *testing.T) {
	var left, right []item
	for i := range 300 {
		left = append(left, item{fmt.Sprint("key ", i%3*i), int64(i)})
		right = append(right, item{fmt.Sprint("key ", i%2*i), int64(i)})
	}
	stage := joined()
	stage.LeftMisses, stage.RightMisses = transforms.KeepMisses, transforms.KeepMisses
	want := wantJoin(left, right, stage)
	stage.MaxMemory, stage.TempDir = 1, t.TempDir()
	got, err := runJoin(t.Context(), stage, slice(left...), slice(right...), pipeline.Options{})
	if err != nil || !slices.Equal(got.records, want.records) {
		t.Errorf("%d records, want %d; error %v", len(got.records), len(want.records), err)
	}
	checkNothingLeft(t, stage.TempDir)
}

func TestTheRecordsOfOneKeyMustFit(t *testing.T) {
	stage := joined()
	stage.MaxMemory, stage.TempDir = 100_000, t.TempDir()
	right := make([]item, 20_000)
	for i := range right {
		right[i] = item{"same", int64(i)}
	}
	_, err := runJoin(t.Context(), stage, slice(item{"same", 1}), slice(right...), pipeline.Options{})
	want := "transforms.Join: the records of the right stream with key same hold more than MaxMemory (100000)"
	if err == nil || !strings.Contains(err.Error(), want) || !pipeline.IsPermanent(err) {
		t.Errorf("error %v, want %q", err, want)
	}
	checkNothingLeft(t, stage.TempDir)
}

func TestNaNHasNoPartner(t *testing.T) {
	key := func(f *float64) float64 { return *f }
	stage := transforms.Join[float64, float64, float64, float64]{
		LeftKey: key, RightKey: key, LeftMisses: transforms.DropMisses, RightMisses: transforms.KeepMisses,
		Combine: func(left, right, made *float64) error {
			if *made = *right; left == nil {
				*made = -1
			}
			return nil
		},
		TempDir: t.TempDir(),
	}
	in := []float64{1, math.NaN(), math.NaN(), 2}
	for _, stage.MaxMemory = range []int64{0, 1} {
		got, err := runJoin(t.Context(), stage, slice(in...), slice(in...), pipeline.Options{})
		if err != nil || !slices.Equal(got.records, []float64{1, 2, -1, -1}) {
			t.Errorf("%v, error %v", got.records, err)
		}
	}
}

func TestACombineThatRejectsSetsTheRecordAside(t *testing.T) {
	stage := joined()
	stage.LeftMisses, stage.RightMisses = transforms.KeepMisses, transforms.KeepMisses
	stage.Combine = func(left, right *item, made *pair) error {
		made.Half = true // must not be there the next time
		if right != nil && right.Value%2 == 0 {
			return transforms.Reject("value", fmt.Sprint(right.Value), "is even")
		}
		made.Half = false
		return combine(left, right, made)
	}
	for _, stage.MaxMemory = range []int64{0, 1} {
		got, err := runJoin(t.Context(), stage, slice(item{"a", 1}, item{"b", 3}), slice(item{"a", 2}, item{"a", 5}, item{"c", 4}, item{"d", 7}), pipeline.Options{MaxRejects: 2})
		want := []pair{{Left: item{"a", 1}, Right: item{"a", 5}}, {Left: item{"b", 3}, Half: true}, {Right: item{"d", 7}, Half: true}}
		if err != nil || !slices.Equal(got.records, want) || len(got.rejects) != 2 {
			t.Errorf("%v, rejects %v, error %v", got.records, got.rejects, err)
		}
	}
}

func TestAJoinThatFailsOrIsCancelledLeavesNothing(t *testing.T) {
	running := goleak.IgnoreCurrent()
	var in []item
	for n := range 5000 {
		in = append(in, item{fmt.Sprint(n), int64(n)})
	}
	ends := func(end func(context.Context) error) pipeline.Source[item] {
		return pipeline.SourceFunc[item](func(ctx context.Context, out *pipeline.Writer[item]) error {
			for _, i := range in {
				if err := out.Write(i); err != nil {
					return err
				}
			}
			return end(ctx)
		})
	}
	stage := joined()
	stage.MaxMemory, stage.TempDir = 1000, t.TempDir()
	bad := ends(func(context.Context) error { return errBad })
	for name, sides := range map[string][2]pipeline.Source[item]{
		"the left fails": {bad, slice(in...)}, "the right fails": {slice(in...), bad},
	} {
		got, err := runJoin(t.Context(), stage, sides[0], sides[1], pipeline.Options{})
		if !errors.Is(err, errBad) || len(got.records) == len(in) {
			t.Errorf("%s: %d records, error %v", name, len(got.records), err)
		}
		checkNothingLeft(t, stage.TempDir)
	}
	for side := range 2 {
		ctx, cancel := context.WithCancelCause(t.Context())
		sides := [2]pipeline.Source[item]{slice(in...), slice(in...)}
		sides[side] = ends(func(ctx context.Context) error { cancel(errBad); <-ctx.Done(); return ctx.Err() })
		if _, err := runJoin(ctx, stage, sides[0], sides[1], pipeline.Options{}); !errors.Is(err, errBad) {
			t.Errorf("side %d, cancelled: error %v", side, err)
		}
		checkNothingLeft(t, stage.TempDir)
	}
	if err := goleak.Find(running); err != nil {
		t.Error(err)
	}
}

func TestAJoinThatCannotBeIsInvalid(t *testing.T) {
	for want, change := range map[string]func(*transforms.Join[item, item, string, pair]){
		"LeftKey is nil":           func(j *transforms.Join[item, item, string, pair]) { j.LeftKey = nil },
		"RightKey and Combine are": func(j *transforms.Join[item, item, string, pair]) { j.RightKey, j.Combine = nil, nil },
		"LeftMisses is 7: use":     func(j *transforms.Join[item, item, string, pair]) { j.LeftMisses = 7 },
		"RightMisses is -1: use":   func(j *transforms.Join[item, item, string, pair]) { j.RightMisses = -1 },
		"MaxMemory is -1":          func(j *transforms.Join[item, item, string, pair]) { j.MaxMemory = -1 },
	} {
		stage := joined()
		change(&stage)
		_, err := runJoin(t.Context(), stage, slice[item](), slice[item](), pipeline.Options{})
		checkInvalid(t, err, "stage: transforms.Join: "+want)
	}
	closedKey := func(c *closed) int { return c.n }
	cannotSpill := transforms.Join[item, closed, int, pair]{
		LeftKey: func(*item) int { return 1 }, RightKey: closedKey, MaxMemory: 1,
		Combine: func(*item, *closed, *pair) error { return nil },
	}
	_, err := runJoin(t.Context(), cannotSpill, slice[item](), slice[closed](), pipeline.Options{})
	checkInvalid(t, err, "transforms.Join: what exceeds MaxMemory (1 bytes) goes to temporary files, but a transforms_test.closed cannot be spilled")
}
