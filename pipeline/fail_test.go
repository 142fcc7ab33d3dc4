package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// broken builds source → transform → (sink, other sink) with a stage that fails in the
// given way at the given place.
func broken(where string, fail func() error) (*pipeline.Pipeline, *collector[int]) {
	at := func(stage string) error {
		if stage == where {
			return fail()
		}
		return nil
	}
	var other collector[int]
	p := pipeline.New("broken", pipeline.Options{BatchSize: 4, Buffer: 1})
	s := pipeline.From(p, "source", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		for i := range 1000 {
			if i == 500 {
				if err := at("source"); err != nil {
					return err
				}
			}
			if err := out.Write(i); err != nil {
				return err
			}
		}
		return at("source's end")
	}))
	d := pipeline.Via(s, "transform", each(func(i int) (int, error) {
		if i == 500 {
			return i, at("transform")
		}
		return i, nil
	}))
	pipeline.To(d, "sink", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for i, err := range in.All() {
			if err != nil {
				return err
			}
			if i == 500 {
				if err := at("sink"); err != nil {
					return err
				}
			}
		}
		return at("sink's end")
	}))
	pipeline.To(d, "other", &other)
	pipeline.Do(p, "step", func(context.Context) error { return at("step") })
	return p, &other
}

var places = map[string]string{ // where it fails → which stage must be named
	"source": "source", "source's end": "source", "transform": "transform", "sink": "sink", "sink's end": "sink", "step": "step",
}

func TestAnErrorInEachPlaceNamesItsStage(t *testing.T) {
	for where, stage := range places {
		t.Run(where, func(t *testing.T) {
			p, _ := broken(where, func() error { return fmt.Errorf("file 7: %w", errBroken) })
			rep, err := p.Run(t.Context())
			var se *pipeline.StageError
			if !errors.As(err, &se) || se.Stage != stage || !errors.Is(err, errBroken) {
				t.Fatalf("error %v, want a StageError of %s", err, stage)
			}
			if want := "broken: " + stage + ": file 7: broken"; err.Error() != want {
				t.Fatalf("message %q, want %q", err, want)
			}
			if rep.State != pipeline.StateFailed || rep.Error != err.Error() {
				t.Fatalf("report: state %s, error %q", rep.State, rep.Error)
			}
			for _, s := range rep.Stages {
				switch {
				case s.Name == stage && (s.State != pipeline.StateFailed || s.Error != "file 7: broken"):
					t.Errorf("%s: state %s, error %q", s.Name, s.State, s.Error)
				case s.Name != stage && s.State != pipeline.StateCancelled && s.State != pipeline.StateSucceeded:
					t.Errorf("%s: state %s: only the stage that failed has failed", s.Name, s.State)
				case s.Name != stage && s.Error != "":
					t.Errorf("%s: error %q, though it only echoes", s.Name, s.Error)
				}
			}
		})
	}
}

func TestAPanicInEachPlaceIsThatStagesError(t *testing.T) {
	for where, stage := range places {
		t.Run(where, func(t *testing.T) {
			p, _ := broken(where, func() error { panic(errBroken) })
			_, err := p.Run(t.Context())
			var se *pipeline.StageError
			var pe *pipeline.PanicError
			if !errors.As(err, &se) || se.Stage != stage || !errors.As(err, &pe) || !errors.Is(err, errBroken) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(string(pe.Stack), "fail_test.go") {
				t.Fatalf("the stack does not show the place:\n%s", pe.Stack)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("the error holds the stack: %v", err)
			}
			if !pipeline.IsPermanent(err) {
				t.Fatal("a panic would be retried")
			}
		})
	}
}

func TestAStageThatEndsItsGoroutineFailsTheRun(t *testing.T) {
	for where, stage := range places {
		t.Run(where, func(t *testing.T) {
			p, _ := broken(where, func() error { runtime.Goexit(); return nil })
			_, err := p.Run(t.Context())
			var se *pipeline.StageError
			if !errors.As(err, &se) || se.Stage != stage || !strings.Contains(err.Error(), "Goexit") {
				t.Fatalf("error %v", err)
			}
		})
	}
}

func TestAFailureInALaneIsTheStagesFailure(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":  func() error { return errBroken },
		"panic":  func() error { panic(errBroken) },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := pipeline.New("lanes", pipeline.Options{BatchSize: 1})
			s := pipeline.Via(pipeline.From(p, "numbers", numbers(1000)), "lanes", each(func(i int) (int, error) {
				if i == 400 {
					return 0, fail()
				}
				return i, nil
			}), pipeline.Parallel(3))
			pipeline.To(s, "sink", &collector[int]{})
			rep, err := p.Run(t.Context())
			var se *pipeline.StageError
			if !errors.As(err, &se) || se.Stage != "lanes" || name != "goexit" && !errors.Is(err, errBroken) {
				t.Fatalf("error %v", err)
			}
			if s := rep.Stage("lanes"); s.State != pipeline.StateFailed {
				t.Fatalf("state %s", s.State)
			}
		})
	}
}

func TestATornStreamNeverLooksWhole(t *testing.T) {
	// The liar swallows every error and reads until its input ends.
	ended := false
	p := pipeline.New("torn", pipeline.Options{BatchSize: 1, Buffer: 1})
	s := pipeline.From(p, "source", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		if err := out.Write(1); err != nil {
			return err
		}
		return errBroken
	}))
	liar := pipeline.To(s, "liar", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		sawError := false
		for _, err := range in.All() {
			sawError = sawError || err != nil
		}
		ended = !sawError
		return nil
	}))
	after := false
	pipeline.Do(p, "after", func(context.Context) error { after = true; return nil }, pipeline.After(liar))
	_, err := p.Run(t.Context())
	if !errors.Is(err, errBroken) || ended || after {
		t.Fatalf("error %v; the liar saw an end: %v; the step after it ran: %v", err, ended, after)
	}
}

