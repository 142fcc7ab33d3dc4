package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/pipeline"
)

// A random graph is built together with what each of its streams must hold: records are the numbers that a
// source counts, stages pass them on, and so the number of records and their sum are known everywhere.
type randomGraph struct {
	*rand.Rand
	p       *pipeline.Pipeline
	n       int // of records in the largest source
	names   int
	open    []tally
	stages  []pipeline.Dependency // to wait for
	checks  []func() error
	letters *atomic.Int64 // how many rejects came; nil when nobody reads them
	budget  bool          // stages may reject
	limits  bool          // some stage stops reading, so that nothing is counted behind it
}

// tally is a stream and what it must hold. It holds at most that where exact is false.
type tally struct {
	stream     pipeline.Stream[int64]
	count, sum int64
	used       int
	exact      bool
	behind     bool // the rejects
}

func (g *randomGraph) name(kind string) string {
	g.names++
	return kind + strconv.Itoa(g.names)
}

func (g *randomGraph) oneIn(n int) bool { return g.IntN(n) == 0 }

// pick takes a stream; often one that was used before, which makes a tee.
func (g *randomGraph) pick() *tally {
	t := &g.open[g.IntN(len(g.open))]
	t.used++
	return t
}

func (g *randomGraph) options(lanes bool) (options []pipeline.StageOption) {
	if lanes && g.oneIn(4) {
		options = append(options, pipeline.Parallel(1+g.IntN(3)))
	}
	for len(g.stages) > 0 && g.oneIn(3) { // none of them is behind the rejects

		options = append(options, pipeline.After(g.stages[g.IntN(len(g.stages))]))
	}
	return options
}

func (g *randomGraph) add(t tally) {
	g.open = append(g.open, t)
	if !t.behind {
		g.stages = append(g.stages, t.stream)
	}
}

func (g *randomGraph) source() {
	n := 1 + g.IntN(g.n)
	s := pipeline.From(g.p, g.name("source"), sourceOf(func(out *pipeline.Writer[int64]) error {
		for i := range n {
			if err := out.Write(int64(i)); err != nil {
				return err
			}
		}
		return nil
	}), g.options(false)...)
	g.add(tally{stream: s, count: int64(n), sum: int64(n) * int64(n-1) / 2, exact: true})
}

func (g *randomGraph) pass() {
	in := *g.pick()
	in.stream = pipeline.Via(in.stream, g.name("pass"), pass64{}, g.options(true)...)
	in.used = 0
	g.add(in)
}

// picky sets aside about one of a hundred.
func (g *randomGraph) picky() {
	if !g.budget {
		return
	}
	in := *g.pick()
	if in.behind {
		in.stream = pipeline.Via(in.stream, g.name("pass"), pass64{}, g.options(true)...)
		in.used = 0
		g.add(in)
		return
	}
	at := int64(g.IntN(100))
	in.stream = pipeline.Via(in.stream, g.name("picky"), picky64{at}, g.options(true)...)
	in.used, in.exact = 0, false
	g.add(in)
}

func (g *randomGraph) split() {
	in := *g.pick()
	ways := 1 + g.IntN(3)
	streams := pipeline.Split(in.stream, g.name("split"), ways, func(i *int64) int { return int(*i) % ways }, g.options(true)...)
	merged := in
	merged.stream, merged.used = pipeline.Merge(streams[0], streams[1:]...), 0
	for _, s := range streams {
		part := in
		part.stream, part.used, part.exact = s, 0, false
		if g.oneIn(2) {
			part.stream = pipeline.Via(s, g.name("part"), pass64{}, g.options(true)...)
			g.add(part)
		} else {
			g.open = append(g.open, part)
		}
	}
	g.open = append(g.open, merged)
}

