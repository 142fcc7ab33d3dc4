package pipelinetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// known passes on the numbers of a that b has too, and rejects the others.
type known struct{}

func (known) Transform(_ context.Context, a, b intIn, out intOut) error {
	met := map[int]bool{}
	for n, err := range b.All() {
		if err != nil {
			return err
		}
		met[n] = true
	}
	for n, err := range a.All() {
		if err != nil {
			return err
		}
		if met[n] {
			err = out.Write(n)
		} else {
			err = a.Reject(&n, pipeline.Reject{Value: fmt.Sprint(n), Reason: "is unknown"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// zipped adds the numbers of both up, one by one, and ends with the shorter one.
type zipped struct{}

func (zipped) Transform(_ context.Context, a, b intIn, out intOut) error {
	for n, err := range a.All() {
		if err != nil {
			return err
		}
		more := false
		for m, err := range b.All() {
			if err != nil {
				return err
			}
			n, more = n+m, true
			break
		}
		if !more {
			return nil
		}
		if err := out.Write(n); err != nil {
			return err
		}
	}
	return nil
}

// both forwards whatever comes, from a goroutine for each input.
type both struct{}

func (both) Transform(ctx context.Context, a, b intIn, out intOut) error {
	var turn sync.Mutex
	return pipeline.EachLane(ctx, []intIn{a, b}, func(_ int, in intIn) error {
		return each(in, func(batch ints) error {
			turn.Lock()
			defer turn.Unlock()
			return out.WriteBatch(batch)
		})
	})
}

func TestHonestTransformsOfTwoInputsPass(t *testing.T) {
	t.Run("one that reads its inputs one after the other", func(t *testing.T) {
		pipelinetest.CheckTransform2(t, known{}, numbers(40), numbers(30))
	})
	t.Run("one that reads them in turn", func(t *testing.T) { pipelinetest.CheckTransform2(t, zipped{}, numbers(40), numbers(40)) })
	t.Run("one that leaves the longer input", func(t *testing.T) { pipelinetest.CheckTransform2(t, zipped{}, numbers(40), numbers(30)) })
	t.Run("one that reads both at once", func(t *testing.T) {
		pipelinetest.CheckTransform2(t, both{}, numbers(40), numbers(30), pipelinetest.Unordered())
	})
}

func TestTransform2ReturnsWhatItWrote(t *testing.T) {
	if got := pipelinetest.Transform2(t, known{}, []int{3, 1}, []int{1, 2, 3}); !slices.Equal(got, []int{3, 1}) {
		t.Errorf("got %v", got)
	}
	r := pipelinetest.RunTransform2(t.Context(), known{}, []int{1, 2}, []int{2})
	if r.Err != nil || !slices.Equal(r.Records, []int{2}) || len(r.Rejects) != 1 || r.Rejects[0].Value != "1" {
		t.Errorf("result: %+v", r)
	}
	if s := r.Stage(); s.RecordsIn != 3 || s.Inputs[0].Records != 2 || s.Inputs[1].Records != 1 {
		t.Errorf("report: %+v", s)
	}
	mustComplain(t, `"1" is unknown`, complaints(t, func(t testing.TB) {
		pipelinetest.Transform2(t, known{}, []int{1}, nil)
		t.Errorf("the test went on")
	}))
}

func TestLyingTransformsOfTwoInputsAreFoundOut(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	drain := func(in intIn) error { return each(in, func(ints) error { return nil }) }

	for _, c := range []struct {
		name string
		lie  pipeline.Transform2Func[int, int, int]
		want string
	}{
		{"it takes a failed first input for an ended one", func(_ context.Context, a, b intIn, out intOut) error {
			if err := drain(b); err != nil {
				return err
			}
			_ = each(a, out.WriteBatch)
			return nil
		}, "CheckTransform2: input a: its input failed: it returned nil"},

		{"it takes a failed second input for an ended one", func(_ context.Context, a, b intIn, out intOut) error {
			_ = drain(b)
			_ = each(a, out.WriteBatch)
			return nil
		}, "CheckTransform2: input b: its input failed: it returned nil"},

		{"it hides the second reader's error behind its own", func(_ context.Context, a, b intIn, out intOut) error {
			if drain(b) != nil {
				return errOwn
			}
			return each(a, out.WriteBatch)
		}, "input b: cancelled while it waits for input: it returned \"something went wrong\", which hides the cause"},

		{"it does not stop at its first input", func(_ context.Context, a, b intIn, out intOut) error {
			if err := drain(b); err != nil {
				return err
			}
			err := each(a, out.WriteBatch)
			if err != nil {
				<-release
			}
			return err
		}, "input a: cancelled while it waits for input: it has not stopped"},

		{"its order hangs on which input comes first", func(ctx context.Context, a, b intIn, out intOut) error {
			return both{}.Transform(ctx, a, b, out)
		}, "when it comes after the other one: other than"},

		{"it writes once for each batch of the second input", func(_ context.Context, a, b intIn, out intOut) error {
			if err := drain(a); err != nil {
				return err
			}
			return each(b, func(b ints) error { return out.Write(b[0]) })
		}, "input b: with batches of 1: other than"},

		{"it reads a batch of the second input after it passed it on", func(_ context.Context, a, b intIn, out intOut) error {
			if err := drain(a); err != nil {
				return err
			}
			var kept []ints
			if err := each(b, func(b ints) error { kept = append(kept, b); return out.WriteBatch(b) }); err != nil {
				return err
			}
			sum := 0
			for _, n := range slices.Concat(kept...) {
				sum += n
			}
			return out.Write(sum)
		}, "input b: it read a batch after it had passed it on"},

		{"it fails when the second input is empty", func(_ context.Context, a, b intIn, out intOut) error {
			some := false
			if err := each(b, func(ints) error { some = true; return nil }); err != nil {
				return err
			}
			if !some {
				return errOwn
			}
			return each(a, out.WriteBatch)
		}, "input b: with an empty input: it failed"},

		{"it fails only when both are empty", func(_ context.Context, a, b intIn, out intOut) error {
			some := false
			write := func(b ints) error { some = true; return out.WriteBatch(b) }
			if err := errors.Join(each(a, write), each(b, write)); err != nil {
				return err
			}
			if !some {
				return errOwn
			}
			return nil
		}, "with an empty input: it failed"},

		{"it leaves a goroutine behind", func(_ context.Context, a, b intIn, out intOut) error {
			go func() { <-release }()
			return errors.Join(drain(a), drain(b))
		}, "it leaves goroutines behind"},

		{"it fails always", func(context.Context, intIn, intIn, intOut) error { return errOwn }, "a plain run: it failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustComplain(t, c.want, complaints(t, func(t testing.TB) {
				pipelinetest.CheckTransform2(t, c.lie, numbers(40), numbers(30), pipelinetest.Within(200*time.Millisecond))
			}))
		})
	}
}
