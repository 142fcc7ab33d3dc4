// Command bench compares Millrace with what people would use by hand: psql, pgx, gocsv,
// csvutil, DuckDB, Python with pandas. It is a module of its own, so that the peers stay
// out of Millrace's.
//
//	make bench
//	cd bench && go run . -rows 2000000 -rounds 5 -only sales
//
// The sides of a comparison take turns, round by round, on the same data and the same
// server; what counts is the ratio of the times of one round, and the median
// of these over the rounds. Both sides must have produced the same result. A peer that
// is not installed is passed over with a word.
package main
