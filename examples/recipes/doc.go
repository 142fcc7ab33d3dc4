// Package recipes is a module of its own, so that what its programs use beside Millrace is in nobody else's go.sum. Each
// folder is one program that can be copied as it stands:
//
//	upsert    a CSV file into a table: filtered, updated where it is there, bad lines into a file
//	join      two tables, with those that have no partner, into a packed CSV file
//	paged     an HTTP API with pages, 429 and a cursor of its own into a table
//	jsonlines JSON lines in and out, packed and reshaped
//	route     one stream into three sinks, by a condition
//	sessions  sessions of clicks, and the longest of each day
//	calls     20 slow calls at once, results in the order of the input
//	nightly   a durable pipeline: scheduled, with a parameter, a backfill and an alert
//	stages    a source, a transform and a sink of one's own, and their tests
//	checked   a load, SQL after it, and rules that must hold before the commit
//
// Their tests run them as programs, and count their lines.
package recipes
