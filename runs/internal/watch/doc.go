// Package watch hands out what happens to runs to those who watch them, on this replica.
//
//	a notice of the database ──▶ Dirty ─┐                       ┌──▶ a watcher: the newest that it has not taken
//	            a poll, now and then ───┴─▶ Serve ─ one look ───┼──▶ a watcher
//	                                        for all that changed └──▶ a watcher
//
// All watchers of a replica together cost one query each tenth of a second, and only while something happens. A slow
// watcher misses what came between, and holds up nobody.
package watch
