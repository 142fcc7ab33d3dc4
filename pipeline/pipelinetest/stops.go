package pipelinetest

import (
	"context"
	"errors"
	"reflect"

	"github.com/millrace/millrace/pipeline"
)

var (
	errCancelled = errors.New("pipelinetest cancelled the run")
	errTorn      = errors.New("pipelinetest tore the input")
)

// before puts the target into a state in which a trace would show.
func (c *checker[In, Out]) before() {
	c.t.Helper()
	if !c.set.allOrNothing {
		return
	}
	c.whole("with an empty input", referenceBatch, &feed[In]{})
	c.loaded() // this one may clear
	c.untouched = c.loaded()
}

// after complains if a run that failed has left a trace.
func (c *checker[In, Out]) after(when string) {
	c.t.Helper()
	if !c.set.allOrNothing {
		return
	}
	if now := c.loaded(); !reflect.DeepEqual(now, c.untouched) {
		c.complain("%s: its target holds %+v, and not %+v as before: it does not join a unit of work, or works beside it", when, now, c.untouched)
	}
}

// cancelAtInput: a stage that waits for input stops when the run does.
func (c *checker[In, Out]) cancelAtInput() {
	c.t.Helper()
	c.before()
	w := &watch{}
	p, _ := c.build(c.sized(2, 0), w, &feed[In]{records: c.in, end: func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}, &collector[Out]{})
	exec := p.Start(c.t.Context())
	if !poll(c.t.Context(), wholeRun, c.idle(exec, w, len(c.in))) {
		c.complain("it does not read its input: %d of %d records after %v", c.read(exec.Progress().Stage(stageName)), len(c.in), wholeRun)
	}
	earlier := len(w.results(0))
	exec.Cancel(errCancelled)
	c.stops("cancelled while it waits for input", exec, w, func() int { return earlier }, errCancelled)
}

// cancelAtOutput: nor does it go on waiting for room.
func (c *checker[In, Out]) cancelAtOutput() {
	c.t.Helper()
	w := &watch{}
	p, _ := c.build(c.sized(1, 1), w, &feed[In]{records: c.in}, blocked[Out]{})
	exec := p.Start(c.t.Context())
	// When neither happens the stage is busy with itself, and should stop all the same.
	poll(c.t.Context(), c.set.within, c.blocked(exec, w))
	earlier := len(w.results(0))
	exec.Cancel(errCancelled)
	c.stops("cancelled while it waits for its output to be taken", exec, w, func() int { return earlier }, errCancelled)
}

// tornInput: a stage that fails ends the run, and those behind it must not take the
// rest of their input for the whole.
func (c *checker[In, Out]) tornInput() {
	c.t.Helper()
	c.before()
	w := &watch{}
	var (
		exec    *pipeline.Execution
		earlier int
		started = make(chan struct{})
		torn    = make(chan struct{})
	)
	p, _ := c.build(c.sized(2, 0), w, &feed[In]{records: c.in, end: func(ctx context.Context) error {
		<-started
		poll(ctx, wholeRun, c.idle(exec, w, len(c.in)))
		earlier = len(w.results(0))
		close(torn)
		return errTorn
	}}, &collector[Out]{})
	exec = p.Start(c.t.Context())
	close(started)
	poll(c.t.Context(), wholeRun, func() bool {
		select {
		case <-torn:
			return true
		default:
			return over(exec)
		}
	})
	select {
	case <-torn:
	default:
		if ended, _ := c.wait(exec, c.set.within); ended {
			return // it had enough before its input could fail
		}
	}
	c.stops("its input failed", exec, w, func() int { return earlier }, errTorn)
}

// stops checks how the calls of the stage ended which had not before.
func (c *checker[In, Out]) stops(when string, exec *pipeline.Execution, w *watch, earlier func() int, cause error) {
	c.t.Helper()
	if ended, _ := c.wait(exec, c.set.within); !ended {
		c.complain("%s: it has not stopped after %v", when, c.set.within)
		return
	}
	for _, err := range w.results(earlier()) {
		switch {
		case err == nil:
			c.complain("%s: it returned nil, as if all were well: return the error of the Reader or Writer", when)
		case errors.Is(err, errNotReturned):
			c.complain("%s: %v", when, err)
		case !errors.Is(err, cause) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
			c.complain("%s: it returned %q, which hides the cause: return the error of the Reader or Writer, or wrap it by %%w", when, err)
		}
	}
	c.after(when)
}
