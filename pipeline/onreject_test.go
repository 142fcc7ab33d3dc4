package pipeline_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// drainAndFinish is a sink with work after the commit.
type drainAndFinish struct{ drainInts }

func (drainAndFinish) Finish(context.Context) error { return nil }

// drainInts reads and drops.
type drainInts struct{}

func (drainInts) Load(_ context.Context, in *pipeline.Reader[int]) error {
	for _, err := range in.All() {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestOnRejectSeesTheRejectThatBreaksTheBudget(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	p := pipeline.New("p", pipeline.Options{MaxRejects: 2, OnReject: func(r pipeline.Reject) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Stage+" "+r.Value)
	}})
	in := pipeline.From(p, "in", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		for i := range 5 {
			if err := out.Reject(pipeline.Reject{Value: fmt.Sprint(i), Reason: "is bad"}); err != nil {
				return err
			}
		}
		return nil
	}))
	pipeline.To(in, "out", drainInts{})
	if _, err := p.Run(t.Context()); err == nil {
		t.Error("the run succeeded")
	}
	if got, want := fmt.Sprint(seen), "[in 0 in 1 in 2]"; got != want {
		t.Errorf("seen %s, want %s", got, want)
	}
}

func TestFinishes(t *testing.T) {
	for want, sink := range map[bool]pipeline.Sink[int]{false: drainInts{}, true: drainAndFinish{}} {
		p := pipeline.New("p", pipeline.Options{})
		pipeline.To(pipeline.From(p, "in", pipeline.SourceFunc[int](func(context.Context, *pipeline.Writer[int]) error { return nil })), "out", sink)
		if got := p.Finishes(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
