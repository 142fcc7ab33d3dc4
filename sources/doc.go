// Package sources holds the sources of records: files of CSV and JSON, Postgres, memory. Where files are is package files.
//
//	┌─────────────────┐
//	│ CSV[T]          │ files of any store, packed or not     ──┐
//	│ JSONLines[T]    │ the same, of JSON                     ──┤
//	│ Postgres[T]     │ a table or a query                    ──┼──▶ Stream[T]
//	│ Slice[T]        │ what is in memory                     ──┘
//	└─────────────────┘
//
// A source is a struct literal: its zero fields mean what their comments say,
// building it reads nothing and cannot fail. What is wrong with it, or with what
// it is to read, is reported when the pipeline is validated, before data moves:
//
//	sales := pipeline.From(p, "extract", sources.CSV[Sale]{Path: "sales.csv"})
//
// The fields of T are found by struct tags, csv:"name", json:"name" and db:"name", and T is decoded
// into directly. Values are checked: what does not fit its field is a reject with
// its place, never something near it.
//
// A source that is read incrementally ([CSV].NewFiles, [JSONLines].NewFiles, [Postgres].Cursor) reads in each
// run what the last committed one has not; it needs [pipeline.Options].State.
//
// A source reads what was there before the run, unless it is told to read in the run's own transaction
// ([Postgres].InRun). One that the graph puts after a sink of its own table (After), without that,
// is an error of the validation.
//
// There is no Func here: [pipeline.SourceFunc] makes a source of a function.
package sources
