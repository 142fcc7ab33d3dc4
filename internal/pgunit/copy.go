package pgunit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// CopyTarget is what a COPY writes to.
type CopyTarget struct {
	Label   string         // the table as the user wrote it, for errors
	Table   pgx.Identifier // the table itself
	Columns []string
	Format  pgcodec.Format // of the tuples
	Before  []string       // triggers of the table that can keep rows out
}

func (t CopyTarget) sql() string {
	return fmt.Sprintf("copy %s (%s) from stdin (format %v)", t.Table.Sanitize(), pgcatalog.ColumnList(t.Columns), t.Format)
}

// Copy loads tuples in the background: a stage encodes them into chunks and puts
// them, a driver takes turns with the connection and sends them. Its methods belong
// to one goroutine. Close or Abort must be called.
type Copy struct {
	unit   *Unit
	target CopyTarget
	queue  *chunks
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the driver has ended
	err    error         // why, once done is closed
	sent   int64         // rows of the streams that have ended; the driver's own
}

// StartCopy starts the driver, which takes its first turn when there is something
// to send. ctx is the stage's: a COPY that is refused ends the run as the failure of that
// stage, also while the stage waits for input.
func (u *Unit) StartCopy(ctx context.Context, target CopyTarget) *Copy {
	driving, cancel := context.WithCancelCause(ctx)
	c := &Copy{unit: u, target: target, queue: newChunks(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer func() {
			if v := recover(); v != nil { // a stage's panic is that stage's error; so is its driver's
				c.err = pipeline.Permanent(&pipeline.PanicError{Value: v, Stack: debug.Stack()})
			}
			pipeline.Fail(ctx, c.err)
		}()
		c.err = c.drive(driving)
	}()
	return c
}

// Buffer returns an empty buffer to append tuples to and pass to Put.
func (c *Copy) Buffer() []byte { return c.queue.buffer() }

// Put passes on a chunk of whole tuples and takes ownership of it. It waits while
// the queue is full, and returns the driver's error once that has ended.
func (c *Copy) Put(ctx context.Context, tuples []byte, rows int64) error {
	if rows > 0 {
		if err := c.queue.put(ctx, chunk{tuples, rows}, c.done); err != nil {
			return err
		}
	}
	select {
	case <-c.done:
		return c.ended()
	default:
		return nil
	}
}

// ended is what a stage is told that works on after its driver's end.
func (c *Copy) ended() error {
	if c.err == nil {
		return errors.New("pgunit: Put after Close")
	}
	return c.err
}

// Close says that all tuples were put, and waits until the server has taken them.
func (c *Copy) Close() error {
	c.queue.close()
	<-c.done
	c.cancel(nil)
	return c.err
}

// Abort ends the driver without loading the rest, and waits for it.
func (c *Copy) Abort(cause error) {
	c.cancel(cause)
	<-c.done
}

// drive takes turns until everything was sent.
func (c *Copy) drive(ctx context.Context) error {
	for {
		first, more, err := c.first(ctx)
		if err != nil || !more {
			return err
		}
		turn, err := c.unit.Acquire(ctx)
		if err != nil {
			return err
		}
		err = c.stream(ctx, turn, first)
		turn.Release()
		if err != nil {
			return err
		}
	}
}

// first waits for something to send.
func (c *Copy) first(ctx context.Context) (_ chunk, more bool, err error) {
	for {
		got, ok, ended := c.queue.take()
		if ok || ended {
			return got, ok, nil
		}
		select {
		case <-c.queue.ready:
		case <-ctx.Done():
			return chunk{}, false, context.Cause(ctx)
		}
	}
}

// copyPatience is how long a COPY whose run was cancelled may take to end by its
// own CopyFail before the server is asked to cancel it.
const copyPatience = 500 * time.Millisecond

// stream keeps one COPY open until the end of the input, or until somebody else wants
// the turn.
func (c *Copy) stream(ctx context.Context, turn *Turn, first chunk) error {
	r := newCopyReader(ctx, c.target.Format, c.queue, first, turn.Wanted())
	var tag pgconn.CommandTag
	err := turn.do(ctx, copyPatience, func(ctx context.Context, conn *pgx.Conn) (err error) {
		tag, err = conn.PgConn().CopyFrom(ctx, r, c.target.sql())
		return err
	})
	rows := r.stop()
	if err == nil {
		err = c.target.kept(rows, tag)
	}
	if err == nil {
		c.sent += rows
		c.unit.rows.Add(rows)
		return nil
	}
	if ctx.Err() == nil {
		err = c.target.refused(err, c.sent)
	}
	c.unit.fail(err)
	return err
}

// refused says what a COPY was refused for; before is how many records came before
// its first.
func (t CopyTarget) refused(err error, before int64) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		var kept *KeptError
		if errors.As(err, &kept) {
			return &CopyError{Table: t.Label, Err: err}
		}
		return err
	}
	e := &CopyError{Table: t.Label, Err: err}
	e.Column, _ = pgcatalog.Place(server)
	if line := pgcatalog.CopyLine(server); line > 0 {
		e.Record = before + line
	}
	return e
}

// Load sends tuples that are all there in one COPY, under a savepoint: if the
// server refuses them, or a trigger keeps one out, the transaction goes on without them.
func (t *Turn) Load(ctx context.Context, target CopyTarget, tuples []byte, rows int64) error {
	r := newBytesReader(ctx, target.Format, tuples)
	err := t.try(ctx, copyPatience, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.PgConn().CopyFrom(ctx, r, target.sql())
		if err != nil {
			return err
		}
		return target.kept(rows, tag)
	})
	r.stop()
	if err == nil {
		t.unit.rows.Add(rows)
	}
	return err
}
