package pipeline

import (
	"context"
	"errors"
)

// ErrEnough is what [Writer.Write], [Writer.WriteBatch] and [Writer.Flush] return when every stage that
// reads the stream has returned: nobody wants more. A stage that returns it then, as it does
// with every error of its Writer, has ended well. To wake a stage that waits, the
// Readers of a transform return it too, and the context of a source ends with this cause.
//
// An incremental source ([Cursored]) is never told: its cursor moves past what it read, so the
// rest is read and dropped. So are rejects that nobody reads any more.
var ErrEnough = errors.New("nobody reads the stream any more")

// tellEnough is called when one of the stage's readers has left.
func (r *nodeRun) tellEnough() {
	if c, ok := r.node.value.(Cursored); ok && c.Incremental() || r.node.kind == KindRejects {
		return
	}
	for _, port := range r.outputs {
		for _, f := range port {
			if !f.hasLeft() {
				return
			}
		}
	}
	if r.enough.Swap(true) {
		return
	}
	close(r.told)
	if r.stop != nil {
		r.stop(ErrEnough)
	}
}

// hadEnough tells whether the error only says that the stage was told to stop. Of a source, the
// error of whatever it waited for by its context does so too.
func (r *nodeRun) hadEnough(err error) bool {
	if err == nil || !r.enough.Load() {
		return false
	}
	return errors.Is(err, ErrEnough) ||
		r.node.kind == KindSource && errors.Is(err, context.Canceled) && r.halt.stopped() == nil
}
