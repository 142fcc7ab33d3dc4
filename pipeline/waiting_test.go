package pipeline_test

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

	"github.com/millrace/millrace/pipeline"
)

// tight are options under which whatever can hold something up does.
func tight(maxWaiting int64) pipeline.Options {
	return pipeline.Options{BatchSize: 3, Buffer: 1, MaxWaiting: maxWaiting}
}

// The second sink of a tee waits for the first: its records must go somewhere, or the first gets no more.
func TestASinkWaitsForItsSister(t *testing.T) {
	const n = 10_000
	for name, limit := range map[string]int64{"in memory": 0, "in a file": 1, "in both": 4 << 10} {
		t.Run(name, func(t *testing.T) {
			var order []string
			var mu sync.Mutex
			note := func(name string, c *collector[int]) pipeline.Sink[int] {
				return pipeline.SinkFunc[int](func(ctx context.Context, in *pipeline.Reader[int]) error {
					for i, err := range in.All() {
						if err != nil {
							return err
						}
						c.got = append(c.got, i)
						mu.Lock()
						if len(order) == 0 || order[len(order)-1] != name {
							order = append(order, name)
						}
						mu.Unlock()
					}
					return nil
				})
			}
			var parents, children, grandchildren collector[int]
			p := pipeline.New("p", tight(limit))
			s := pipeline.From(p, "numbers", numbers(n))
			first := pipeline.To(s, "parents", note("parents", &parents))
			second := pipeline.To(pipeline.Via(s, "double", each(double)), "children", note("children", &children), pipeline.After(first))
			pipeline.To(s, "grandchildren", note("grandchildren", &grandchildren), pipeline.After(second))
			mustRun(t, p)
			if want := []string{"parents", "children", "grandchildren"}; !slices.Equal(order, want) {
				t.Errorf("order %v", order)
			}
			if !slices.Equal(parents.got, sequence(n)) || !slices.Equal(grandchildren.got, sequence(n)) || len(children.got) != n || children.got[n-1] != 2*(n-1) {
				t.Errorf("%d, %d and %d records, or not in order", len(parents.got), len(children.got), len(grandchildren.got))
			}
		})
	}
}

// zip reads its inputs one after the other, b first if so told.
type zip struct{ bFirst bool }

func (z zip) Transform(_ context.Context, a, b *pipeline.Reader[int], out *pipeline.Writer[int]) error {
	if z.bFirst {
		a, b = b, a
	}
	for _, in := range []*pipeline.Reader[int]{a, b} {
		for i, err := range in.All() {
			if err != nil {
				return err
			}
			if err := out.Write(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestTwoInputsThatHoldEachOtherUp(t *testing.T) {
	const n = 5000
	for name, c := range map[string]struct {
		build func(p *pipeline.Pipeline) pipeline.Stream[int]
		want  int
	}{
		"sides with a common source": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			s := pipeline.From(p, "s", numbers(n))
			return pipeline.Via2(pipeline.Via(s, "l", each(double)), s, "both", zip{})
		}, 2 * n},
		"two streams of one split": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			yes, no := pipeline.Partition(pipeline.From(p, "s", numbers(n)), "even", func(i *int) bool { return *i%2 == 0 })
			return pipeline.Via2(yes, no, "both", zip{})
		}, n},
		// No ancestor in common: each of the two holds up the other one's source.
		"two stages that read two sources in opposite order": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			a, b := pipeline.From(p, "a", numbers(n)), pipeline.From(p, "b", numbers(n))
			return pipeline.Merge(pipeline.Via2(a, b, "ab", zip{}), pipeline.Via2(a, b, "ba", zip{bFirst: true}))
		}, 4 * n},
		"a side whose source waits for the other side": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			a := pipeline.From(p, "a", numbers(n))
			load := pipeline.To(a, "load", &collector[int]{})
			late := pipeline.From(p, "late", numbers(n), pipeline.After(load))
			return pipeline.Via2(a, late, "both", zip{bFirst: true})
		}, 2 * n},
		"a side that are the rejects of the other": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			clean := pipeline.Via(pipeline.From(p, "s", numbers(n)), "picky", picky(everyTenth))
			bad := pipeline.Via(pipeline.Rejects(p), "count", each(func(pipeline.Reject) (int, error) { return -1, nil }))
			return pipeline.Via2(clean, bad, "both", zip{bFirst: true})
		}, n},
		"a stage behind that reads what comes out and what went in": {func(p *pipeline.Pipeline) pipeline.Stream[int] {
			a, b := pipeline.From(p, "a", numbers(n)), pipeline.From(p, "b", numbers(n))
			return pipeline.Via2(pipeline.Via2(a, b, "ab", zip{bFirst: true}), pipeline.Via(a, "l", each(double)), "all", zip{bFirst: true})
		}, 3 * n},
	} {
		for limitName, limit := range map[string]int64{"memory": 0, "file": 1} {
			t.Run(name+", "+limitName, func(t *testing.T) {
				o := tight(limit)
				o.MaxRejects = -1
				var got collector[int]
				p := pipeline.New("p", o)
				pipeline.To(c.build(p), "sink", &got)
				mustRun(t, p)
				if len(got.got) != c.want {
					t.Errorf("got %d records of %d", len(got.got), c.want)
				}
			})
		}
	}
}

