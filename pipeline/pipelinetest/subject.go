package pipelinetest

import (
	"github.com/millrace/millrace/pipeline"
)

// Names of the stages around the one that is tested.
const (
	inputName    = "input"
	stageName    = "stage"
	otherName    = "other"
	outputName   = "output"
	keptName     = "kept"
	rejectedName = "rejected"
)

// none is the record type of a side that a stage does not have.
type none = struct{}

// subject is the stage that is tested, whatever its kind: how to put it between
// an input and outputs. A watch, unless it is nil, learns of its calls.
type subject[In, Out any] struct {
	check string // the name of the check, for messages
	side  int    // which of two inputs the input is
	wire  func(p *pipeline.Pipeline, w *watch, input *feed[In], outputs []pipeline.Sink[Out], options []pipeline.StageOption)
}

// read is how many records of the input the stage has read.
func (s subject[In, Out]) read(stage pipeline.StageReport) int64 {
	if s.side < len(stage.Inputs) {
		return stage.Inputs[s.side].Records
	}
	return stage.RecordsIn
}

func aSource[T any](source pipeline.Source[T]) subject[none, T] {
	return subject[none, T]{check: "CheckSource", wire: func(p *pipeline.Pipeline, w *watch, _ *feed[none],
		outputs []pipeline.Sink[T], options []pipeline.StageOption) {
		read(pipeline.From(p, stageName, watchSource(w, source), options...), outputs)
	}}
}

func aTransform[In, Out any](transform pipeline.Transform[In, Out]) subject[In, Out] {
	return subject[In, Out]{check: "CheckTransform", wire: func(p *pipeline.Pipeline, w *watch, input *feed[In],
		outputs []pipeline.Sink[Out], options []pipeline.StageOption) {
		in := pipeline.From(p, inputName, input)
		read(pipeline.Via(in, stageName, watchTransform(w, transform), options...), outputs)
	}}
}

// aLeft is a transform of two inputs whose second one is given; the first is what the run is about.
func aLeft[A, B, Out any](transform pipeline.Transform2[A, B, Out], b []B) subject[A, Out] {
	return subject[A, Out]{check: "CheckTransform2: input a", wire: func(p *pipeline.Pipeline, w *watch, input *feed[A],
		outputs []pipeline.Sink[Out], options []pipeline.StageOption) {
		left := pipeline.From(p, inputName, input)
		right := pipeline.From(p, otherName, &feed[B]{records: b, fresh: input.fresh})
		read(pipeline.Via2(left, right, stageName, watchTransform2(w, transform), options...), outputs)
	}}
}

// aRight is the same the other way round.
func aRight[A, B, Out any](transform pipeline.Transform2[A, B, Out], a []A) subject[B, Out] {
	return subject[B, Out]{check: "CheckTransform2: input b", side: 1, wire: func(p *pipeline.Pipeline, w *watch, input *feed[B],
		outputs []pipeline.Sink[Out], options []pipeline.StageOption) {
		left := pipeline.From(p, otherName, &feed[A]{records: a, fresh: input.fresh})
		right := pipeline.From(p, inputName, input)
		read(pipeline.Via2(left, right, stageName, watchTransform2(w, transform), options...), outputs)
	}}
}

func aSink[T any](sink pipeline.Sink[T]) subject[T, none] {
	return subject[T, none]{check: "CheckSink", wire: func(p *pipeline.Pipeline, w *watch, input *feed[T],
		_ []pipeline.Sink[none], options []pipeline.StageOption) {
		pipeline.To(pipeline.From(p, inputName, input), stageName, watchSink(w, sink), options...)
	}}
}

// read loads a stream into one sink, or two. The runner gives the last its own batches, and the
// others copies that it makes while they are written.
func read[T any](stream pipeline.Stream[T], sinks []pipeline.Sink[T]) {
	for i, sink := range sinks {
		pipeline.To(stream, []string{outputName, keptName}[i], sink)
	}
}

// build makes a pipeline of the stage and what is around it.
func (s subject[In, Out]) build(set settings, w *watch, input *feed[In],
	outputs ...pipeline.Sink[Out],
) (*pipeline.Pipeline, *collector[pipeline.Reject]) {
	p := pipeline.New("pipelinetest", set.options)
	s.wire(p, w, input, outputs, set.stage)
	rejects := &collector[pipeline.Reject]{}
	pipeline.To(pipeline.Rejects(p), rejectedName, rejects)
	return p, rejects
}