func (g *randomGraph) merge() {
	a, b := g.IntN(len(g.open)), g.IntN(len(g.open))
	if a == b || len(g.open) < 2 {
		return
	}
	x, y := &g.open[a], &g.open[b]
	// By way of stages, so that no stream is merged with itself.
	left := pipeline.Via(x.stream, g.name("left"), pass64{}, g.options(true)...)
	right := pipeline.Via(y.stream, g.name("right"), pass64{}, g.options(true)...)
	x.used, y.used = x.used+1, y.used+1
	g.open = append(g.open, tally{
		stream: pipeline.Merge(left, right), count: x.count + y.count, sum: x.sum + y.sum,
		exact: x.exact && y.exact, behind: x.behind || y.behind,
	})
}

func (g *randomGraph) both() {
	a, b := g.IntN(len(g.open)), g.IntN(len(g.open))
	x, y := &g.open[a], &g.open[b]
	if a == b {
		return
	}
	behind := x.behind || y.behind
	left := pipeline.Via(x.stream, g.name("a"), pass64{}, g.options(true)...)
	s := pipeline.Via2(left, y.stream, g.name("both"), both64{order: g.IntN(4), seed: g.Uint64()}, g.options(false)...)
	x.used, y.used = x.used+1, y.used+1
	g.add(tally{stream: s, count: x.count + y.count, sum: x.sum + y.sum, exact: x.exact && y.exact, behind: behind})
}

// limit passes on a few and stops reading.
func (g *randomGraph) limit() {
	if !g.limits {
		return
	}
	in := *g.pick()
	in.stream = pipeline.Via(in.stream, g.name("limit"), limit64{g.Int64N(in.count + 1)}, g.options(false)...)
	in.used, in.exact = 0, false
	g.add(in)
}

func (g *randomGraph) step() {
	pipeline.Do(g.p, g.name("step"), func(context.Context) error { return nil }, g.options(false)...)
}

func (g *randomGraph) readRejects() {
	if g.letters != nil || !g.budget {
		return
	}
	g.letters = new(atomic.Int64)
	s := pipeline.Via(pipeline.Rejects(g.p), "letters", each(func(pipeline.Reject) (int64, error) { return g.letters.Add(1), nil }))
	g.open = append(g.open, tally{stream: s, behind: true, count: 1 << 40})
}

func (g *randomGraph) sink(t *tally) {
	t.used++
	name, want := g.name("sink"), *t
	var count, sum atomic.Int64
	stage := pipeline.To(t.stream, name, pipeline.SinkFunc[int64](func(_ context.Context, in *pipeline.Reader[int64]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			count.Add(int64(len(batch)))
			for _, i := range batch {
				sum.Add(i)
			}
			in.Recycle(batch)
		}
		return nil
	}), g.options(true)...)
	if !t.behind {
		g.stages = append(g.stages, stage)
	}
	g.checks = append(g.checks, func() error {
		if want.exact && (count.Load() != want.count || sum.Load() != want.sum) || count.Load() > want.count {
			return fmt.Errorf("%s got %d records with the sum %d, want %d and %d (exactly: %v)", name, count.Load(), sum.Load(), want.count, want.sum, want.exact)
		}
		return nil
	})
}

func buildRandomGraph(seed uint64, most int) *randomGraph {
	g := &randomGraph{Rand: rand.New(rand.NewPCG(seed, 1)), n: most}
	options := pipeline.Options{BatchSize: 1 + g.IntN(4), Buffer: 1 + g.IntN(2)}
	if g.oneIn(2) {
		options.MaxWaiting = 1 + g.Int64N(64<<10)
	}
	if g.budget = g.oneIn(2); g.budget {
		options.MaxRejects = -1
	}
	g.limits = g.oneIn(3)
	g.p = pipeline.New(fmt.Sprint("graph ", seed), options)
	g.source()
	makers := []func(){g.source, g.pass, g.pass, g.picky, g.split, g.merge, g.both, g.both, g.limit, g.step, g.readRejects, func() { g.sink(g.pick()) }}
	for range 2 + g.IntN(14) {
		makers[g.IntN(len(makers))]()
	}
	for i := range g.open {
		if g.open[i].used == 0 {
			g.sink(&g.open[i])
		}
	}
	return g
}

type pass64 struct{}

