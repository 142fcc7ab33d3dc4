package pipelinetest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// A liar breaks one rule, and must be found out.

type (
	ints    = []int
	intIn   = *pipeline.Reader[int]
	intOut  = *pipeline.Writer[int]
	liar    = pipeline.TransformFunc[int, int]
	badSrc  = pipeline.SourceFunc[int]
	badSink = pipeline.SinkFunc[int]
)

// each calls f for every batch, and returns what it or the reader says.
func each(in intIn, f func(batch ints) error) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		if err := f(batch); err != nil {
			return err
		}
	}
	return nil
}

var errOwn = errors.New("something went wrong")

func TestLyingTransformsAreFoundOut(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	var total int
	var turn sync.Mutex
	var calls atomic.Int64

	for _, c := range []struct {
		name string
		lie  liar
		want string
	}{
		{"it takes a failed input for an ended one", func(_ context.Context, in intIn, out intOut) error {
			for n, err := range in.All() {
				if err != nil {
					return nil
				}
				if err := out.Write(n); err != nil {
					return err
				}
			}
			return nil
		}, "its input failed: it returned nil"},

		{"it takes a cancelled run for an ended one", func(_ context.Context, in intIn, out intOut) error {
			err := each(in, out.WriteBatch)
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}, "cancelled while it waits for input: it returned nil"},

		{"it hides the reader's error behind its own", func(_ context.Context, in intIn, out intOut) error {
			if each(in, out.WriteBatch) != nil {
				return errOwn
			}
			return nil
		}, "which hides the cause"},

		{"it does not look at what Write returns", func(_ context.Context, in intIn, out intOut) error {
			var all ints
			if err := each(in, func(b ints) error { all = append(all, b...); return nil }); err != nil {
				return err
			}
			for _, n := range all {
				_ = out.Write(n)
			}
			return nil
		}, "waits for its output to be taken: it returned nil"},

		{"it does not stop when it is cancelled", func(_ context.Context, in intIn, out intOut) error {
			err := each(in, out.WriteBatch)
			if err != nil {
				<-release
			}
			return err
		}, "cancelled while it waits for input: it has not stopped"},

		{"it panics when it is cancelled", func(_ context.Context, in intIn, out intOut) error {
			if err := each(in, out.WriteBatch); err != nil {
				panic(err)
			}
			return nil
		}, "it panicked"},

		{"its result hangs on the size of batches", func(_ context.Context, in intIn, out intOut) error {
			return each(in, func(b ints) error { return out.Write(b[0]) })
		}, "with batches of 1: other than"},

		{"it rejects once for each batch", func(_ context.Context, in intIn, out intOut) error {
			return each(in, func(b ints) error { return out.Reject(pipeline.Reject{Value: fmt.Sprint(b[0])}) })
		}, "with batches of 1: other than with batches of 512: there are 40 rejects"},

		{"it remembers the run before", func(_ context.Context, in intIn, out intOut) error {
			if err := each(in, out.WriteBatch); err != nil {
				return err
			}
			return out.Write(int(calls.Add(1)))
		}, "with batches of 1: other than"},

		{"it keeps what belongs to a run in the stage", func(_ context.Context, in intIn, out intOut) error {
			turn.Lock()
			total = 0
			turn.Unlock()
			err := each(in, func(b ints) error {
				turn.Lock()
				defer turn.Unlock()
				for _, n := range b {
					total += n
				}
				return nil
			})
			if err != nil {
				return err
			}
			turn.Lock()
			defer turn.Unlock()
			return out.Write(total)
		}, "4 runs at once: other than"},

		{"it leaves a goroutine behind", func(_ context.Context, in intIn, out intOut) error {
			go func() { <-release }()
			return each(in, out.WriteBatch)
		}, "it leaves goroutines behind"},

		{"it fails on an empty input", func(_ context.Context, in intIn, out intOut) error {
			some := false
			err := each(in, func(b ints) error { some = true; return out.WriteBatch(b) })
			if err == nil && !some {
				return errOwn
			}
			return err
		}, "with an empty input: it failed"},

		{"it fails always", func(context.Context, intIn, intOut) error { return errOwn }, "a plain run: it failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustComplain(t, c.want, complaints(t, func(t testing.TB) {
				pipelinetest.CheckTransform(t, c.lie, numbers(40), pipelinetest.Within(200*time.Millisecond))
			}))
		})
	}
}

