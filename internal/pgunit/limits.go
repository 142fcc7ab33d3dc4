package pgunit

import "time"

// The limits of time and memory that the package keeps.
const (
	// QueueBytes bounds what one stage has encoded and the server has not taken. A
	// single chunk may be larger, since a row can be.
	QueueBytes = 1 << 20

	// AcquireTimeout bounds the wait for a connection of the pool. What a run needs
	// at once is checked at its start; this is for pools that others use too.
	AcquireTimeout = 30 * time.Second

	// Grace is how long a statement of a cancelled run may take to end before the
	// connection is cut, and how long a ROLLBACK may take.
	Grace = 5 * time.Second

	// CommitTimeout bounds COMMIT. With synchronous replication it includes the wait
	// for the standby.
	CommitTimeout = 30 * time.Second

	// OutcomeTimeout bounds the asking for what became of a lost COMMIT.
	OutcomeTimeout = 20 * time.Second

	// FenceTimeout is how long a process may idle between taking the fence and
	// COMMIT before the server ends its session: a process that was stopped there
	// must not hold up the next attempt for ever.
	FenceTimeout = 30 * time.Second
)

// limits are variables so that tests need not wait.
var limits = struct {
	queue                           int
	acquire, grace, commit, outcome time.Duration
	fence                           time.Duration
}{QueueBytes, AcquireTimeout, Grace, CommitTimeout, OutcomeTimeout, FenceTimeout}
