package jsoncodec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An Encoder writes values of type T as lines of JSON: what encoding/json writes with SetEscapeHTML(false), or an error
// where that would change a text. It is for one goroutine.
type Encoder[T any] struct{}

// NewEncoder returns an encoder for T. The error is about T.
func NewEncoder[T any]() (*Encoder[T], error) {
	t := reflect.TypeFor[T]()
	if err := checkType(t); err != nil {
		return nil, err
	}
	if t.Kind() == reflect.Struct && !hasMethod(t) {
		if err := json.Unmarshal([]byte("{}"), new(T), strict); err != nil {
			return nil, fmt.Errorf("%v cannot be written as JSON: %s", t, plain(err))
		}
	}
	return &Encoder[T]{}, nil
}

// Append appends a record and a line feed. On error dst is returned as it was; path leads to what is wrong.
func (*Encoder[T]) Append(dst []byte, rec *T) (out []byte, path string, err error) {
	text, err := json.Marshal(rec, strict)
	if err != nil {
		var p jsontext.Pointer
		reason := plain(err)
		if e, ok := errors.AsType[*json.SemanticError](err); ok {
			p = e.JSONPointer
			if e.Err != nil {
				reason = plain(e.Err)
			}
		} else if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			p, reason = e.JSONPointer, plain(e.Err)
		}
		return dst, dotted(nil, p), errors.New(reason)
	}
	if len(text) == 0 || text[0] != '{' {
		return dst, "", fmt.Errorf("the record would be written as %s: a line is an object", kindOf(append(text, 0)[0]))
	}
	if bytes.IndexByte(text, '\n') >= 0 {
		return dst, "", errors.New("the record would be written over several lines")
	}
	dst = append(dst, text...)
	return append(dst, '\n'), "", nil
}
