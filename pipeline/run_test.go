package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

func TestRecordsArriveCompleteAndInOrder(t *testing.T) {
	for _, size := range []int{1, 2, 512} {
		for _, n := range []int{0, 1, 2, 511, 512, 513, 5000} {
			t.Run(fmt.Sprintf("%d records in batches of %d", n, size), func(t *testing.T) {
				var got collector[int]
				p := pipeline.New("order", pipeline.Options{BatchSize: size, Buffer: 1})
				pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(n)), "double", each(double)), "sink", &got)
				rep := mustRun(t, p)
				want := sequence(n)
				for i := range want {
					want[i] *= 2
				}
				if !slices.Equal(got.got, want) {
					t.Fatalf("got %d records, want %d, or in another order", len(got.got), n)
				}
				for stage, in := range map[string]int64{"numbers": 0, "double": int64(n), "sink": int64(n)} {
					if s := rep.Stage(stage); s.RecordsIn != in || s.State != pipeline.StateSucceeded {
						t.Errorf("%s: records_in %d, want %d; state %s", stage, s.RecordsIn, in, s.State)
					}
				}
				if out := rep.Stage("double").RecordsOut; out != int64(n) {
					t.Errorf("double: records_out %d, want %d", out, n)
				}
			})
		}
	}
}

func TestATeeGivesEachBranchItsOwnRecords(t *testing.T) {
	const n = 3000
	var plain, doubled, negated collector[int]
	p := pipeline.New("tee", pipeline.Options{BatchSize: 7, Buffer: 1})
	s := pipeline.From(p, "numbers", numbers(n))
	// A branch that changes its batches in place must not be seen by the others.
	inPlace := func(f func(int) int) pipeline.Transform[int, int] {
		return pipeline.TransformFunc[int, int](func(_ context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
			for b, err := range in.Batches() {
				if err != nil {
					return err
				}
				for i := range b {
					b[i] = f(b[i])
				}
				if err := out.WriteBatch(b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	pipeline.To(pipeline.Via(s, "double", inPlace(func(i int) int { return 2 * i })), "doubled", &doubled)
	pipeline.To(s, "plain", &plain)
	pipeline.To(pipeline.Via(s, "negate", inPlace(func(i int) int { return -i })), "negated", &negated)
	mustRun(t, p)
	for i := range n {
		if plain.got[i] != i || doubled.got[i] != 2*i || negated.got[i] != -i {
			t.Fatalf("record %d: %d, %d, %d", i, plain.got[i], doubled.got[i], negated.got[i])
		}
	}
}

func TestADiamondLosesNothing(t *testing.T) {
	const n = 4000
	var got collector[int]
	p := pipeline.New("diamond", pipeline.Options{BatchSize: 3, Buffer: 1})
	s := pipeline.From(p, "numbers", numbers(n))
	left := pipeline.Via(s, "left", each(func(i int) (int, error) { return i, nil }))
	right := pipeline.Via(s, "right", each(func(i int) (int, error) { return i + n, nil }))
	pipeline.To(pipeline.Merge(left, right), "sink", &got)
	mustRun(t, p)
	if !slices.Equal(sorted(got.got), sequence(2*n)) {
		t.Fatalf("got %d records, want each of 0 … %d once", len(got.got), 2*n-1)
	}
}

func TestAMergeEndsWithTheLastOfItsStreams(t *testing.T) {
	var got collector[int]
	p := pipeline.New("merge", pipeline.Options{BatchSize: 2})
	none := pipeline.From(p, "none", numbers(0))
	some := pipeline.From(p, "some", numbers(100))
	pipeline.To(pipeline.Merge(none, some), "sink", &got)
	mustRun(t, p)
	if !slices.Equal(got.got, sequence(100)) || got.ends != 1 {
		t.Fatalf("got %d records and %d ends", len(got.got), got.ends)
	}
}

func TestAStageThatStopsReadingDoesNotStopTheOthers(t *testing.T) {
	const n = 10_000
	var first []int
	var all collector[int]
	p := pipeline.New("limit", pipeline.Options{BatchSize: 8, Buffer: 1})
	s := pipeline.From(p, "numbers", numbers(n))
	pipeline.To(s, "first", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			first = append(first, r)
			if len(first) == 10 {
				return nil
			}
		}
		return nil
	}))
	pipeline.To(s, "all", &all)
	mustRun(t, p)
	if !slices.Equal(first, sequence(10)) || len(all.got) != n {
		t.Fatalf("the stage that stopped has %v, the other %d records of %d", first, len(all.got), n)
	}
}

func TestALoopThatWasLeftCanBeTakenUpAgain(t *testing.T) {
	var got []int
	p := pipeline.New("resume", pipeline.Options{BatchSize: 4})
	pipeline.To(pipeline.From(p, "numbers", numbers(11)), "sink", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for more := true; more; {
			more = false
			for r, err := range in.All() {
				if err != nil {
					return err
				}
				got, more = append(got, r), true
				break
			}
		}
		return nil
	}))
	mustRun(t, p)
	if !slices.Equal(got, sequence(11)) {
		t.Fatalf("got %v", got)
	}
}

