package pipeline

import "context"

// Source reads records from somewhere and writes them to out.
//
// Extract returns nil when everything was read; only then do the stages behind
// it see the end of their input. It must return soon after ctx is done, which
// [Writer.Write] does by itself. A Source value is configuration: Extract may
// be called by several runs at the same time.
type Source[T any] interface {
	Extract(ctx context.Context, out *Writer[T]) error
}

// Transform reads records, and writes none, one or many for each.
//
// The code after the loop over the input is the end of the stream. Returning
// nil before the input ends is allowed: the rest is dropped, and those who write it
// are told when nobody else reads it ([ErrEnough]).
// With [Parallel] the same value is called several times at once, each call
// with a share of the records.
type Transform[In, Out any] interface {
	Transform(ctx context.Context, in *Reader[In], out *Writer[Out]) error
}

// Sink takes records to their destination.
//
// When Load returns nil everything it was given must be ready to be committed.
// A sink whose effects must appear together with the rest of the run, or not at
// all, joins a unit of work ([Join]); one that does not is outside the promise
// of all or nothing.
type Sink[T any] interface {
	Load(ctx context.Context, in *Reader[T]) error
}

// SourceFunc makes a [Source] of a function.
type SourceFunc[T any] func(ctx context.Context, out *Writer[T]) error

// Extract calls f.
func (f SourceFunc[T]) Extract(ctx context.Context, out *Writer[T]) error { return f(ctx, out) }

// TransformFunc makes a [Transform] of a function.
type TransformFunc[In, Out any] func(ctx context.Context, in *Reader[In], out *Writer[Out]) error

// Transform calls f.
func (f TransformFunc[In, Out]) Transform(ctx context.Context, in *Reader[In], out *Writer[Out]) error {
	return f(ctx, in, out)
}

// SinkFunc makes a [Sink] of a function.
type SinkFunc[T any] func(ctx context.Context, in *Reader[T]) error

// Load calls f.
func (f SinkFunc[T]) Load(ctx context.Context, in *Reader[T]) error { return f(ctx, in) }

// Validator is an optional ability of a stage: it is checked before any data
// moves. The problems of all stages are reported together, as a
// [*ValidationError]. Validate must not change anything.
type Validator interface {
	Validate(ctx context.Context) error
}
