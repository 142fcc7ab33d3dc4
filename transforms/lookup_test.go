package transforms_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

// addHundred looks for a number in the reference and adds 100 if it is there.
func addHundred(reference pipeline.Source[int]) transforms.Lookup[int, int, int] {
	return transforms.Lookup[int, int, int]{
		Reference:    reference,
		Key:          func(n *int) int { return *n },
		ReferenceKey: func(n *int) int { return *n },
		Enrich:       func(n, _ *int) error { *n += 100; return nil },
		Column:       "n",
	}
}

func TestLookupMisses(t *testing.T) {
	for _, c := range []struct {
		name    string
		misses  transforms.Misses
		want    []int
		rejects int
	}{
		{"are rejected by default", 0, []int{102, 104}, 3},
		{"are kept as they are", transforms.KeepMisses, []int{1, 102, 3, 104, 5}, 0},
		{"are dropped", transforms.DropMisses, []int{102, 104}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage := addHundred(slice(2, 4, 6))
			stage.Misses = c.misses
			r := pipelinetest.RunTransform(t.Context(), stage, upTo(5))
			if r.Err != nil || !slices.Equal(r.Records, c.want) || len(r.Rejects) != c.rejects {
				t.Errorf("records %v, rejects %v, error %v", r.Records, r.Rejects, r.Err)
			}
		})
	}
	t.Run("fail a strict run", func(t *testing.T) {
		r := pipelinetest.RunTransform(t.Context(), addHundred(slice(2)), upTo(5), pipelinetest.WithOptions(pipeline.Options{}))
		if r.Err == nil || !strings.Contains(r.Err.Error(), `column "n": "1" is not in the reference`) {
			t.Errorf("error %v", r.Err)
		}
	})
	t.Run("are nothing else", func(t *testing.T) {
		stage := addHundred(slice(2))
		stage.Misses = 7
		checkInvalid(t, pipelinetest.RunTransform(t.Context(), stage, upTo(5)).Err, "Misses is 7")
	})
}

func TestLookupInAnEmptyReference(t *testing.T) {
	stage := addHundred(slice[int]())
	stage.Misses = transforms.KeepMisses
	if got := pipelinetest.Transform(t, stage, upTo(3)); !slices.Equal(got, upTo(3)) {
		t.Errorf("got %v", got)
	}
}

func TestAKeyThatIsTwiceInTheReferenceIsAnError(t *testing.T) {
	r := pipelinetest.RunTransform(t.Context(), addHundred(slice(1, 2, 1)), upTo(2))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "the key 1 is there twice") || !pipeline.IsPermanent(r.Err) {
		t.Errorf("error %v", r.Err)
	}
}

// table is a reference with all the abilities that Lookup passes on.
type table struct {
	pipeline.SourceFunc[int]
	invalid error
	claims  []pipeline.Claim
}

func (table) Describe() string                 { return "table numbers" }
func (s table) Validate(context.Context) error { return s.invalid }
func (s table) Claims() []pipeline.Claim       { return s.claims }

func TestLookupPassesOnWhatTheReferenceSays(t *testing.T) {
	ofTwo := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error { return out.Write(2) })

	r := pipelinetest.RunTransform(t.Context(), addHundred(table{SourceFunc: ofTwo}), upTo(2))
	if got := r.Stage().Description; got != "lookup in table numbers" {
		t.Errorf("description %q", got)
	}
	if len(r.Rejects) != 1 || r.Rejects[0].Reason != "is not in the reference (table numbers)" {
		t.Errorf("rejects %v", r.Rejects)
	}

	r = pipelinetest.RunTransform(t.Context(), addHundred(table{SourceFunc: ofTwo, invalid: pipeline.Permanent(errBad)}), upTo(2))
	checkInvalid(t, r.Err, "reference: bad record")

	full := []pipeline.Claim{{Key: "pool", Name: "the pool", Capacity: 0, Need: 1}}
	r = pipelinetest.RunTransform(t.Context(), addHundred(table{SourceFunc: ofTwo, claims: full}), upTo(2))
	checkInvalid(t, r.Err, "the pool has room for 0")

	failing := pipeline.SourceFunc[int](func(context.Context, *pipeline.Writer[int]) error { return errBad })
	for _, lanes := range []int{1, 2} {
		r = pipelinetest.RunTransform(t.Context(), addHundred(failing), upTo(2), pipelinetest.WithStage(pipeline.Parallel(lanes)))
		if !errors.Is(r.Err, errBad) || !strings.Contains(r.Err.Error(), "reference: ") {
			t.Errorf("error %v", r.Err)
		}
	}

	rejecting := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		if err := out.Reject(pipeline.Reject{Source: "numbers.csv", Line: 3, Reason: "is no number"}); err != nil {
			return err
		}
		return out.Write(1)
	})
	r = pipelinetest.RunTransform(t.Context(), addHundred(rejecting), upTo(1))
	if r.Err != nil || len(r.Rejects) != 1 || r.Rejects[0].Stage != "stage" || r.Rejects[0].Line != 3 {
		t.Errorf("rejects %+v, error %v", r.Rejects, r.Err)
	}
}

func TestLanesClaimTheirReferenceOnce(t *testing.T) {
	run := func(capacity, lanes int) error {
		claims := []pipeline.Claim{{Key: "pool", Name: "the pool", Capacity: capacity, Need: 1}}
		reading := func(numbers ...int) table { return table{SourceFunc: slice(numbers...).Extract, claims: claims} }
		p := pipeline.New("p", pipeline.Options{})
		found := pipeline.Via(pipeline.From(p, "read", reading(1, 2)), "look up", addHundred(reading(1, 2)), pipeline.Parallel(lanes))
		pipeline.To(found, "count", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
			for _, err := range in.All() {
				if err != nil {
					return err
				}
			}
			return nil
		}))
		_, err := p.Run(t.Context())
		if claims[0].Once {
			t.Error("the reference's own claim was changed")
		}
		return err
	}
	for _, lanes := range []int{1, 4} {
		if err := run(2, lanes); err != nil {
			t.Errorf("%d lanes, a connection for the source and one for the reference: %v", lanes, err)
		}
		checkInvalid(t, run(1, lanes), "the pool has room for 1, but this pipeline needs 2 at once")
	}
}

func TestLanesShareOneReference(t *testing.T) {
	var reads atomic.Int32
	reference := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		reads.Add(1)
		return out.WriteBatch(upTo(2000))
	})
	got := pipelinetest.Transform(t, addHundred(reference), upTo(2000), pipelinetest.WithStage(pipeline.Parallel(4)),
		pipelinetest.WithOptions(pipeline.Options{BatchSize: 7}))
	slices.Sort(got)
	for i, n := range got {
		if n != i+101 {
			t.Fatalf("number %d is %d", i+1, n)
		}
	}
	if len(got) != 2000 || reads.Load() != 1 {
		t.Errorf("%d records, the reference was read %d times", len(got), reads.Load())
	}
}
