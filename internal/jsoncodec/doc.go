// Package jsoncodec turns JSON lines, and arrays within JSON documents, into Go values and back.
//
//	io.Reader ──▶ Scanner ──▶ Record ──▶ Decoder[T] ──▶ T
//	              lines, or   bytes in   a plan for flat structs; whatever it does
//	              elements    a buffer   not know: go-json-experiment/json, strict
//
//	T ──▶ Encoder[T] ──▶ a line
//
//	SplitPoints: where a file of lines can be cut
//
// It knows nothing of pipelines, files or compression: sources and sinks do.
//
// Tags and types mean what they mean to encoding/json. What that does in silence is an error here: a member that the
// struct lacks or that is there twice, a name in other letters' case, text that is not UTF-8, null for what cannot be
// nil, a whole number that a float does not hold, an array of another length.
//
// A record is a bounded amount of memory, whatever the input.
package jsoncodec
