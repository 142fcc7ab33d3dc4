package pipeline

import (
	"context"
	"encoding/json"
)

// State keeps the ledger of commits and the cursors of incremental sources.
// sinks.PostgresState is one. A State value is configuration, usable by many runs
// at once.
type State interface {
	// Begin is called at the start of each attempt, before anything else. sources
	// are the names of the incremental sources whose cursors are wanted.
	Begin(ctx context.Context, run Run, sources []string) (Recovered, error)

	// Fix records, in a transaction of its own, what the run's incremental sources
	// read, so that a later attempt reads the same.
	Fix(ctx context.Context, run Run, ranges map[string]Range) error

	// Commit writes the ledger's row and moves the cursors. It is called after
	// every stage succeeded, and must do its work inside a unit of the run ([Join]),
	// so that it commits with the data. It may return [ErrAlreadyCommitted] or
	// [ErrFenced].
	Commit(ctx context.Context, run Run, commit Commit) error
}

// Recovered is what State knows of a run when an attempt begins.
type Recovered struct {
	// Committed is the ledger's row when an earlier attempt of this run, or an
	// earlier run of the same ID, has committed.
	Committed *Commit
	// Cursors holds the last committed cursor of each source that has one.
	Cursors map[string]json.RawMessage
	// Ranges holds what an earlier attempt of this run recorded by Fix.
	Ranges map[string]Range
	// Fence is the State's own mark of this attempt, which the runner hands back in
	// Commit: by it the State knows whether another attempt has begun since.
	Fence int64
}

// Commit is what the ledger keeps of a committed run.
type Commit struct {
	Attempt int              // which attempt committed
	Rows    int64            // records that went into sinks
	Ranges  map[string]Range // of the incremental sources
	Fence   int64            // [Recovered].Fence of the attempt that commits; not kept
}
