package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// heard collects events in words.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) take(e pipeline.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	words := []string{string(e.Kind), e.Stage, string(e.State), e.Reject.Reason, e.Rule}
	if e.Err != nil {
		words = append(words, e.Err.Error())
	}
	h.all = append(h.all, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
}

func TestEventsTellARunFromItsStartToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		attempts := 0
		p := pipeline.New("p", pipeline.Options{MaxRejects: -1, OnEvent: h.take, Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond}})
		from := pipeline.From(p, "from", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
			if err := out.Reject(pipeline.Reject{Reason: "bad"}); err != nil {
				return err
			}
			if attempts++; attempts == 1 {
				return errors.New("broken")
			}
			time.Sleep(2500 * time.Millisecond) // of the bubble's clock
			return out.Write(1)
		}))
		load := pipeline.To(from, "to", &collector[int]{})
		pipeline.Do(p, "look", func(ctx context.Context) error { pipeline.Checked(ctx, "no gap", 0); return nil }, pipeline.After(load))
		mustRun(t, p)
		want := map[string]int{
			"run_started": 1, "stage_started from": 2, "reject from bad": 2, "stage_ended from failed broken": 1, "stage_ended from succeeded": 1,
			"progress": 2, "stage_ended to succeeded": 1, "stage_started look": 1, "check look no gap": 1, "stage_ended look succeeded": 1,
			"committed": 1, "run_ended succeeded": 1,
		}
		for what, n := range want {
			got := 0
			for _, h := range h.all {
				if h == what {
					got++
				}
			}
			if got != n {
				t.Errorf("%q came %d times, want %d", what, got, n)
			}
		}
		if h.all[0] != "run_started" || h.all[len(h.all)-1] != "run_ended succeeded" || h.all[len(h.all)-2] != "committed" {
			t.Errorf("in this order: %q", h.all)
		}
	})
}

func TestARunThatFailsTellsSo(t *testing.T) {
	var h heard
	p := pipeline.New("p", pipeline.Options{OnEvent: h.take})
	pipeline.To(pipeline.From(p, "from", pipeline.SourceFunc[int](func(context.Context, *pipeline.Writer[int]) error { return errors.New("broken") })), "to", &collector[int]{})
	if _, err := p.Run(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if last := h.all[len(h.all)-1]; last != "run_ended failed p: from: broken" || slices.Contains(h.all, "committed") {
		t.Errorf("got %q", h.all)
	}
}

func TestAPanicOfWhoeverListensChangesNothing(t *testing.T) {
	p := pipeline.New("p", pipeline.Options{MaxRejects: -1, OnEvent: func(pipeline.Event) { panic("told") }})
	from := pipeline.From(p, "from", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		if err := out.Reject(pipeline.Reject{Reason: "bad"}); err != nil {
			return err
		}
		return out.Write(1)
	}))
	to := &collector[int]{}
	pipeline.To(from, "to", to)
	mustRun(t, p)
	if len(to.got) != 1 {
		t.Errorf("loaded %v", to.got)
	}
}
