package pipeline

import (
	"context"
	"encoding/json"
)

// What a stage can do besides, each an interface that is asked for once, when the graph is wired. [Validator] and
// [Describer], which every stage may want, are in stage.go.

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

// Opener is an optional ability of a stage: what has to be settled for all stages of a run before the first of them
// starts. Runs that write to the same tables put themselves in order there. Open is called in each attempt, after the
// validation, for one stage after the other in the order in which they were added; an error ends the attempt.
type Opener interface {
	Open(ctx context.Context) error
}

// Dataset is a table, a file or the like that a stage reads or writes.
type Dataset struct {
	Namespace string // what it is in: "postgres://db.example.com:5432", "file"
	Name      string // "airflowdb.public.sales", an absolute path
	Writes    bool   // the stage writes it; otherwise the stage reads it
	// Empties says that a writing stage lets nobody else read it until the run commits: a
	// table that is truncated, say.
	Empties bool
	// InRun says that a reading stage sees what the run has written before.
	InRun bool
}

// Datasetter is an optional ability of a stage: to say what it reads and writes. Datasets is called when
// the stage's own validation has found nothing, and must not change anything.
type Datasetter interface {
	Datasets(ctx context.Context) ([]Dataset, error)
}