func (pass64) Transform(_ context.Context, in *pipeline.Reader[int64], out *pipeline.Writer[int64]) error {
	for i, err := range in.All() {
		if err != nil {
			return err
		}
		if err := out.Write(i); err != nil {
			return err
		}
	}
	return nil
}

type picky64 struct{ at int64 }

func (p picky64) Transform(_ context.Context, in *pipeline.Reader[int64], out *pipeline.Writer[int64]) error {
	for i, err := range in.All() {
		if err != nil {
			return err
		}
		if i%100 == p.at {
			err = out.Reject(pipeline.Reject{Reason: "picked"})
		} else {
			err = out.Write(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type limit64 struct{ n int64 }

func (l limit64) Transform(_ context.Context, in *pipeline.Reader[int64], out *pipeline.Writer[int64]) error {
	left := l.n
	for i, err := range in.All() {
		if err != nil {
			return err
		}
		if left--; left < 0 {
			return nil
		}
		if err := out.Write(i); err != nil {
			return err
		}
	}
	return nil
}

// both64 reads a first, b first, or in turns, and passes all on.
type both64 struct {
	order int
	seed  uint64
}

func (b both64) Transform(_ context.Context, first, second *pipeline.Reader[int64], out *pipeline.Writer[int64]) error {
	if b.order == 1 {
		first, second = second, first
	}
	if b.order < 2 {
		return errors.Join(pass64{}.Transform(context.Background(), first, out), pass64{}.Transform(context.Background(), second, out))
	}
	turns := rand.New(rand.NewPCG(b.seed, 2))
	ins := []*pipeline.Reader[int64]{first, second}
	for len(ins) > 0 {
		at := turns.IntN(len(ins))
		more := false
		left := 1 + turns.IntN(100)
		for i, err := range ins[at].All() {
			if err != nil {
				return err
			}
			if err := out.Write(i); err != nil {
				return err
			}
			if left--; left == 0 {
				more = true
				break
			}
		}
		if !more {
			ins = slices.Delete(ins, at, at+1)
		}
	}
	return nil
}

// TestRandomGraphs runs graphs of all that can be wired, a part of them cancelled on the way. The whole proof, with
// 500 graphs of up to 100,000 records, is MILLRACE_PROOF=full; MILLRACE_GRAPH=seed runs one of them.
func TestRandomGraphs(t *testing.T) {
	if testing.Short() {
		t.Skip("random graphs take some seconds")
	}
	graphs, deadline := 60, time.Minute
	if os.Getenv("MILLRACE_PROOF") == "full" {
		graphs, deadline = 500, 5*time.Minute
	}
	base, only := uint64(time.Now().UnixNano()), false
	if s := os.Getenv("MILLRACE_GRAPH"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		base, graphs, only = seed, 1, true
	}
	t.Logf("seeds from %d", base)
	began := time.Now()
	for i := range graphs {
		if !only && os.Getenv("MILLRACE_PROOF") != "full" && time.Since(began) > 15*time.Second {
			t.Logf("%d graphs were enough", i)
			break
		}
		if i > 0 && i%50 == 0 {
			t.Logf("%d graphs held after %v", i, time.Since(began).Round(time.Second))
		}
		if !randomGraphHolds(t, base+uint64(i), deadline) {
			return
		}
	}
	goleak.VerifyNone(t)
}

func randomGraphHolds(t *testing.T, seed uint64, deadline time.Duration) bool {
	t.Helper()
	sizes := []int{10, 1000, 10_000}
	if os.Getenv("MILLRACE_PROOF") == "full" {
		sizes = append(sizes, 100_000)
	}
	g := buildRandomGraph(seed, sizes[seed%uint64(len(sizes))])
	fail := func(format string, args ...any) bool {
		t.Errorf("MILLRACE_GRAPH=%d: %s\n%s", seed, fmt.Sprintf(format, args...), g.p.Graph().Mermaid())
		return false
	}
	if err := g.p.Validate(t.Context()); err != nil {
		return fail("%v", err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), deadline, errors.New("it hangs"))
	defer cancel()
	e := g.p.Start(ctx)
	stopped := errors.New("stopped by the test")
	cancelled := g.oneIn(4)
	if cancelled {
		// At a random count of records, which needs no clock.
		at := g.Int64N(int64(4 * g.n))
		for {
			r := e.Progress()
			var moved int64
			for _, s := range r.Stages {
				moved += s.RecordsOut
			}
			if moved >= at || !r.EndedAt.IsZero() || ctx.Err() != nil {
				break
			}
		}
		e.Cancel(stopped)
	}
	report, err := e.Wait()
	if cancelled && errors.Is(err, stopped) {
		return true
	}
	if err != nil {
		return fail("%v", err)
	}
	for _, check := range g.checks {
		if err := check(); err != nil {
			return fail("%v", err)
		}
	}
	if g.limits { // who is told that it is enough has not passed on all that it read
		return true
	}
	if g.letters != nil && g.letters.Load() != report.Rejects {
		return fail("%d rejects were read, and not %d", g.letters.Load(), report.Rejects)
	}
	for _, s := range report.Stages {
		if s.Kind == pipeline.KindTransform && s.RecordsIn != s.RecordsOut+s.Rejects {
			return fail("%s read %d, wrote %d and set aside %d", s.Name, s.RecordsIn, s.RecordsOut, s.Rejects)
		}
	}
	return true
}

// TestRandomGraphsHaveAllThatCanBeWired: what the generator does not make is not proved.
func TestRandomGraphsHaveAllThatCanBeWired(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(500) {
		g := buildRandomGraph(seed, []int{10, 1000, 10_000, 100_000}[seed%4])
		graph := g.p.Graph()
		readers, before := map[string]int{}, map[string][]string{}
		for _, e := range graph.Edges {
			if !e.After {
				readers[e.From+"/"+e.Output]++
			}
			before[e.To] = append(before[e.To], e.From)
		}
		reach := func(from string) map[string]bool {
			all := map[string]bool{}
			for open := []string{from}; len(open) > 0; {
				name := open[0]
				open = open[1:]
				if !all[name] {
					all[name] = true
					open = append(open, before[name]...)
				}
			}
			return all
		}
		has := map[string]bool{"some rejects": g.budget, "some that stop reading": g.limits}
		sides := map[string]map[string]string{}
		for _, e := range graph.Edges {
			has["a tee"] = has["a tee"] || !e.After && readers[e.From+"/"+e.Output] > 1
			has["a split"] = has["a split"] || e.Output != ""
			if e.Input != "" {
				if sides[e.To] == nil {
					sides[e.To] = map[string]string{}
				}
				sides[e.To][e.Input] = e.From
			}
			if e.After {
				has["After"] = true
			}
		}
		for _, n := range graph.Nodes {
			has["lanes"] = has["lanes"] || n.Lanes > 1
			has["a source that waits"] = has["a source that waits"] || n.Kind == pipeline.KindSource && len(before[n.Name]) > 0
			has["the rejects' stream"] = has["the rejects' stream"] || n.Kind == pipeline.KindRejects
			streams := 0
			for _, e := range graph.Edges {
				if e.To == n.Name && !e.After {
					streams++
				}
			}
			has["a merge"] = has["a merge"] || streams > 1 && sides[n.Name] == nil
		}
		for _, s := range sides {
			has["two inputs"] = true
			right := reach(s["b"])
			for name := range reach(s["a"]) {
				has["two inputs with an ancestor in common"] = has["two inputs with an ancestor in common"] || right[name]
			}
		}
		for what, here := range has {
			if here {
				met[what]++
			}
		}
	}
	for _, what := range []string{
		"a tee", "a merge", "a split", "two inputs", "two inputs with an ancestor in common", "After", "a source that waits",
		"the rejects' stream", "some rejects", "lanes", "some that stop reading",
	} {
		if met[what] < 25 {
			t.Errorf("%s: in %d of 500 graphs", what, met[what])
		}
	}
	t.Log(met)
}
