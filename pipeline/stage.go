package pipeline

import (
	"context"
	"encoding/json"
)

// Source reads records from somewhere and writes them to out.
//
// Extract returns nil when everything was read; only then do the stages behind
// it see the end of their input. It must return soon after ctx is done, which
// [Writer.Write] does by itself. A Source value is configuration: Extract may
// be called by several runs at the same time.
type Source[T any] interface {
	Extract(ctx context.Context, out *Writer[T]) error
}

// Transform reads records, and writes none, one or many for each.
//
// The code after the loop over the input is the end of the stream. Returning
// nil before the input ends is allowed: the rest is dropped, and those who write it
// are told when nobody else reads it ([ErrEnough]).
// With [Parallel] the same value is called several times at once, each call
// with a share of the records.
type Transform[In, Out any] interface {
	Transform(ctx context.Context, in *Reader[In], out *Writer[Out]) error
}

// Sink takes records to their destination.
//
// When Load returns nil everything it was given must be ready to be committed.
// A sink whose effects must appear together with the rest of the run, or not at
// all, joins a unit of work ([Join]); one that does not is outside the promise
// of all or nothing.
type Sink[T any] interface {
	Load(ctx context.Context, in *Reader[T]) error
}

// SourceFunc makes a [Source] of a function.
type SourceFunc[T any] func(ctx context.Context, out *Writer[T]) error

// Extract calls f.
func (f SourceFunc[T]) Extract(ctx context.Context, out *Writer[T]) error { return f(ctx, out) }

// TransformFunc makes a [Transform] of a function.
type TransformFunc[In, Out any] func(ctx context.Context, in *Reader[In], out *Writer[Out]) error

// Transform calls f.
func (f TransformFunc[In, Out]) Transform(ctx context.Context, in *Reader[In], out *Writer[Out]) error {
	return f(ctx, in, out)
}

// SinkFunc makes a [Sink] of a function.
type SinkFunc[T any] func(ctx context.Context, in *Reader[T]) error

// Load calls f.
func (f SinkFunc[T]) Load(ctx context.Context, in *Reader[T]) error { return f(ctx, in) }

// Validator is an optional ability of a stage: it is checked before any data
// moves. The problems of all stages are reported together, as a
// [*ValidationError]. Validate must not change anything.
type Validator interface {
	Validate(ctx context.Context) error
}

// Splitter is an optional ability of a [Source]: it can be read as n parts side
// by side. Split is called at the start of an attempt when the stage was given
// [Parallel](n) with n > 1. The parts together hold each record exactly once;
// fewer than n parts are fine, none is not.
type Splitter[T any] interface {
	Split(ctx context.Context, n int) ([]Source[T], error)
}

// LaneTransform is an optional ability of a [Transform] that keeps state across
// records (a sum for each key, say) and can still work in lanes: with
// [Parallel](n) it is called once, with n readers that share the input between
// them, each to be used by one goroutine. The Writer may be used by one goroutine
// at a time only.
type LaneTransform[In, Out any] interface {
	TransformLanes(ctx context.Context, ins []*Reader[In], out *Writer[Out]) error
}

// Serial is an optional mark of a stage that must see its whole input in one
// call. [Parallel] with more than one lane is then an error at the start.
type Serial interface {
	Serial()
}

// Describer is an optional ability of a stage: to say in one line what it is
// ("CSV in_store_sales.csv"), for logs, reports and pictures. The line holds no
// secret.
type Describer interface {
	Describe() string
}

// Cursored is an optional ability of a [Source] that reads incrementally: each
// run takes up where the last committed one ended. It needs [Options].State.
//
// At the start of a run's first attempt, Bound is given the last committed
// cursor (nil before the first run) and fixes where this run ends; the range
// is recorded, so that a retry reads the same one. Extract finds it by
// [RangeFrom]. The cursor moves to the range's end in the transaction that
// holds the rows.
type Cursored interface {
	// Incremental tells whether this value is set up to read incrementally.
	Incremental() bool
	// Bound returns the upper end, inclusive, of what this run is to read.
	// Returning last means that there is nothing new. Nil means that it is not known yet, as with the token of a next
	// page: then Extract reports by [MoveCursor] how far it came, and a retry reads from the last committed cursor again.
	Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error)
}

// Range is what an attempt of an incremental source reads: everything after
// From, up to and including To. Both are opaque to everybody but the source.
type Range struct {
	From json.RawMessage `json:"from,omitempty"` // nil before the first committed run
	To   json.RawMessage `json:"to,omitempty"`   // nil while it is not known
}

// Finisher is an optional ability of a stage whose effects become visible after
// the ledger's commit (a file that is renamed, say). When an attempt finds that
// an earlier one of the same run did commit, the runner calls Finish instead of
// running the stage, so that what a crash left half-way is completed.
// [RunFrom] tells which run, with the attempt that committed.
type Finisher interface {
	Finish(ctx context.Context) error
}

// Claim is a share of a limited resource, a connection pool for example, that a
// stage holds while it runs.
type Claim struct {
	Key      any    // what identifies the resource; compared by ==
	Name     string // what to call it in an error: `pool of "airflowdb"`
	Capacity int    // how much of it there is
	Need     int    // how much this stage holds at once, in each lane (but see Once)
	// Shared claims on one Key are one: all Postgres sinks of a run use one
	// connection.
	Shared bool
	// Once says that the stage holds Need once, however many lanes it has: its lanes
	// share what was read with it.
	Once bool
}

// Claimer is an optional ability of a stage. The runner adds up the claims of
// all stages before the start: what would hang for want of a connection is an
// error instead.
type Claimer interface {
	Claims() []Claim
}