// span is a source that can be split.
type span struct{ from, to int }

func (s span) Extract(_ context.Context, out *pipeline.Writer[int]) error {
	for i := s.from; i < s.to; i++ {
		if err := out.Write(i); err != nil {
			return err
		}
	}
	return nil
}

func (s span) Split(_ context.Context, n int) ([]pipeline.Source[int], error) {
	var parts []pipeline.Source[int]
	for i := range n {
		w := s.to - s.from
		parts = append(parts, span{s.from + i*w/n, s.from + (i+1)*w/n})
	}
	return parts, nil
}

func TestLanesShareTheWorkAndLoseNothing(t *testing.T) {
	const n = 20_000
	for _, lanes := range []int{0, 1, 2, 5} {
		t.Run(fmt.Sprintf("Parallel(%d)", lanes), func(t *testing.T) {
			var got collector[int]
			var calls atomic.Int64
			p := pipeline.New("lanes", pipeline.Options{BatchSize: 16})
			s := pipeline.From(p, "span", span{0, n}, pipeline.Parallel(lanes))
			d := pipeline.Via(s, "same", pipeline.TransformFunc[int, int](func(ctx context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
				calls.Add(1)
				return each(func(i int) (int, error) { return i, nil }).Transform(ctx, in, out)
			}), pipeline.Parallel(lanes))
			pipeline.To(d, "sink", &got)
			rep := mustRun(t, p)
			if !slices.Equal(sorted(got.got), sequence(n)) {
				t.Fatalf("got %d records, want each of %d once", len(got.got), n)
			}
			if want := int64(rep.Stage("same").Lanes); calls.Load() != want || lanes > 0 && want != int64(lanes) {
				t.Fatalf("the transform was called %d times, the report says %d lanes", calls.Load(), want)
			}
		})
	}
}

// summer adds up in lanes.
type summer struct{ lanes *int }

func (s summer) Transform(ctx context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
	return s.TransformLanes(ctx, []*pipeline.Reader[int]{in}, out)
}

func (s summer) TransformLanes(ctx context.Context, ins []*pipeline.Reader[int], out *pipeline.Writer[int]) error {
	*s.lanes = len(ins)
	sums := make([]int, len(ins))
	err := pipeline.EachLane(ctx, ins, func(lane int, in *pipeline.Reader[int]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			sums[lane] += r
		}
		return nil
	})
	if err != nil {
		return err
	}
	total := 0
	for _, n := range sums {
		total += n
	}
	return out.Write(total)
}

