package transforms_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gauge counts what is under way.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) enter() {
	n := g.now.Add(1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
}

func (g *gauge) leave() { g.now.Add(-1) }

func TestTwentySlowCallsAreUnderWayAtOnceAndStayInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		stage := transforms.Async[int, int]{Calls: 20, Call: func(ctx context.Context, n, made *int) error {
			g.enter()
			defer g.leave()
			*made = *n * 2
			return pause(ctx, time.Duration(1+*n%3)*time.Second) // so that later ones return earlier
		}}
		began := time.Now()
		got := pipelinetest.Transform(t, stage, upTo(200))
		for i, n := range got {
			if n != 2*(i+1) {
				t.Fatalf("record %d is %d", i, n)
			}
		}
		// 200 calls of 2 seconds on average, 20 at once; a little more where they do not come out even.
		if took := time.Since(began); len(got) != 200 || g.most.Load() != 20 || took > 25*time.Second {
			t.Errorf("%d records in %v, at most %d at once", len(got), took, g.most.Load())
		}
	})
}

func TestUnorderedResultsComeAsTheyAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := transforms.Async[int, int]{Calls: 5, Unordered: true, Call: func(ctx context.Context, n, made *int) error {
			*made = *n
			return pause(ctx, time.Duration(6-*n)*time.Second)
		}}
		if got := pipelinetest.Transform(t, stage, upTo(5)); !slices.Equal(got, []int{5, 4, 3, 2, 1}) {
			t.Error(got)
		}
	})
}

// Where order is kept, results and rejects that wait for a slower call are bounded.
func TestCallsDoNotRunAwayFromASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		stage := transforms.Async[int, int]{Calls: 3, Call: func(ctx context.Context, n, _ *int) error {
			if begun.Add(1); *n > 1 {
				return nil
			}
			err := pause(ctx, time.Hour)
			if n := begun.Load(); n < 4 || n > 12 {
				t.Errorf("%d calls were begun while the first was under way", n)
			}
			return err
		}}
		pipelinetest.Transform(t, stage, upTo(100))
	})
}

