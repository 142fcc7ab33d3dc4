package pipelinetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/pipeline"
)

// referenceBatch is the batch size of the run that all others are held against.
const referenceBatch = pipeline.DefaultBatchSize

// reference runs the stage as mildly as can be: no batch is ever used again.
func (c *checker[In, Out]) reference() bool {
	c.t.Helper()
	output := &collector[Out]{keep: true}
	rejects, ok := c.whole("a plain run", referenceBatch, &feed[In]{records: c.in, fresh: true}, output)
	c.want = outcome[Out]{output.taken(), rejects, c.loaded()}
	// Taken after the first run, which may have started what serves all runs, a pool
	// of connections for example. Who leaks does so again.
	c.running = goleak.IgnoreCurrent()
	return ok
}

func (c *checker[In, Out]) emptyInput() {
	c.t.Helper()
	c.whole("with an empty input", referenceBatch, &feed[In]{}, &collector[Out]{})
}

// batchSizes: how records travel is no business of the result.
func (c *checker[In, Out]) batchSizes() {
	c.t.Helper()
	for _, size := range []int{1, 2, 512} {
		how := fmt.Sprintf("with batches of %d", size)
		output := &collector[Out]{}
		if rejects, ok := c.whole(how, size, &feed[In]{records: c.in}, output); ok {
			c.compare(how, outcome[Out]{output.taken(), rejects, c.loaded()})
		}
	}
}

// lateInput: nor which of two inputs comes first. This one comes when the stage has taken of the other what it
// takes without.
func (c *checker[In, Out]) lateInput() {
	c.t.Helper()
	const how = "when it comes after the other one"
	output, w := &collector[Out]{}, &watch{}
	var exec *pipeline.Execution
	started := make(chan struct{})
	p, rejects := c.build(c.sized(2, 1), w, &feed[In]{records: c.in, before: func(ctx context.Context) {
		<-started
		poll(ctx, patience, c.idle(exec, w, 0))
	}}, output)
	exec = p.Start(c.t.Context())
	close(started)
	if c.endsWell(how, exec) {
		c.compare(how, outcome[Out]{output.taken(), rejects.taken(), c.loaded()})
	}
}

// keepsHandsOff: a batch that was passed on belongs to others. The stage's stream is a
// tee, so that one output gets copies made in the moment of writing, and the other, which
// holds on to them, the batches themselves.
func (c *checker[In, Out]) keepsHandsOff() {
	c.t.Helper()
	const how = "with batches of 2"
	then, now := &collector[Out]{}, &collector[Out]{keep: true}
	if _, ok := c.whole(how, 2, &feed[In]{records: c.in}, then, now); !ok {
		return
	}
	if d := differ("record", now.heldNow(), then.taken(), c.set.unordered); d != "" {
		c.complain("it changed a batch after it had passed it on, or recycled it before: %s", d)
	}
}

// poison: nor may the stage read a batch again. Whatever it passed on is overwritten
// before it gets its next input.
func (c *checker[In, Out]) poison() {
	c.t.Helper()
	output, w := &poisoner[Out]{}, &watch{}
	var exec *pipeline.Execution
	started := make(chan struct{})
	batches, hopeful := 0, true
	pace := func(ctx context.Context, written int) {
		<-started
		if batches++; batches > pacedBatches || !hopeful {
			return
		}
		idle := c.idle(exec, w, written)
		hopeful = poll(ctx, patience, func() bool {
			return idle() && int64(output.count()) == exec.Progress().Stage(stageName).RecordsOut
		})
	}
	p, _ := c.build(c.sized(2, 1), w, &feed[In]{records: c.in, after: pace}, output)
	exec = p.Start(c.t.Context())
	close(started)
	if !c.endsWell("while the batches it passed on are overwritten", exec) {
		return
	}
	if d := differ("record", output.records, c.want.records, c.set.unordered); d != "" {
		c.complain("it read a batch after it had passed it on or recycled it: %s", d)
	}
	if d := output.touched(); d != "" {
		c.complain("it changed a batch after it had passed it on, or recycled it before: %s", d)
	}
}

// runsAtOnce: a stage value is configuration, and serves many runs.
func (c *checker[In, Out]) runsAtOnce() {
	c.t.Helper()
	if c.set.oneAtATime {
		return
	}
	const runs = 4
	var (
		outputs [runs]*collector[Out]
		rejects [runs]*collector[pipeline.Reject]
		watches [runs]*watch
		execs   [runs]*pipeline.Execution
		started = make(chan struct{})
		fed     atomic.Int32
	)
	// All shall be at work before one goes beyond its first batch, and before one
	// ends, if they can: sinks may wait for each other.
	atWork := func(ctx context.Context) {
		<-started
		poll(ctx, patience, func() bool {
			for i, exec := range execs {
				stage := exec.Progress().Stage(stageName)
				if stage.RecordsIn == 0 && stage.RecordsOut == 0 && !watches[i].returned() && !over(exec) {
					return false
				}
			}
			return true
		})
	}
	for i := range runs {
		first := sync.OnceFunc(func() { atWork(c.t.Context()) })
		outputs[i] = &collector[Out]{after: first}
		watches[i] = &watch{}
		var p *pipeline.Pipeline
		p, rejects[i] = c.build(c.sized(2, 0), watches[i], &feed[In]{
			records: c.in,
			after:   func(context.Context, int) { first() },
			end: func(ctx context.Context) error {
				fed.Add(1)
				poll(ctx, patience, func() bool { return fed.Load() == runs })
				return nil
			},
		}, outputs[i])
		execs[i] = p.Start(c.t.Context())
	}
	close(started)
	for i := range runs {
		how := fmt.Sprintf("%d runs at once", runs)
		if c.endsWell(how, execs[i]) {
			c.compare(how, outcome[Out]{outputs[i].taken(), rejects[i].taken(), c.want.loaded})
		}
	}
	c.loaded() // so that it may clear what they left
}

// leaks: goroutines end with the run.
func (c *checker[In, Out]) leaks() {
	c.t.Helper()
	if c.hangs { // that is known already
		return
	}
	if err := goleak.Find(c.running, ofAPool); err != nil {
		c.complain("it leaves goroutines behind: %v", err)
	}
}

// ofAPool is what a connection of pgx's pool may keep until it is used again, once a write of it has waited (its
// bgreader reads meanwhile): the pool's goroutine, and not the stage's.
var ofAPool = goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn/internal/bgreader.(*BGReader).bgRead")
