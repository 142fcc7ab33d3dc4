// Package pipeline runs graphs of typed stages: sources, transforms and sinks.
//
//	             Stream[Sale]                    Stream[Total]
//	┌─────────────┐    │    ┌───────────────────┐     │     ┌──────────┐
//	│ Source[Sale]├────┴─┬─▶│ Transform[Sale,   ├─────┴────▶│ Sink     │
//	└─────────────┘      │  │           Total]  │           │ [Total]  │
//	   From              │  └───────────────────┘  Via      └──────────┘  To
//	                     │
//	                     │     ┌────────────┐    a stream that is used twice
//	                     └────▶│ Sink[Sale] │    is a tee
//	                           └────────────┘
//
// A stage is one function from start to finish: it reads its [Reader], writes its
// [Writer] and returns. Returning an error fails the run; returning nil at the
// end of the input ends its own stream. There is nothing to open, flush or close.
//
// # Where to begin
//
// To build and run a pipeline of stages that exist: [New] with [Options], [From], [Via], [To], [Pipeline.Run] and its
// [Report]. Packages sources, transforms and sinks have the stages.
//
// To write a stage: [Source], [Transform], [Transform2] or [Sink], which is one function with a [Reader], a [Writer] or
// both. Most need no more. What else there is for authors of stages is named in the last
// section below.
//
// # The contract
//
// The graph: [From], [Via], [Merge], [To] and [Do] build it, and the compiler
// checks that the types of records fit. [Split] and [Partition] have several outputs,
// [Via2] has two inputs. A cycle cannot be written, because a
// [Stream] must exist before it can be read. What the compiler cannot see (a
// name used twice, a stream that nobody reads, a table that is not there) is
// reported before any data moves, the problems of the graph and of all stages together.
//
// The run: each stage has one goroutine (n with [Parallel]); between two stages is a
// bounded queue of batches, so memory does not grow with the input and a slow stage
// slows those before it. A stream ends only when its stage succeeded. The first
// error, or panic, stops the whole run and is returned as a [*StageError]; the
// target then is as it was before.
//
// Order: a stage may wait for others to end ([After]), and a stage with two inputs reads them
// as it likes. No graph hangs by that: where a waiting stage would hold up what it waits for,
// the records that come meanwhile are kept in memory and then in files ([Options].MaxWaiting).
// The one order that cannot be kept, a stage that can reject after one that reads the rejects, is
// a problem found before the start, and so is a type that cannot be written to a file
// where it may have to wait.
//
// Enough: a stage may return before its input ends. When all readers of a stage have
// returned, it is told ([ErrEnough]) and ends well, and so on up to the sources.
//
// All or nothing: a sink that joins a unit of work ([Join]) has its effects
// committed by the runner after every stage succeeded, together with those of the
// other stages of the unit, with the run's row in the ledger and with the cursors of
// incremental sources ([Options].State).
//
// Rejects: a stage can set a record aside ([Reader.Reject], [Writer.Reject]). A
// budget says how many of them a run allows; [Rejects] is the stream of them.
//
// Concurrency: a Pipeline may be run by several goroutines at once if its stages allow
// it, which those of this module do unless they say otherwise. Stages get a
// context that ends when the run does.
//
// # For authors of stages
//
// A stage may have optional abilities, each an interface that the runner asks for:
//
//   - [Validator]: it is checked before any data moves
//   - [Describer]: it says in one line what it is
//   - [Splitter], [LaneTransform], [Serial]: what [Parallel] does to it; [EachLane] helps
//   - [Cursored]: it reads what is new since the last committed run, with [RangeFrom] and [MoveCursor]
//   - [Claimer], [Opener]: it needs connections, or has to be settled with others before the first stage starts
//   - [Datasetter]: it says what it reads and writes
//   - [Finisher]: it has work left after the commit
//
// The context of a stage knows the run:
//
//   - [RunFrom], [LoggerFrom]: which run it is, and where its log goes
//   - [MaxRejectsFrom]: how many rejects it allows
//   - [Records]: reads a source from within a stage
//   - [Checked]: tells how a check came out
//   - [Fail]: fails the run from a helper goroutine of the stage
//   - [StagesFrom]: the other stages of the pipeline
//
// [Permanent] and [Transient] mark an error for [Options].Retry. [OriginField] fills in where a record comes from.
//
// Whoever connects a database of another kind makes a [Unit] that its sinks share ([Join], [Phase]), and a [State]
// that keeps the ledger and the cursors ([Recovered], [Commit], [Range], [FenceFrom], [StateFrom], [MayBeCommitted]).
package pipeline