func TestAResultDoesNotLieStillWhileTheSourceWaits(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		seen := make(chan int)
		p := pipeline.New("slow", pipeline.Options{})
		source := pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
			for n := range 3 {
				if err := errors.Join(out.Write(n), out.Flush()); err != nil {
					return err
				}
				select {
				case got := <-seen:
					if got != n {
						return fmt.Errorf("%d came, want %d", got, n)
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		stage := transforms.Async[int, int]{Unordered: unordered, Call: func(_ context.Context, n, made *int) error { *made = *n; return nil }}
		sink := pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
			for n, err := range in.All() {
				if err != nil {
					return err
				}
				seen <- n
			}
			return nil
		})
		pipeline.To(pipeline.Via(pipeline.From(p, "source", source), "stage", stage), "sink", sink)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestACallIsTriedAgainAfterWhatIsWorthIt(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		tries   int64
		want    string
		rejects int
	}{
		"a plain error":       {errBad, 3, "stage: after 3 tries: bad record", 0},
		"a permanent error":   {pipeline.Permanent(errBad), 1, "stage: bad record", 0},
		"a reject":            {transforms.Reject("url", "x", "is not there"), 1, "", 1},
		"a transient reject":  {pipeline.Transient(transforms.Reject("url", "x", "is not there")), 3, "", 1},
		"its own canceled":    {context.Canceled, 1, "context canceled", 0},
		"an outlasted answer": {nil, 3, "stage: after 3 tries: no answer within 1s: ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tries atomic.Int64
				stage := transforms.Async[int, int]{
					Timeout: time.Second,
					Retry:   pipeline.Retry{MaxAttempts: 3, Backoff: time.Minute},
					Call: func(ctx context.Context, _, made *int) error {
						tries.Add(1)
						if *made != 0 {
							t.Error("what an earlier try made is still there")
						}
						if *made = 1; c.err == nil {
							<-ctx.Done()
							return ctx.Err()
						}
						return c.err
					},
				}
				began := time.Now()
				r := pipelinetest.RunTransform(t.Context(), stage, []int{1})
				if tries.Load() != c.tries || len(r.Rejects) != c.rejects || (r.Err == nil) != (c.want == "") {
					t.Errorf("%d tries, %d rejects, error %v", tries.Load(), len(r.Rejects), r.Err)
				}
				if r.Err != nil && !strings.Contains(r.Err.Error(), c.want) {
					t.Errorf("error %v, want %q", r.Err, c.want)
				}
				if took := time.Since(began); took > 10*time.Minute || c.tries > 1 && took < time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestACallThatSucceedsLaterIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries sync.Map
		stage := transforms.Async[int, int]{
			Retry: pipeline.Retry{MaxAttempts: 4},
			Call: func(_ context.Context, n, made *int) error {
				before, _ := tries.LoadOrStore(*n, new(atomic.Int64))
				if before.(*atomic.Int64).Add(1) <= int64(*n%4) {
					return errBad
				}
				*made = *n
				return nil
			},
		}
		if got := pipelinetest.Transform(t, stage, upTo(100)); !slices.Equal(got, upTo(100)) {
			t.Error(got)
		}
	})
}

func TestTheLimiterIsKeptToByTriesOfAllStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		limiter := rate.NewLimiter(10, 1)
		stage := func() transforms.Async[int, int] {
			var failed sync.Map // records whose first try was made
			return transforms.Async[int, int]{
				Calls:   10,
				Limiter: limiter,
				Retry:   pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond},
				Call: func(_ context.Context, n, _ *int) error {
					tries.Add(1)
					if _, again := failed.LoadOrStore(*n, true); *n%10 == 0 && !again {
						return errBad
					}
					return nil
				},
			}
		}
		began := time.Now()
		p := pipeline.New("two", pipeline.Options{MaxRejects: -1})
		for _, name := range []string{"a", "b"} {
			pipeline.To(pipeline.Via(pipeline.From(p, "source "+name, slice(upTo(21)...)), name, stage()), "sink "+name, swallow[int]())
		}
		_, err := p.Run(t.Context())
		want := time.Duration(tries.Load()-1) * 100 * time.Millisecond
		if took := time.Since(began); err != nil || tries.Load() <= 42 || took < want-time.Millisecond || took > want+time.Second {
			t.Errorf("%d tries in %v, want %v; error %v", tries.Load(), took, want, err)
		}
	})
}

func TestAnErrorEndsTheOtherCallsAndWaitsForThem(t *testing.T) {
	for name, fail := range map[string]func() error{
		"an error": func() error { return errBad },
		"a panic":  func() error { panic(errBad) },
		"Goexit":   func() error { runtime.Goexit(); return nil },
	} {
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", unordered ", unordered), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var g gauge
					stage := transforms.Async[int, int]{Calls: 10, Unordered: unordered, Call: func(ctx context.Context, n, _ *int) error {
						g.enter()
						defer g.leave()
						if *n == 7 {
							_ = pause(ctx, time.Second)
							return fail()
						}
						<-ctx.Done()
						_ = pause(context.Background(), time.Minute) // it takes its time to end
						return ctx.Err()
					}}
					// The source waits for ever, so that the run must be told.
					source := pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
						for n := range 20 {
							if err := out.Write(n); err != nil {
								return err
							}
						}
						if err := out.Flush(); err != nil {
							return err
						}
						<-ctx.Done()
						return ctx.Err()
					})
					left := int64(-1)
					p := pipeline.New("async", pipeline.Options{})
					watched := pipeline.TransformFunc[int, int](func(ctx context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
						err := stage.Transform(ctx, in, out)
						left = g.now.Load()
						return err
					})
					pipeline.To(pipeline.Via(pipeline.From(p, "source", source), "stage", watched), "sink", swallow[int]())
					_, err := p.Run(t.Context())
					var failed *pipeline.StageError
					if !errors.As(err, &failed) || failed.Stage != "stage" {
						t.Fatalf("error %v", err)
					}
					var panicked *pipeline.PanicError
					switch name {
					case "an error":
						if !errors.Is(err, errBad) {
							t.Errorf("error %v", err)
						}
					case "a panic":
						if !errors.As(err, &panicked) || !errors.Is(err, errBad) || !pipeline.IsPermanent(err) {
							t.Errorf("error %v", err)
						}
					case "Goexit":
						if !strings.Contains(err.Error(), "a call ended its goroutine") {
							t.Errorf("error %v", err)
						}
					}
					if g.most.Load() != 10 || left != 0 {
						t.Errorf("%d calls were under way at once; %d when the stage had returned", g.most.Load(), left)
					}
				})
			})
		}
	}
}

func TestRejectsOfCallsComeInTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := transforms.Async[int, int]{Calls: 10, Call: func(ctx context.Context, n, made *int) error {
			if err := pause(ctx, time.Duration(*n*7%10)*time.Second); err != nil {
				return err
			}
			*made = *n
			if *n%3 == 0 {
				return transforms.Reject("n", fmt.Sprint(*n), "is divisible by three")
			}
			return nil
		}}
		r := pipelinetest.RunTransform(t.Context(), stage, upTo(100))
		if r.Err != nil || len(r.Rejects) != 33 || len(r.Records) != 67 || !slices.IsSorted(r.Records) {
			t.Fatalf("%d rejects, records %v, error %v", len(r.Rejects), r.Records, r.Err)
		}
		for i, reject := range r.Rejects {
			if n := fmt.Sprint(3 * (i + 1)); reject.Value != n || string(reject.Record) != n {
				t.Errorf("reject %d is %v", i, reject)
			}
		}
		strict := pipelinetest.RunTransform(t.Context(), stage, upTo(100), pipelinetest.WithOptions(pipeline.Options{MaxRejects: 4}))
		var beyond *pipeline.RejectError
		if !errors.As(strict.Err, &beyond) || beyond.Last.Value != "15" {
			t.Errorf("error %v", strict.Err)
		}
	})
}

func TestSettingsOfAsyncThatCannotBeAreInvalid(t *testing.T) {
	call := func(context.Context, *int, *int) error { return nil }
	for want, stage := range map[string]transforms.Async[int, int]{
		"transforms.Async: Call is nil":                                     {},
		"transforms.Async: Calls is -1: say how many":                       {Call: call, Calls: -1},
		"transforms.Async: Calls is 1000000: ":                              {Call: call, Calls: 1_000_000},
		"transforms.Async: Timeout is -1ns: ":                               {Call: call, Timeout: -1},
		"transforms.Async: Retry.MaxAttempts is -1: ":                       {Call: call, Retry: pipeline.Retry{MaxAttempts: -1}},
		"transforms.Async: Retry: a backoff cannot be negative":             {Call: call, Retry: pipeline.Retry{Backoff: -1}},
		"transforms.Async: Limiter allows no call (limit 5 a second, burst": {Call: call, Limiter: rate.NewLimiter(5, 0)},
		"transforms.Async: Limiter allows no call (limit 0 a second, burst": {Call: call, Limiter: rate.NewLimiter(0, 5)},
	} {
		checkInvalid(t, pipelinetest.RunTransform(t.Context(), stage, upTo(3)).Err, want)
	}
	unlimited := transforms.Async[int, int]{Call: call, Limiter: rate.NewLimiter(rate.Inf, 0)}
	if got := pipelinetest.Transform(t, unlimited, upTo(3)); len(got) != 3 {
		t.Error(got)
	}
	r := pipelinetest.RunTransform(t.Context(), unlimited, upTo(3), pipelinetest.WithStage(pipeline.Parallel(2)))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "Parallel") {
		t.Errorf("in lanes: %v", r.Err)
	}
}
