package pipelinetest_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// numbers is an input of several batches of every size that the checks use.
func numbers(n int) []int {
	in := make([]int, n)
	for i := range in {
		in[i] = i + 1
	}
	return in
}

// limit passes on the first records, and returns before its input ends.
type limit int

func (l limit) Serial() {}

func (l limit) Transform(_ context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
	left := int(l)
	if left == 0 {
		return nil
	}
	for n, err := range in.All() {
		if err != nil {
			return err
		}
		if err := out.Write(n); err != nil {
			return err
		}
		if left--; left == 0 {
			return nil
		}
	}
	return nil
}

// sums adds up, and writes at the end only; it knows how to work in lanes.
type sums struct{}

func (s sums) Transform(ctx context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
	return s.TransformLanes(ctx, []*pipeline.Reader[int]{in}, out)
}

func (sums) TransformLanes(ctx context.Context, ins []*pipeline.Reader[int], out *pipeline.Writer[int]) error {
	parts := make([]int, len(ins))
	err := pipeline.EachLane(ctx, ins, func(lane int, in *pipeline.Reader[int]) error {
		for n, err := range in.All() {
			if err != nil {
				return err
			}
			parts[lane] += n
		}
		return nil
	})
	if err != nil {
		return err
	}
	total := 0
	for _, p := range parts {
		total += p
	}
	for range 5 {
		if err := out.Write(total); err != nil {
			return err
		}
	}
	return nil
}

// halves splits itself.
type halves []int

func (h halves) Extract(_ context.Context, out *pipeline.Writer[int]) error {
	for _, n := range h {
		if err := out.Write(n); err != nil {
			return err
		}
	}
	return nil
}

func (h halves) Split(context.Context, int) ([]pipeline.Source[int], error) {
	return []pipeline.Source[int]{h[:len(h)/2], h[len(h)/2:]}, nil
}

// memory is a sink that joins a unit of work, as a database would.
type memory struct {
	mu   sync.Mutex
	rows []int
}

type memoryUnit struct {
	m    *memory
	rows []int
}

func (u *memoryUnit) Name() string                  { return "memory" }
func (u *memoryUnit) Phase() pipeline.Phase         { return pipeline.PhaseData }
func (u *memoryUnit) Prepare(context.Context) error { return nil }

func (u *memoryUnit) Commit(context.Context) error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	u.m.rows = append(u.m.rows, u.rows...)
	return nil
}

func (u *memoryUnit) Rollback(context.Context) error { return nil }

func (m *memory) Load(ctx context.Context, in *pipeline.Reader[int]) error {
	unit, err := pipeline.Join(ctx, m, func(context.Context) (*memoryUnit, error) { return &memoryUnit{m: m}, nil })
	if err != nil {
		return err
	}
	for n, err := range in.All() {
		if err != nil {
			return err
		}
		unit.rows = append(unit.rows, n)
	}
	return nil
}

// take returns the rows and clears them.
func (m *memory) take() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := m.rows
	m.rows = nil
	return rows
}

// file writes its records to a file, all of them or none. Two runs at once would meet there.
type file string

func (f file) Load(_ context.Context, in *pipeline.Reader[int]) error {
	var text []byte
	for n, err := range in.All() {
		if err != nil {
			return err
		}
		text = append(strconv.AppendInt(text, int64(n), 10), '\n')
	}
	return os.WriteFile(string(f), text, 0o600)
}

