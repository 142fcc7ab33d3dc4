package pipeline_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// person has relatives, who lead back, and a number that JSON lacks.
type person struct {
	Name      string
	Relatives []*person
	Weight    float64
}

// rejected returns the record of the reject of the one record given.
func rejected[T any](t *testing.T, record T) json.RawMessage {
	t.Helper()
	var got json.RawMessage
	p := pipeline.New("p", pipeline.Options{MaxRejects: -1, OnReject: func(r pipeline.Reject) { got = r.Record }})
	from := pipeline.From(p, "from", pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error { return out.Write(record) }))
	pipeline.To(from, "to", pipeline.SinkFunc[T](func(_ context.Context, in *pipeline.Reader[T]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			if err := in.Reject(&r, pipeline.Reject{Reason: "is refused"}); err != nil {
				return err
			}
		}
		return nil
	}))
	mustRun(t, p)
	return got
}

func TestARecordThatLeadsBackToItselfIsToldOnce(t *testing.T) {
	a, b := &person{Name: "Ann"}, &person{Name: "Bob", Weight: math.NaN()}
	for range 40 {
		a.Relatives, b.Relatives = append(a.Relatives, b, a), append(b.Relatives, a, b)
	}
	got := rejected(t, a)
	if !json.Valid(got) || len(got) > 8<<10 {
		t.Errorf("%d bytes: %.200s", len(got), got)
	}
	two := &person{Name: "Ann", Weight: math.Inf(1)}
	two.Relatives = []*person{two}
	if got, want := string(rejected(t, two)), `{"Name":"Ann","Relatives":["…"],"Weight":"+Inf"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestALoopThatMayRejectAllocatesNothing is about the variable of the loop, whose address Reject is given.
func TestALoopThatMayRejectAllocatesNothing(t *testing.T) {
	type wide struct {
		A, B string
		N    int64
	}
	const n = 200_000
	var allocated float64
	p := pipeline.New("p", pipeline.Options{})
	from := pipeline.From(p, "from", pipeline.SourceFunc[wide](func(_ context.Context, out *pipeline.Writer[wide]) error {
		for range n {
			if err := out.Write(wide{}); err != nil {
				return err
			}
		}
		return nil
	}))
	pipeline.To(from, "to", pipeline.SinkFunc[wide](func(_ context.Context, in *pipeline.Reader[wide]) (failed error) {
		allocated = testing.AllocsPerRun(1, func() {
			seen := 0
			for r, err := range in.All() {
				if err != nil {
					failed = err
					return
				}
				if r.N < 0 {
					failed = in.Reject(&r, pipeline.Reject{Reason: "is negative"})
				}
				if seen++; seen == n/2 { // AllocsPerRun calls once to warm up
					return
				}
			}
		})
		return failed
	}))
	mustRun(t, p)
	if allocated > n/100 {
		t.Errorf("%.0f allocations for %d records, want none for each", allocated, n/2)
	}
}