func TestTheFirstErrorWins(t *testing.T) {
	// Every sink returns an error of its own once the source's error stops it.
	p := pipeline.New("first", pipeline.Options{})
	s := pipeline.From(p, "source", pipeline.SourceFunc[int](func(context.Context, *pipeline.Writer[int]) error { return errBroken }))
	for i := range 5 {
		pipeline.To(s, fmt.Sprint("sink", i), pipeline.SinkFunc[int](func(ctx context.Context, _ *pipeline.Reader[int]) error {
			<-ctx.Done()
			return io.ErrClosedPipe
		}))
	}
	rep, err := p.Run(t.Context())
	if !errors.Is(err, errBroken) || errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("error %v", err)
	}
	if s := rep.Stage("sink0"); s.Error != io.ErrClosedPipe.Error() {
		t.Fatalf("an error that is no echo is lost from the report: %+v", s)
	}
}

func TestCancellingInEachPhaseStopsAtOnce(t *testing.T) {
	block := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, build := range map[string]func(*pipeline.Pipeline){
		"while the source waits": func(p *pipeline.Pipeline) {
			s := pipeline.From(p, "source", pipeline.SourceFunc[int](func(ctx context.Context, _ *pipeline.Writer[int]) error { return block(ctx) }))
			pipeline.To(s, "sink", &collector[int]{})
		},
		"while the source writes for ever": func(p *pipeline.Pipeline) {
			s := pipeline.From(p, "source", pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
				for i := 0; ; i++ {
					if i%1000 == 999 {
						time.Sleep(time.Minute) // the bubble's clock moves only when all are blocked
					}
					if err := out.Write(i); err != nil {
						return err
					}
				}
			}))
			pipeline.To(s, "sink", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
				for _, err := range in.Batches() {
					if err != nil {
						return err
					}
				}
				return nil
			}))
		},
		"while a writer waits for room": func(p *pipeline.Pipeline) {
			s := pipeline.From(p, "source", numbers(1_000_000))
			pipeline.To(s, "sink", pipeline.SinkFunc[int](func(ctx context.Context, _ *pipeline.Reader[int]) error { return block(ctx) }))
		},
		"while records wait because their sink waits": func(p *pipeline.Pipeline) {
			s := pipeline.From(p, "source", numbers(100_000))
			first := pipeline.To(s, "first", pipeline.SinkFunc[int](func(ctx context.Context, in *pipeline.Reader[int]) error {
				for _, err := range in.Batches() {
					if err != nil {
						return err
					}
				}
				return block(ctx)
			}))
			pipeline.To(s, "second", &collector[int]{}, pipeline.After(first))
		},
		"while a step waits for another": func(p *pipeline.Pipeline) {
			first := pipeline.Do(p, "first", block)
			pipeline.Do(p, "second", func(context.Context) error { return nil }, pipeline.After(first))
		},
		"while a stage validates": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "source", numbers(1)), "sink", validated{&collector[int]{}, block})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipeline.New("cancel", pipeline.Options{Buffer: 1})
				build(p)
				e := p.Start(t.Context())
				time.Sleep(time.Hour) // until everything waits
				if e.Progress().State == pipeline.StateSucceeded {
					t.Fatal("it ended before it was cancelled")
				}
				cancelled := time.Now()
				e.Cancel(errors.New("by alice"))
				rep, err := e.Wait()
				var ce *pipeline.CancelledError
				if !errors.As(err, &ce) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "by alice") {
					t.Fatalf("error %v", err)
				}
				if took := time.Since(cancelled); took > time.Minute {
					t.Fatalf("it took %v to stop", took)
				}
				if rep.State != pipeline.StateCancelled {
					t.Fatalf("state %s", rep.State)
				}
				for _, s := range rep.Stages {
					if s.Error != "" || s.State == pipeline.StateFailed {
						t.Errorf("%s: %s, %q: nothing failed", s.Name, s.State, s.Error)
					}
				}
			})
		})
	}
}

type validated struct {
	pipeline.Sink[int]
	check func(context.Context) error
}

func (v validated) Validate(ctx context.Context) error { return v.check(ctx) }

func TestTheCallersContextEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New("deadline", pipeline.Options{})
		pipeline.Do(p, "step", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	t.Run("of a stage names the stage and the limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pipeline.New("slow", pipeline.Options{})
			pipeline.Do(p, "quick", func(context.Context) error { return nil }, pipeline.Timeout(time.Minute))
			pipeline.Do(p, "step", wait, pipeline.Timeout(5*time.Second))
			_, err := p.Run(t.Context())
			if want := "slow: step: the stage took longer than its limit of 5s"; err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error %v, want %s", err, want)
			}
		})
	})
	t.Run("of a stage ends its waiting for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pipeline.New("slow", pipeline.Options{})
			s := pipeline.From(p, "source", numbers(1_000_000), pipeline.Timeout(5*time.Second))
			pipeline.To(s, "sink", pipeline.SinkFunc[int](func(ctx context.Context, _ *pipeline.Reader[int]) error { return wait(ctx) }))
			_, err := p.Run(t.Context())
			var se *pipeline.StageError
			if !errors.As(err, &se) || se.Stage != "source" || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error %v", err)
			}
		})
	})
	t.Run("of the run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pipeline.New("slow", pipeline.Options{Timeout: 7 * time.Second})
			pipeline.Do(p, "step", wait)
			rep, err := p.Run(t.Context())
			if want := "slow: the run took longer than its limit of 7s"; err == nil || err.Error() != want || rep.State != pipeline.StateFailed {
				t.Fatalf("error %v, state %s", err, rep.State)
			}
		})
	})
}