func TestLyingSourcesAreFoundOut(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	var calls atomic.Int64

	for _, c := range []struct {
		name string
		lie  badSrc
		want string
	}{
		{"it does not look at what Write returns", func(_ context.Context, out intOut) error {
			for i := range 40 {
				_ = out.Write(i)
			}
			return nil
		}, "waits for its output to be taken: it returned nil"},

		{"it hides the writer's error behind its own", func(_ context.Context, out intOut) error {
			for i := range 40 {
				if out.Write(i) != nil {
					return errOwn
				}
			}
			return nil
		}, "which hides the cause"},

		{"it does not stop when it is cancelled", func(_ context.Context, out intOut) error {
			for i := range 40 {
				if err := out.Write(i); err != nil {
					<-release
					return err
				}
			}
			return nil
		}, "it has not stopped"},

		{"it gives something else each time", func(_ context.Context, out intOut) error {
			return out.Write(int(calls.Add(1)))
		}, "with batches of 1: other than"},

		{"it leaves a goroutine behind", func(_ context.Context, out intOut) error {
			go func() { <-release }()
			return out.Write(1)
		}, "it leaves goroutines behind"},

		{"it fails always", func(context.Context, intOut) error { return errOwn }, "a plain run: it failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustComplain(t, c.want, complaints(t, func(t testing.TB) {
				pipelinetest.CheckSource(t, c.lie, pipelinetest.Within(200*time.Millisecond))
			}))
		})
	}
}

func TestLyingSinksAreFoundOut(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	var loaded ints // the checks that look at it run one at a time
	load := func(in intIn) error {
		return each(in, func(b ints) error { loaded = append(loaded, b...); return nil })
	}
	take := func() any {
		rows := loaded
		loaded = nil
		return rows
	}

	for _, c := range []struct {
		name    string
		lie     badSink
		options []pipelinetest.Option
		want    string
	}{
		{"it takes a failed input for an ended one", func(_ context.Context, in intIn) error {
			_ = each(in, func(ints) error { return nil })
			return nil
		}, nil, "its input failed: it returned nil"},

		{"it hides the reader's error behind its own", func(_ context.Context, in intIn) error {
			if each(in, func(ints) error { return nil }) != nil {
				return errOwn
			}
			return nil
		}, nil, "which hides the cause"},

		{"it does not stop when it is cancelled", func(_ context.Context, in intIn) error {
			err := each(in, func(ints) error { return nil })
			if err != nil {
				<-release
			}
			return err
		}, nil, "it has not stopped"},

		{"it leaves what a failed run loaded", func(_ context.Context, in intIn) error { return load(in) },
			[]pipelinetest.Option{pipelinetest.OneRunAtATime(), pipelinetest.Loaded(take), pipelinetest.AllOrNothing()},
			"its input failed: its target holds"},

		{"it leaves what a cancelled run loaded", func(_ context.Context, in intIn) error { return load(in) },
			[]pipelinetest.Option{pipelinetest.OneRunAtATime(), pipelinetest.Loaded(take), pipelinetest.AllOrNothing()},
			"cancelled while it waits for input: its target holds"},

		{"it leaves a goroutine behind", func(_ context.Context, in intIn) error {
			go func() { <-release }()
			return each(in, func(ints) error { return nil })
		}, nil, "it leaves goroutines behind"},

		{"it fails on an empty input", func(_ context.Context, in intIn) error {
			some := false
			err := each(in, func(ints) error { some = true; return nil })
			if err == nil && !some {
				return errOwn
			}
			return err
		}, nil, "with an empty input: it failed"},

		{"it promises more than can be seen", func(_ context.Context, in intIn) error { return load(in) },
			[]pipelinetest.Option{pipelinetest.AllOrNothing()}, "AllOrNothing needs Loaded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustComplain(t, c.want, complaints(t, func(t testing.TB) {
				pipelinetest.CheckSink(t, c.lie, numbers(40), append(c.options, pipelinetest.Within(200*time.Millisecond))...)
			}))
		})
	}
}
