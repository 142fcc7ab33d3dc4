// Package pgunit is what a run does in one Postgres: a transaction that all its
// stages share, the turns that they take with it, and the ledger that is
// committed with it.
//
//	 stage (encodes)      chunks          driver           one connection, one transaction
//	┌───────────────┐  ┌─────────┐   ┌──────────────┐      ┌──────────────────────────┐
//	│ sinks.Postgres├─▶│ ≤ 1 MiB ├──▶│ Copy, with a ├─turn─┤ BEGIN                    │
//	└───────────────┘  └─────────┘   │ turn         │      │   COPY a … COPY b …      │
//	┌───────────────┐                └──────────────┘      │   a step's SQL           │
//	│ sinks.Exec    ├─────────────────────────────────turn─┤   ledger: fence, cursors,│
//	└───────────────┘                                      │           commits        │
//	  runner: State.Commit, Prepare, Commit ──────────turn─┤ COMMIT                   │
//	                                                       └──────────────────────────┘
//
// # Turns
//
// A connection does one thing at a time, so whoever uses it holds a [Turn]. Turns
// are given in the order in which they were asked for. A [Copy] that nobody waits
// for keeps one COPY stream open from its first row to its last. When another asks,
// it sends what is queued, at most [QueueBytes], and ends the stream; also while it
// is waiting for input itself. That is what keeps a tee from deadlock: a sink takes
// its input until its queue is full; a sink whose queue is full waits for a turn; and
// whoever has the turn gives it up, even if its own input is held up by the sink that
// waits. Nobody waits for anything else while holding a turn.
//
// # A COPY that the server refuses
//
// pgconn's CopyFrom looks at the server's answers in the background, but returns only
// after its reader's Read does. So a Read with nothing to give returns (0, nil)
// every 25 ms, upon which CopyFrom sees that it was refused: the run fails that soon,
// also while the stage waits for input.
//
// # Cancelling
//
// pgx closes a connection whose context is done. Here a statement gets a context of
// its own: when the run is cancelled the server is asked to cancel the statement (a
// COPY is ended by CopyFail instead), so that ROLLBACK works on the live connection;
// after [Grace] the connection is cut, so that a dead network holds up nothing. A
// connection to which a cancel request was sent is not used again.
//
// # Commit
//
// Before the commit the transaction's ID is asked for. If COMMIT's answer is lost, the
// server is asked on a new connection what became of that transaction
// (pg_xact_status): committed is success, aborted is an error worth a retry. A
// session that never got the COMMIT (its state is "idle in transaction") is ended so
// that there is an answer. What cannot be found out in [OutcomeTimeout] is
// [pipeline.ErrOutcomeUnknown].
//
// # Limits of time
//
// Acquiring a connection [AcquireTimeout], COMMIT [CommitTimeout], asking for a lost
// answer [OutcomeTimeout], ROLLBACK [Grace]. For the transaction, the session's
// statement_timeout, transaction_timeout and idle_in_transaction_session_timeout
// are off: a COPY lasts as long as the run ([pipeline.Options].Timeout bounds that),
// and waits for input are no fault. From the fence on (the ledger's last act before
// COMMIT) the idle timeout is [FenceTimeout], so that a process that is stopped
// there does not hold up its successor for ever.
package pgunit
