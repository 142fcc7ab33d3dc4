package pipelinetest

import (
	"time"

	"github.com/millrace/millrace/pipeline"
)

// Option is a setting of one run or check.
type Option func(*settings)

type settings struct {
	options      pipeline.Options
	stage        []pipeline.StageOption
	unordered    bool
	oneAtATime   bool
	allOrNothing bool
	within       time.Duration
	loaded       func() any
}

func newSettings(options []Option) settings {
	s := settings{options: pipeline.Options{MaxRejects: -1}, within: 10 * time.Second}
	for _, o := range options {
		if o != nil {
			o(&s)
		}
	}
	return s
}

// WithOptions runs the stage in a pipeline with these options, taken as they are:
// with MaxRejects 0 the first reject fails the run. Defaults to the zero value
// but for MaxRejects, which is -1, so that all rejects are collected.
func WithOptions(options pipeline.Options) Option {
	return func(s *settings) { s.options = options }
}

// WithStage gives the stage options of its own, pipeline.Parallel for example.
func WithStage(options ...pipeline.StageOption) Option {
	return func(s *settings) { s.stage = append(s.stage, options...) }
}

// Unordered tells the checks that the stage may write its records in any order,
// as one that walks over a map does, or one with pipeline.Parallel.
func Unordered() Option { return func(s *settings) { s.unordered = true } }

// OneRunAtATime tells the checks that the stage cannot serve several runs at
// once, because they would meet in its target.
func OneRunAtATime() Option { return func(s *settings) { s.oneAtATime = true } }

// Within bounds how long the checks wait for a stage to stop once it should. Defaults to
// 10 seconds, which only a stage that hangs will use up.
func Within(d time.Duration) Option { return func(s *settings) { s.within = d } }

// Loaded tells CheckSink how to see what the sink has loaded: the content of
// its file, the rows of its table. The same input must give the same answer,
// compared by [reflect.DeepEqual], each time; for a sink that adds to what is
// there, let the function clear it too.
func Loaded(content func() any) Option { return func(s *settings) { s.loaded = content } }

// AllOrNothing tells CheckSink, which then needs [Loaded] too, that a run that fails or
// is cancelled must leave the target as it was: what every sink promises that joins a
// unit of work (pipeline.Join).
func AllOrNothing() Option { return func(s *settings) { s.allOrNothing = true } }
