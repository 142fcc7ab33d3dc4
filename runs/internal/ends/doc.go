// Package ends is what follows the end of an attempt or of a run, whoever has written it: a worker, the reaper, or who
// cancels.
//
//	work   ──┐               ┌──▶ the place is handed on (queue)
//	lease  ──┼──▶ Follow ────┼──▶ the keeper is woken for the next attempt
//	cancel ──┘  after the    └──▶ it is observed: counted, told
//	             commit
//	                          ... and in the end ──▶ Prune: the history forgets the run, the ledger later
//
// What a replica that dies just after the commit leaves undone, the keeper of any other does; but it is not observed.
package ends
