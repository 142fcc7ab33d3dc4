// Package life is the life of a run: its states, what is true in each, and the only statements that move a run from
// one to another.
//
//	          ┌────────────── Requeue ──────────────┐
//	          ▼                                     │
//	Insert  queued ──┐          ┌──▶ failed, cancelled
//	          ▲      │          │
//	 HandBack │    Claim       End
//	          │      ▼          │
//	          └── running ──────┴──▶ succeeded
//	               │   │
//	          Retry│   │Lose
//	               ▼   ▼
//	         retrying  lost ── Claim ──▶ running          (what waits can also be cancelled: End)
//
// The table in states.go says it all. The database holds it too, by a migration that is made from it, so that no
// statement of any version, and no hand, moves a run along a way that is not there; and so does the diagram in
// docs/operations.md. To add a state, add it there and write the next migration with
//
//	go test ./runs/internal/life -run Migration -update
//
// What is committed is never failed nor cancelled: whoever ends a run asks the ledger first, under the lock of the
// run's row ([Runs.Committed]).
package life
