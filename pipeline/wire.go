package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/spill"
)

// Kind is what sort of stage a stage is.
type Kind string

// The kinds of stages.
const (
	KindSource    Kind = "source"
	KindTransform Kind = "transform"
	KindSink      Kind = "sink"
	KindStep      Kind = "step"    // of Do: moves no records
	KindRejects   Kind = "rejects" // where the stream of Rejects begins
)

// node is a stage's place in the graph. It is built once and shared by all runs.
type node struct {
	name    string
	kind    Kind
	value   any      // the stage, to ask for its optional abilities
	inputs  []input  // what it reads: one stream, two for Via2, none for sources and steps
	ports   []string // the names of its outputs, if they have names; see origin
	after   []*node  // for whose end it waits
	lanes   int
	timeout time.Duration
	record  reflect.Type // of what it writes; nil for sinks and steps

	work func(ctx context.Context, r *nodeRun) error // runs the stage's lanes to their end
}

// input is one of the streams that a stage reads.
type input struct {
	name    string // where there are two of them
	origins []origin
	newFeed func(a *attempt, producers int, waits bool) feed
	fits    func() error // whether its records can be written to a file
}

// origin is where records come from: one of the outputs of a stage.
type origin struct {
	node *node
	port int // 0, except at Split and Partition
}

// name is that of the stage, and of its output if that has one.
func (o origin) name() string {
	if len(o.node.ports) == 0 {
		return o.node.name
	}
	return o.node.name + ": " + o.node.ports[o.port]
}

func (n *node) writes() bool { return n.record != nil }

// outputs is how many streams leave the stage.
func (n *node) outputs() int {
	if !n.writes() {
		return 0
	}
	return max(1, len(n.ports))
}

// upstream are the stages whose records n reads.
func (n *node) upstream() (nodes []*node) {
	for _, in := range n.inputs {
		for _, o := range in.origins {
			nodes = append(nodes, o.node)
		}
	}
	return nodes
}

func inputOf[T any](name string, s Stream[T]) input {
	return input{name: name, origins: s.origins, newFeed: newFeed[T], fits: func() error {
		_, err := spill.NewCodec[T]()
		return err
	}}
}

// Stream is the output of a stage, before anybody reads it. Using it twice is a
// tee: each reader gets every record.
type Stream[T any] struct {
	p       *Pipeline
	origins []origin
}

// Stage stands for a stage that was added to a pipeline, for use with [After].
type Stage struct{ node *node }

// Dependency is what a stage can wait for: a [*Stage], or a [Stream], which
// stands for the stages that it comes from.
type Dependency interface{ dependencies() []*node }

func (s *Stage) dependencies() []*node {
	if s == nil || s.node == nil {
		return nil
	}
	return []*node{s.node}
}

func (s Stream[T]) dependencies() (nodes []*node) {
	for _, o := range s.origins {
		nodes = append(nodes, o.node)
	}
	return nodes
}

// streamOf is the only output of a stage.
func streamOf[T any](p *Pipeline, n *node) Stream[T] {
	return Stream[T]{p: p, origins: []origin{{node: n}}}
}

// StageOption is a setting of one stage in one pipeline.
type StageOption func(*node)

// Parallel runs the stage in n lanes. Records then overtake each other: their
// order is not kept. A source must be able to split itself ([Splitter]); a
// transform gets its input shared out between the lanes. Parallel(0) takes as
// many lanes as the program has processors. Defaults to one lane.
func Parallel(n int) StageOption {
	return func(nd *node) {
		if n == 0 {
			n = runtime.GOMAXPROCS(0)
		}
		nd.lanes = n
	}
}

// After makes a stage wait until others have ended well: children are loaded after their
// parents, a step runs after a load. While a stage that reads a stream waits, its input
// fills up and holds up those that write to it; where that would hold up the very stage that is waited for, the
// records go to memory and then to files ([Options].MaxWaiting).
//
// A stage that can reject cannot wait for one behind the stream of [Rejects], which ends
// only after it.
func After(others ...Dependency) StageOption {
	return func(n *node) {
		for _, o := range others {
			if o != nil {
				n.after = append(n.after, o.dependencies()...)
			}
		}
	}
}

// Timeout bounds the time of one stage in one attempt, from its start to its
// return. The run then fails with [context.DeadlineExceeded].
func Timeout(d time.Duration) StageOption {
	return func(n *node) { n.timeout = d }
}

// From adds a source and returns its stream.
func From[T any](p *Pipeline, name string, source Source[T], options ...StageOption) Stream[T] {
	n := &node{name: name, kind: KindSource, value: source, record: reflect.TypeFor[T]()}
	n.work = func(ctx context.Context, r *nodeRun) error {
		parts := []Source[T]{source}
		if r.node.lanes > 1 {
			var err error
			if parts, err = source.(Splitter[T]).Split(ctx, r.node.lanes); err != nil {
				return err
			}
			if len(parts) == 0 {
				return fmt.Errorf("%T.Split returned no part", source)
			}
		}
		return r.lanesOf(len(parts), func(i int, stats *laneStats) error {
			out := newWriter[T](r, 0, stats)
			return out.end(parts[i].Extract(ctx, out))
		})
	}
	p.must("From", name).add(n, options)
	if _, ok := any(source).(Splitter[T]); !ok && n.lanes > 1 {
		p.problem(name, "cannot be read in %d lanes: %T cannot be split; leave Parallel out", n.lanes, source)
	}
	return streamOf[T](p, n)
}