func TestATransformWithStateCanWorkInLanesOfItsOwn(t *testing.T) {
	var got collector[int]
	var lanes int
	p := pipeline.New("sum", pipeline.Options{BatchSize: 10})
	pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(1000)), "sum", summer{&lanes}, pipeline.Parallel(3)), "sink", &got)
	rep := mustRun(t, p)
	if !slices.Equal(got.got, []int{499_500}) || lanes != 3 {
		t.Fatalf("got %v in %d lanes", got.got, lanes)
	}
	if s := rep.Stage("sum"); s.RecordsIn != 1000 || s.RecordsOut != 1 {
		t.Fatalf("the report counts %d in, %d out", s.RecordsIn, s.RecordsOut)
	}
}

func TestAfterOrdersStepsAndSources(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(s string) func(context.Context) error {
		return func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, s)
			return nil
		}
	}
	p := pipeline.New("after", pipeline.Options{})
	prepare := pipeline.Do(p, "prepare", note("prepare"))
	first := pipeline.From(p, "first", pipeline.SourceFunc[int](func(ctx context.Context, out *pipeline.Writer[int]) error {
		return note("first")(ctx)
	}), pipeline.After(prepare))
	load := pipeline.To(first, "load", pipeline.SinkFunc[int](func(ctx context.Context, in *pipeline.Reader[int]) error {
		for _, err := range in.All() {
			if err != nil {
				return err
			}
		}
		return note("load")(ctx)
	}))
	analyze := pipeline.Do(p, "analyze", note("analyze"), pipeline.After(load, first))
	pipeline.Do(p, "notify", note("notify"), pipeline.After(analyze))
	mustRun(t, p)
	if want := []string{"prepare", "first", "load", "analyze", "notify"}; !slices.Equal(order, want) {
		t.Fatalf("order %v, want %v", order, want)
	}
}

func TestAThousandSmallRunsAtOnce(t *testing.T) {
	var sum atomic.Int64
	p := pipeline.New("many", pipeline.Options{BatchSize: 2})
	s := pipeline.Via(pipeline.From(p, "numbers", numbers(10)), "double", each(double))
	pipeline.To(s, "sink", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			sum.Add(int64(r))
		}
		return nil
	}))
	ids := sync.Map{}
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			rep, err := p.Run(t.Context())
			if err != nil {
				t.Error(err)
			}
			if _, twice := ids.LoadOrStore(rep.RunID, true); twice {
				t.Errorf("run ID %s was given twice", rep.RunID)
			}
		})
	}
	wg.Wait()
	if sum.Load() != 90*1000 {
		t.Fatalf("sum %d, want %d", sum.Load(), 90*1000)
	}
}

func TestRecordsReadsASourceFromWithinAStage(t *testing.T) {
	t.Run("whole", func(t *testing.T) {
		n := 0
		for r, err := range pipeline.Records(t.Context(), numbers(2000)) {
			if err != nil || r != n {
				t.Fatalf("record %d is %d, error %v", n, r, err)
			}
			n++
		}
		if n != 2000 {
			t.Fatalf("%d records", n)
		}
	})
	t.Run("left early", func(t *testing.T) {
		for r, err := range pipeline.Records(t.Context(), numbers(1_000_000)) {
			if err != nil {
				t.Fatal(err)
			}
			if r == 3 {
				break
			}
		} // goleak finds the source if it still runs
	})
	t.Run("a source that fails", func(t *testing.T) {
		var last error
		n := 0
		for _, err := range pipeline.Records(t.Context(), pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
			for i := range 600 {
				if err := out.Write(i); err != nil {
					return err
				}
			}
			return errBroken
		})) {
			if err != nil {
				last = err
				continue
			}
			n++
		}
		if !errors.Is(last, errBroken) {
			t.Fatalf("error %v after %d records", last, n)
		}
	})
	t.Run("a source that panics", func(t *testing.T) {
		for _, err := range pipeline.Records(t.Context(), pipeline.SourceFunc[int](func(context.Context, *pipeline.Writer[int]) error {
			panic("oh")
		})) {
			if err == nil {
				t.Fatal("a record from a source that panicked")
			}
			return
		}
		t.Fatal("the end of the stream instead of the panic")
	})
}
