// Package transforms holds the transforms that most pipelines need.
//
//	records ─▶ ┌────────────────────────────────────────────────┐ ─▶ records
//	           │ one in, one out    Map  Update  Tap  Lookup     │
//	           │                    Async                        │
//	           │ one in, some out   FlatMap  Filter  Limit       │
//	           │                    Distinct  Validate  Chunk    │
//	           │ a whole stream in  GroupBy  Sum  Sort  TopN     │
//	           │                    Window                       │
//	           │ two streams in     Join                         │
//	           └──────────────────────┬─────────────────────────┘
//	                                  ▼
//	                    rejects: Validate, Lookup, Join, and every
//	                    function that returns Reject(...)
//
// A transform that is made of one function is a call, so that the compiler
// finds the types: Map(f). One that is made of several, or has settings, is a
// struct literal: GroupBy[Sale, string, Total]{Key: ..., Fold: ...}. Making
// either does nothing yet; a function that is missing is reported before any
// data moves.
//
// # The contract
//
// Functions get a pointer to the record, because copying a record of more than
// about 32 bytes costs more than everything else a stage does with it. The
// pointer is good until the function returns: the memory is used again for later
// records. What the record points to (strings, slices) may be kept, but a string
// that a source cut out of its input keeps the text of its whole batch alive:
// [strings.Clone] what is kept for long.
//
// An error that a function returns fails the run, with the name of the stage in
// front. [Reject] makes an error that sets the record aside instead, within the
// run's budget (pipeline.Options.MaxRejects).
//
// With pipeline.Parallel, and when one pipeline is run several times at once,
// functions are called by several goroutines. Async, Distinct, Join, Limit and Sort refuse
// Parallel; GroupBy and Window need Merge for it.
//
// Order is kept in one lane, and is that of the first record of each key in
// GroupBy, Sum, Distinct, TopN and Window, and that of the left stream in Join. With more lanes
// there is none.
//
// # Memory
//
// GroupBy, Sum, Distinct, Sort, TopN, Window, Lookup and Join hold at most MaxMemory bytes, 256 MiB
// by default, of what they have to keep; then they go on in temporary files, and
// still write the same. Files are in a folder millrace-spill-… of the stage's
// TempDir. They are gone when the stage ends, and nothing of them stays when the
// process is killed; a disk that fills up fails the run with the folder's name.
//
// The figure is an estimate of what is alive. Go's collector lets the process
// grow to about twice that before it frees; GOMEMLIMIT bounds it.
package transforms