// Via adds a transform that reads in, and returns its stream.
func Via[In, Out any](in Stream[In], name string, transform Transform[In, Out], options ...StageOption) Stream[Out] {
	n := &node{name: name, kind: KindTransform, value: transform, inputs: []input{inputOf("", in)}, record: reflect.TypeFor[Out]()}
	n.work = func(ctx context.Context, r *nodeRun) error {
		if lanes, ok := transform.(LaneTransform[In, Out]); ok && r.node.lanes > 1 {
			return r.lanesOf(1, func(_ int, stats *laneStats) error {
				ins := []*Reader[In]{newReader[In](r, 0, stats)}
				for len(ins) < r.node.lanes {
					lane := r.addLane()
					lane.start()
					defer lane.finish()
					ins = append(ins, newReader[In](r, 0, lane))
				}
				out := newWriter[Out](r, 0, stats)
				return out.end(lanes.TransformLanes(ctx, ins, out))
			})
		}
		return r.lanesOf(r.node.lanes, func(_ int, stats *laneStats) error {
			out := newWriter[Out](r, 0, stats)
			return out.end(transform.Transform(ctx, newReader[In](r, 0, stats), out))
		})
	}
	in.p.must("Via", name).add(n, options)
	return streamOf[Out](in.p, n)
}

// Merge returns one stream of the records of several, as they come: the order
// between the streams is not kept. It is no stage and costs nothing.
func Merge[T any](first Stream[T], others ...Stream[T]) Stream[T] {
	first.p.must("Merge", "")
	merged := Stream[T]{p: first.p, origins: slices.Clone(first.origins)}
	for _, s := range others {
		if s.p != first.p {
			first.p.problem("", "Merge: %s is a stream of another pipeline", s.describe())
			continue
		}
		for _, o := range s.origins {
			if slices.Contains(merged.origins, o) {
				first.p.problem("", "Merge: the stream of %q is merged with itself, so that each of its records would count twice", o.name())
			}
			merged.origins = append(merged.origins, o)
		}
	}
	return merged
}

// To adds a sink that reads in.
func To[T any](in Stream[T], name string, sink Sink[T], options ...StageOption) *Stage {
	n := &node{name: name, kind: KindSink, value: sink, inputs: []input{inputOf("", in)}}
	n.work = func(ctx context.Context, r *nodeRun) error {
		return r.lanesOf(r.node.lanes, func(_ int, stats *laneStats) error {
			return sink.Load(ctx, newReader[T](r, 0, stats))
		})
	}
	in.p.must("To", name).add(n, options)
	return &Stage{node: n}
}

// Do adds a step that moves no records: SQL pushed down to the database, a check,
// a notification. Without [After] it runs at once, beside the sources. The
// context carries the run, so a step can [Join] its units of work.
func Do(p *Pipeline, name string, step func(ctx context.Context) error, options ...StageOption) *Stage {
	n := &node{name: name, kind: KindStep, value: step}
	n.work = func(ctx context.Context, r *nodeRun) error {
		return r.lanesOf(1, func(int, *laneStats) error { return step(ctx) })
	}
	p.must("Do", name).add(n, options)
	return &Stage{node: n}
}

// Rejects returns the stream of the records that were set aside by any stage that is
// not itself behind this stream. It ends after all those stages ended. Load it
// into a sink to keep the dead letters in the transaction of the run.
func Rejects(p *Pipeline) Stream[Reject] {
	p.must("Rejects", "")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rejects == nil {
		p.rejects = &node{name: "rejects", kind: KindRejects, record: reflect.TypeFor[Reject](), lanes: 1}
		p.rejects.value = describer("records that were set aside")
		p.rejects.work = func(ctx context.Context, r *nodeRun) error { return r.attempt.rejects.serve(ctx) }
		p.register(p.rejects)
	}
	return streamOf[Reject](p, p.rejects)
}

type describer string

func (d describer) Describe() string { return string(d) }

func (s Stream[T]) describe() string {
	names := make([]string, len(s.origins))
	for i, o := range s.origins {
		names[i] = o.name()
	}
	return joinNames(names)
}

func (p *Pipeline) add(n *node, options []StageOption) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.lanes = 1
	for _, o := range options {
		if o != nil {
			o(n)
		}
	}
	p.register(n)
	p.checkNode(n)
}

func (p *Pipeline) register(n *node) {
	if p.byName[n.name] != nil {
		p.problem(n.name, "the name is taken twice: each stage of a pipeline needs its own")
	}
	p.byName[n.name] = n
	p.nodes = append(p.nodes, n)
}

// checkNode notes the mistakes that can be seen in one stage alone.
func (p *Pipeline) checkNode(n *node) {
	if n.name == "" {
		p.problem("", "a %s has no name", n.kind)
	}
	if v := reflect.ValueOf(n.value); !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func || v.Kind() == reflect.Interface) && v.IsNil() {
		p.problem(n.name, "the %s is nil", n.kind)
		n.value = nil
	}
	if n.lanes < 0 {
		p.problem(n.name, "Parallel(%d): lanes cannot be negative; 0 takes one for each processor", n.lanes)
		n.lanes = 1
	}
	if n.timeout < 0 {
		p.problem(n.name, "Timeout(%v) is negative", n.timeout)
	}
	if n.kind == KindStep && n.lanes > 1 {
		p.problem(n.name, "a step cannot run in lanes; leave Parallel out")
	}
	for _, o := range n.after {
		if p.byName[o.name] != o {
			p.problem(n.name, "After: %q is a stage of another pipeline", o.name)
		}
	}
}

// joinNames lists names for a message: "a", "a" and "b".
func joinNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " and " + quoted[len(quoted)-1]
}
