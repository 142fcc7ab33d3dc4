// Package pipelinetest runs one stage by itself, and checks that a stage of one's
// own keeps the rules that pipelines rely on.
//
//	[]In ─▶ ┌───────────┐ ─▶ []Out      Source, Transform, Sink: the records,
//	        │ one stage │               or the test fails
//	        └─────┬─────┘               RunSource, RunTransform, RunSink: a Result,
//	              ▼                     with the error and the rejects
//	          []Reject                  CheckSource, CheckTransform, CheckSink: the rules
//
// A transform of two inputs has Transform2, RunTransform2 and CheckTransform2.
//
// A test of what a stage does:
//
//	got := pipelinetest.Transform(t, DropRefunds{}, []Sale{{Quantity: 2}, {Quantity: -1}})
//
// And one that it behaves, whatever it does:
//
//	pipelinetest.CheckTransform(t, DropRefunds{}, []Sale{{Quantity: 2}, {Quantity: -1}})
//
// The stage runs in a real pipeline: in goroutines of its own, with bounded queues around
// it, and with the context, units of work and rejects that it has in production.
//
// # The rules
//
// The checks run the stage some dozens of times, whole and torn. They find a stage that
//
//   - gives other records when they travel in batches of another size, or when another of two inputs comes first;
//   - changes a batch after it passed it on, reads it again, or uses one that it recycled;
//   - cannot serve several runs at once (run them with -race);
//   - fails on an empty input;
//   - does not stop when the run is cancelled, while it waits for input or for output;
//   - takes a failed input for an ended one, or hides an error behind another;
//   - leaves goroutines behind;
//   - as a sink, leaves traces of a run that failed, where it promises not to ([AllOrNothing]).
//
// They look at all goroutines of the process, so a test that calls them must not
// be parallel to others.
package pipelinetest
