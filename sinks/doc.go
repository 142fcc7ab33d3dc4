// Package sinks holds where records go: Postgres, files of CSV and JSON, memory.
//
//	                ┌─────────────────┐
//	             ┌──│ Postgres[T]     │ a table: one transaction a run      ─┐
//	             │  │ CSV[T]          │ a file: gets its name at the commit  │
//	             │  │ JSONLines[T]    │ the same, of JSON                    │ all of it
//	Stream[T] ───┤  │ RejectedLines   │ refused lines, to be mended          ├─ or
//	             │  │ Slice[T]        │ memory: set at the commit            │ nothing
//	             └──└─────────────────┘                                     ─┘
//
// Beside them stand the steps of SQL, in the same transaction as the rows: [Exec] for what writes, [Query] for what
// looks, [Check] for a rule that must hold before the commit.
//
// A sink is a struct literal: its zero fields mean what their comments say,
// building it writes nothing and cannot fail. What is wrong with it, or with
// where it is to write, is reported when the pipeline is validated, before data moves:
//
//	pipeline.To(totals, "load", sinks.CSV[Total]{Path: "totals.csv"})
//
// Every sink here joins a unit of work ([pipeline.Join]): what it wrote becomes
// visible when the whole run has succeeded, and leaves no trace when it has not. Databases
// commit first, files are renamed after them, slices in memory are set last. A crash between a
// database and a file is repaired by the run's retry where the run has a ledger
// ([pipeline.Options].State), and otherwise leaves the old file.
//
// There is no Func here: [pipeline.SinkFunc] makes a sink of a function.
package sinks
