package pipelinetest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/pipeline"
)

// CheckSource checks that a source keeps the rules (see the package comment). It
// must end by itself, and give the same each time.
func CheckSource[T any](t testing.TB, source pipeline.Source[T], options ...Option) {
	t.Helper()
	c := newChecker(t, aSource(source), nil, options)
	if !c.reference() {
		return
	}
	c.batchSizes()
	c.keepsHandsOff()
	c.poison()
	c.runsAtOnce()
	c.cancelAtOutput()
	c.leaks()
}

// CheckTransform checks that a transform keeps the rules (see the package
// comment), on an input that it does not change. A few records of each sort that the stage
// tells apart are enough, and more than one batch of 2.
func CheckTransform[In, Out any](t testing.TB, transform pipeline.Transform[In, Out], in []In, options ...Option) {
	t.Helper()
	c := newChecker(t, aTransform(transform), in, options)
	if !c.reference() {
		return
	}
	c.emptyInput()
	c.batchSizes()
	c.keepsHandsOff()
	c.poison()
	c.runsAtOnce()
	c.cancelAtInput()
	c.cancelAtOutput()
	c.tornInput()
	c.leaks()
}

// CheckTransform2 checks that a transform of two inputs keeps the rules (see the package comment), on inputs
// that it does not change: once for each of them, with the other one whole. For a stage that passes records on in the
// order in which the two happen to arrive, add [Unordered].
func CheckTransform2[A, B, Out any](t testing.TB, transform pipeline.Transform2[A, B, Out], a []A, b []B, options ...Option) {
	t.Helper()
	left := newChecker(t, aLeft(transform, b), a, options)
	if !left.reference() {
		return
	}
	left.oneOfTwo()
	right := newChecker(t, aRight(transform, a), b, options)
	right.want, right.running, right.hangs = left.want, left.running, left.hangs
	right.oneOfTwo()
	newChecker(t, aLeft(transform, nil), nil, options).emptyInput()
	right.leaks()
}

// oneOfTwo checks all rules at one of two inputs.
func (c *checker[In, Out]) oneOfTwo() {
	c.t.Helper()
	c.emptyInput()
	c.batchSizes()
	c.lateInput()
	c.keepsHandsOff()
	c.poison()
	c.runsAtOnce()
	c.cancelAtInput()
	c.cancelAtOutput()
	c.tornInput()
}

// CheckSink checks that a sink keeps the rules (see the package comment), on an
// input that it does not change. What it loads is checked only with [Loaded].
func CheckSink[T any](t testing.TB, sink pipeline.Sink[T], in []T, options ...Option) {
	t.Helper()
	c := newChecker(t, aSink(sink), in, options)
	if c.set.allOrNothing && c.set.loaded == nil {
		t.Errorf("CheckSink: AllOrNothing needs Loaded, to see what a failed run left")
		return
	}
	if !c.reference() {
		return
	}
	c.emptyInput()
	c.batchSizes()
	c.runsAtOnce()
	c.cancelAtInput()
	c.tornInput()
	c.leaks()
}

// checker runs one stage over and over, and reports the rules that it breaks.
type checker[In, Out any] struct {
	subject[In, Out]
	t       testing.TB
	set     settings
	in      []In
	want    outcome[Out]  // of the reference
	running goleak.Option // what ran before the stage could leak
	hangs   bool          // a run was given up: its goroutines are still there

	untouched any // what the target held before a run that must fail
}

func newChecker[In, Out any](t testing.TB, s subject[In, Out], in []In, options []Option) *checker[In, Out] {
	return &checker[In, Out]{subject: s, t: t, set: newSettings(options), in: in}
}

// complain reports a broken rule.
func (c *checker[In, Out]) complain(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf(c.check+": "+format, args...)
}

// whole runs the stage to its end, and complains if there is none, or an error.
func (c *checker[In, Out]) whole(how string, batchSize int, input *feed[In], outputs ...pipeline.Sink[Out]) (rejects []pipeline.Reject, ok bool) {
	c.t.Helper()
	p, rejected := c.build(c.sized(batchSize, 0), nil, input, outputs...)
	ok = c.endsWell(how, p.Start(c.t.Context()))
	return rejected.taken(), ok
}

// endsWell waits for a run and complains if it does not end, or badly.
func (c *checker[In, Out]) endsWell(how string, exec *pipeline.Execution) bool {
	c.t.Helper()
	ended, err := c.wait(exec, wholeRun)
	switch {
	case !ended:
		c.complain("%s: it has not ended after %v", how, wholeRun)
	case err != nil:
		c.complain("%s: it failed: %v", how, err)
	}
	return ended && err == nil
}

// sized returns the settings with another batch size, and another buffer unless it is 0.
func (c *checker[In, Out]) sized(batchSize, buffer int) settings {
	set := c.set
	set.options.BatchSize = batchSize
	if buffer > 0 {
		set.options.Buffer = buffer
	}
	return set
}

// loaded is what the sink has loaded by now, nil when nobody can tell.
func (c *checker[In, Out]) loaded() any {
	if c.set.loaded == nil {
		return nil
	}
	return c.set.loaded()
}

// compare complains if a run gave something other than the reference.
func (c *checker[In, Out]) compare(how string, got outcome[Out]) {
	c.t.Helper()
	if d := got.differs(c.want, c.set.unordered); d != "" {
		c.complain("%s: other than with batches of %d: %s", how, referenceBatch, d)
	}
}
