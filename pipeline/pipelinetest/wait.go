package pipelinetest

import (
	"context"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// wholeRun bounds a run that should come to its end by itself.
const wholeRun = 2 * time.Minute

// patience bounds the waits that make a check sharper, not right.
const patience = time.Second

// pacedBatches is how many batches of an input are worth such a wait.
const pacedBatches = 64

// wait waits for the end of a run. One that goes on is cancelled, and given up
// when that does not help.
func (c *checker[In, Out]) wait(exec *pipeline.Execution, limit time.Duration) (ended bool, err error) {
	var result error // to be read after done only
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, result = exec.Wait()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true, result
	case <-timer.C:
	}
	exec.Cancel(context.DeadlineExceeded)
	timer.Reset(c.set.within)
	select {
	case <-done:
	case <-timer.C:
		c.hangs = true
	}
	return false, nil
}

// poll asks until the answer is yes, or ctx ends, or the time is up; it tells whether
// the answer was yes.
func poll(ctx context.Context, limit time.Duration, ask func() bool) bool {
	deadline := time.Now().Add(limit)
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		if ask() {
			return true
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		time.Sleep(pause)
	}
}

// looks is how often a clock must be seen to have moved on. The parts of a report
// are read one after the other, so one look proves nothing.
const looks = 3

// idle returns a question: has the stage read so many records of the input, and does it now wait for
// more, or is it through?
func (c *checker[In, Out]) idle(exec *pipeline.Execution, w *watch, read int) func() bool {
	var last time.Duration
	seen := 0
	return func() bool {
		stage := exec.Progress().Stage(stageName)
		switch {
		case w.returned() || over(exec):
			return true
		case c.read(stage) != int64(read):
			seen = 0
		case stage.WaitingIn > last:
			seen++
		}
		last = stage.WaitingIn
		return seen >= looks
	}
}

// blocked returns a question: does the stage wait for its output to be taken, or is it
// through?
func (c *checker[In, Out]) blocked(exec *pipeline.Execution, w *watch) func() bool {
	var last time.Duration
	seen := 0
	return func() bool {
		stage := exec.Progress().Stage(stageName)
		if w.returned() || over(exec) {
			return true
		}
		if stage.WaitingOut > last {
			seen++
		}
		last = stage.WaitingOut
		return seen >= looks
	}
}

// over tells whether a run has ended.
func over(exec *pipeline.Execution) bool { return !exec.Progress().EndedAt.IsZero() }