// Where nothing can hold each other up a slow stage slows those before it, and nothing waits in files: not even a type
// that no file can hold is refused.
func TestInputsThatCannotHoldEachOtherUpDoNotWaitInFiles(t *testing.T) {
	type unfit func()
	source := sourceOf(func(out *pipeline.Writer[unfit]) error {
		for range 1000 {
			if err := out.Write(nil); err != nil {
				return err
			}
		}
		return nil
	})
	p := pipeline.New("p", tight(1))
	step := pipeline.Do(p, "step", func(context.Context) error { return nil })
	a, b := pipeline.From(p, "a", source), pipeline.From(p, "b", source)
	both := pipeline.Via2(a, b, "both", pipeline.Transform2Func[unfit, unfit, int](
		func(_ context.Context, a, b *pipeline.Reader[unfit], out *pipeline.Writer[int]) error {
			n := 0
			for _, in := range []*pipeline.Reader[unfit]{b, a} {
				for _, err := range in.All() {
					if err != nil {
						return err
					}
					n++
				}
			}
			return out.Write(n)
		}))
	var got collector[int]
	pipeline.To(both, "sink", &got, pipeline.After(step))
	mustRun(t, p)
	if !slices.Equal(got.got, []int{2000}) {
		t.Errorf("got %v", got.got)
	}
}

func TestBackPressureHoldsOnTheInputThatIsRead(t *testing.T) {
	const early, n = 1000, 3000
	var written, read, ahead atomic.Int64
	p := pipeline.New("p", pipeline.Options{BatchSize: 1, Buffer: 2})
	s := pipeline.From(p, "s", sourceOf(func(out *pipeline.Writer[int]) error {
		for i := range n {
			if err := out.Write(i); err != nil {
				return err
			}
			if i >= early {
				ahead.Store(max(ahead.Load(), written.Add(1)-read.Load()))
			}
		}
		return nil
	}))
	a, b := pipeline.Partition(s, "early", func(i *int) bool { return *i < early })
	var got collector[int]
	pipeline.To(pipeline.Via2(a, b, "both", pipeline.Transform2Func[int, int, int](
		func(ctx context.Context, a, b *pipeline.Reader[int], out *pipeline.Writer[int]) error {
			for _, err := range b.All() { // what comes for a meanwhile waits
				if err != nil {
					return err
				}
				read.Add(1)
				for range 20 {
					runtime.Gosched()
				}
			}
			return first(early).Transform(ctx, a, out)
		})), "sink", &got)
	mustRun(t, p)
	if !slices.Equal(got.got, sequence(early)) || read.Load() != n-early {
		t.Errorf("%d and %d records", len(got.got), read.Load())
	}
	if ahead.Load() > 20 {
		t.Errorf("the source was %d records ahead of a reader with room for 2", ahead.Load())
	}
}

func TestAFailureOrACancelWhileRecordsWaitEndsTheRun(t *testing.T) {
	for name, limit := range map[string]int64{"in memory": 0, "in a file": 1} {
		t.Run(name, func(t *testing.T) {
			p := pipeline.New("p", tight(limit))
			s := pipeline.From(p, "s", numbers(10_000))
			first := pipeline.To(s, "first", sinkOf(func(i int) error {
				if i == 9000 {
					return errBroken
				}
				return nil
			}))
			var got collector[int]
			pipeline.To(s, "second", &got, pipeline.After(first))
			if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "p: first: ") || len(got.got) > 0 || got.ends > 0 {
				t.Errorf("error %v, %d records, %d ends", err, len(got.got), got.ends)
			}
		})
	}
}

func TestAFolderThatCannotBeWrittenIsTheErrorOfWhoWrites(t *testing.T) {
	t.Setenv("TMPDIR", "/proc/nowhere")
	p := pipeline.New("p", tight(1))
	s := pipeline.From(p, "s", numbers(1000))
	first := pipeline.To(s, "first", &collector[int]{})
	pipeline.To(s, "second", &collector[int]{}, pipeline.After(first))
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "p: s: records that wait for their reader: spill folder /proc/nowhere: ") {
		t.Errorf("error %v", fmt.Sprint(err))
	}
}