func TestHonestStagesPass(t *testing.T) {
	passes := func(name string, check func(t testing.TB)) {
		t.Run(name, func(t *testing.T) {
			for _, c := range complaints(t, check) {
				t.Error(c)
			}
		})
	}
	passes("a source", func(t testing.TB) { pipelinetest.CheckSource(t, count(1000)) })
	passes("a source with nothing to give", func(t testing.TB) { pipelinetest.CheckSource(t, count(0)) })
	passes("a source in parts", func(t testing.TB) {
		pipelinetest.CheckSource(t, halves(numbers(50)), pipelinetest.WithStage(pipeline.Parallel(2)), pipelinetest.Unordered())
	})
	passes("a transform that rejects", func(t testing.TB) { pipelinetest.CheckTransform(t, halve{}, numbers(300)) })
	passes("a transform in lanes", func(t testing.TB) {
		pipelinetest.CheckTransform(t, halve{}, numbers(300), pipelinetest.WithStage(pipeline.Parallel(3)), pipelinetest.Unordered())
	})
	passes("a transform that returns early", func(t testing.TB) { pipelinetest.CheckTransform(t, limit(7), numbers(20)) })
	passes("a transform that never reads", func(t testing.TB) { pipelinetest.CheckTransform(t, limit(0), numbers(20)) })
	passes("a transform that writes at the end", func(t testing.TB) { pipelinetest.CheckTransform(t, sums{}, numbers(300)) })
	passes("a transform with lanes of its own", func(t testing.TB) {
		pipelinetest.CheckTransform(t, sums{}, numbers(300), pipelinetest.WithStage(pipeline.Parallel(3)))
	})
	passes("a transform that works in place", func(t testing.TB) {
		pipelinetest.CheckTransform(t, inPlace(func(*int) {}), numbers(300))
	})
	passes("a transform of records with NaN, pointers and times", func(t testing.TB) {
		type odd struct {
			f float64
			p *string
			t time.Time
		}
		text := "text"
		in := []odd{{f: math.NaN()}, {p: &text}, {t: time.Now()}}
		pipelinetest.CheckTransform(t, inPlace(func(*odd) {}), in)
		pipelinetest.CheckTransform(t, inPlace(func(o *odd) {
			if o.p != nil {
				p := *o.p + "!"
				o.p = &p
			}
		}), in, pipelinetest.Unordered())
	})
	passes("a sink", func(t testing.TB) {
		m := &memory{}
		pipelinetest.CheckSink(t, m, numbers(300), pipelinetest.Loaded(m.take), pipelinetest.AllOrNothing())
	})
	passes("a sink that nobody can look into", func(t testing.TB) { pipelinetest.CheckSink(t, &memory{}, numbers(3)) })
	passes("a sink for one run at a time", func(t testing.TB) {
		path := filepath.Join(os.TempDir(), "pipelinetest-"+strconv.Itoa(os.Getpid()))
		defer os.Remove(path)
		pipelinetest.CheckSink(t, file(path), numbers(300), pipelinetest.OneRunAtATime(), pipelinetest.AllOrNothing(),
			pipelinetest.Loaded(func() any {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				return string(text)
			}))
	})
}

// inPlace changes each record and passes the batch on.
func inPlace[T any](change func(*T)) pipeline.Transform[T, T] {
	return pipeline.TransformFunc[T, T](func(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			for i := range batch {
				change(&batch[i])
			}
			if err := out.WriteBatch(batch); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestUnorderedForgivesTheOrderOnly(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	waves := func(drop bool) pipeline.Source[int] {
		return pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
			mu.Lock()
			calls++
			order := numbers(20)
			if calls%2 == 0 {
				slices.Reverse(order)
				if drop {
					order[3] = 99
				}
			}
			mu.Unlock()
			return out.WriteBatch(order)
		})
	}
	mustComplain(t, "record 1 is 20, and not 1", complaints(t, func(t testing.TB) { pipelinetest.CheckSource(t, waves(false)) }))
	for _, c := range complaints(t, func(t testing.TB) { pipelinetest.CheckSource(t, waves(false), pipelinetest.Unordered()) }) {
		t.Error(c)
	}
	calls = 0
	mustComplain(t, "is 99, and not 17", complaints(t, func(t testing.TB) {
		pipelinetest.CheckSource(t, waves(true), pipelinetest.Unordered())
	}))
}
