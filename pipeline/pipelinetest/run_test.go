package pipelinetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// count writes the numbers from 1 to n.
type count int

func (c count) Extract(_ context.Context, out *pipeline.Writer[int]) error {
	for i := range int(c) {
		if err := out.Write(i + 1); err != nil {
			return err
		}
	}
	return nil
}

// halve writes the halves of even numbers, rejects odd ones, and fails on negative ones.
type halve struct{}

var errNegative = errors.New("negative")

func (halve) Transform(_ context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
	for n, err := range in.All() {
		if err != nil {
			return err
		}
		switch {
		case n < 0:
			return errNegative
		case n%2 != 0:
			err = out.Reject(pipeline.Reject{Value: fmt.Sprint(n), Reason: "is odd"})
		default:
			err = out.Write(n / 2)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestSourceReturnsWhatItWrote(t *testing.T) {
	if got := pipelinetest.Source(t, count(3)); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
}

func TestTransformReturnsWhatItWrote(t *testing.T) {
	in := []int{2, 4, 6}
	if got := pipelinetest.Transform(t, halve{}, in); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
	double := pipeline.TransformFunc[int, int](func(_ context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			for i := range batch {
				batch[i] *= 2
			}
			if err := out.WriteBatch(batch); err != nil {
				return err
			}
		}
		return nil
	})
	pipelinetest.Transform(t, double, in)
	if !slices.Equal(in, []int{2, 4, 6}) {
		t.Errorf("a transform that works in place changed the caller's slice: %v", in)
	}
}

func TestSinkGetsTheRecords(t *testing.T) {
	var got []int
	pipelinetest.Sink(t, pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for n, err := range in.All() {
			if err != nil {
				return err
			}
			got = append(got, n)
		}
		return nil
	}), []int{1, 2, 3})
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
}

func TestAnErrorEndsTheTest(t *testing.T) {
	mustComplain(t, "negative", complaints(t, func(t testing.TB) {
		pipelinetest.Transform(t, halve{}, []int{2, -1})
		t.Errorf("the test went on")
	}))
	mustComplain(t, "the sink is full", complaints(t, func(t testing.TB) {
		pipelinetest.Sink(t, pipeline.SinkFunc[int](func(context.Context, *pipeline.Reader[int]) error {
			return errors.New("the sink is full")
		}), []int{1})
	}))
	mustComplain(t, "no such file", complaints(t, func(t testing.TB) {
		pipelinetest.Source(t, pipeline.SourceFunc[int](func(context.Context, *pipeline.Writer[int]) error {
			return errors.New("no such file")
		}))
	}))
}

func TestARejectEndsTheTest(t *testing.T) {
	said := complaints(t, func(t testing.TB) {
		pipelinetest.Transform(t, halve{}, []int{1, 3, 5, 7, 9, 11, 2})
		t.Errorf("the test went on")
	})
	if len(said) != 1 {
		t.Fatalf("complaints: %q", said)
	}
	for _, want := range []string{"6 records were rejected", `"1" is odd`, `"9" is odd`, "and 1 more"} {
		if !strings.Contains(said[0], want) {
			t.Errorf("%q does not say %q", said[0], want)
		}
	}
	if strings.Contains(said[0], `"11"`) {
		t.Errorf("%q says too much", said[0])
	}
}

func TestResult(t *testing.T) {
	r := pipelinetest.RunTransform(t.Context(), halve{}, []int{1, 2, 3, 4})
	if r.Err != nil || !slices.Equal(r.Records, []int{1, 2}) {
		t.Errorf("records %v, error %v", r.Records, r.Err)
	}
	if len(r.Rejects) != 2 || r.Rejects[1].Value != "3" || r.Rejects[1].Reason != "is odd" {
		t.Errorf("rejects: %v", r.Rejects)
	}
	if s := r.Stage(); s.RecordsIn != 4 || s.RecordsOut != 2 || s.Rejects != 2 || s.State != pipeline.StateSucceeded {
		t.Errorf("report: %+v", s)
	}

	r = pipelinetest.RunTransform(t.Context(), halve{}, []int{-1})
	if !errors.Is(r.Err, errNegative) || r.Report.State != pipeline.StateFailed {
		t.Errorf("error %v, state %v", r.Err, r.Report.State)
	}

	source := pipelinetest.RunSource(t.Context(), count(2))
	if source.Err != nil || len(source.Records) != 2 {
		t.Errorf("source: %+v", source)
	}

	sink := pipelinetest.RunSink(t.Context(), pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for n, err := range in.All() {
			if err != nil {
				return err
			}
			if err := in.Reject(&n, pipeline.Reject{Value: fmt.Sprint(n), Reason: "is unwanted"}); err != nil {
				return err
			}
		}
		return nil
	}), []int{1})
	if sink.Err != nil || len(sink.Rejects) != 1 || sink.Records != nil || sink.Stage().Kind != pipeline.KindSink {
		t.Errorf("sink: %+v", sink)
	}
}

func TestOptionsAreTakenAsTheyAre(t *testing.T) {
	r := pipelinetest.RunTransform(t.Context(), halve{}, []int{1, 2}, pipelinetest.WithOptions(pipeline.Options{}))
	var reject *pipeline.RejectError
	if !errors.As(r.Err, &reject) {
		t.Errorf("with no budget a reject gave %v", r.Err)
	}

	var sizes []int
	pipelinetest.Sink(t, pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			sizes = append(sizes, len(batch))
		}
		return nil
	}), []int{1, 2, 3}, pipelinetest.WithOptions(pipeline.Options{BatchSize: 2}))
	if !slices.Equal(sizes, []int{2, 1}) {
		t.Errorf("batches of %v", sizes)
	}

	r = pipelinetest.RunTransform(t.Context(), halve{}, []int{2, 4}, pipelinetest.WithStage(pipeline.Parallel(3)))
	if r.Err != nil || r.Stage().Lanes != 3 {
		t.Errorf("lanes %d, error %v", r.Stage().Lanes, r.Err)
	}
}

func TestACancelledContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := pipelinetest.RunSource(ctx, count(1)); !errors.Is(r.Err, context.Canceled) {
		t.Errorf("error %v", r.Err)
	}
}
