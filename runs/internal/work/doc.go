// Package work is what this replica works: it claims runs, builds and runs their pipelines, and writes how each attempt
// ended.
//
//	River ──▶ claim ──▶ build ──▶ execute ──▶ commit: the run's end, in the transaction of its data
//	                      │          │    └──▶ settle: any other end, and that of a run with work after its commit
//	                      │          │            └── ask: is it committed in another database?
//	                      │          ▼
//	          beats: the lease   progress, log, rejects ──▶ the history, for watchers of every replica
//
// An attempt ends for one of three reasons from outside: its replica shuts down, it is cancelled, or its lease is lost;
// or for one of its own. What becomes of the run is decided in settle.go, by the table of the package life.
package work
