// Package proof holds the tests of the promise: a run that is killed at any instant
// leaves everything or nothing. There is no code here but tests.
//
//	             starts, kills, starts again
//	┌────────┐ ───────────────────────────────▶ ┌──────────────┐   ┌───────────────┐
//	│ parent │                                  │ child process ├──▶│ proxy ├──▶│ Postgres │
//	│ (test) │ ◀── counts rows after each kill ─┤ runs a pipeline│   cuts, delays    killed
//	└────────┘                                  └──────────────┘   └───────────────┘
//
// What is broken, each at random moments: the process (kill -9, SIGSTOP), the
// database (kill -9, immediate shutdown), the network between them (cut, reset, delayed,
// trickled; in particular between COMMIT and its answer). What is loaded: append,
// replace, upsert, an incremental source, with rejects, a CSV file and the ledger. After
// each blow one look, in one snapshot, must find the data, the rejects, the
// cursor and the ledger agreeing; after the last attempt the tables hold the
// expected rows, each exactly once.
//
// A child may also be a replica of durable runs, of which three share the work of many runs while they are killed and
// stopped at random, and some runs are cancelled. What failed or was cancelled has then left nothing, and what
// succeeded has all its rows and its whole file.
//
// go test runs a short sample of each. make proof, and CI, run as many as docs/proof.md
// says: MILLRACE_PROOF=full.
package proof
