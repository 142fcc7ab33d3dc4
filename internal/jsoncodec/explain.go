package jsoncodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cleantext"
)

// fail makes the error of a bad record.
func (r *Record) fail(path string, value []byte, reason string, cause error) *Error {
	raw := r.Bytes()
	return &Error{
		Line: r.line, Path: path, Offset: r.offset, Value: cleantext.Cut(string(value), maxErrorValue),
		Raw: bytes.Clone(raw[:min(len(raw), maxErrorRaw)]), Cut: len(raw) > maxErrorRaw, Reason: reason, Err: cause,
	}
}

// explain says what package json found wrong with a record.
func (r *Record) explain(err error) *Error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		path := dotted(r.Bytes(), e.JSONPointer)
		switch {
		case errors.Is(e.Err, jsontext.ErrDuplicateName):
			return r.fail(path, nil, "the member is there twice", err)
		case errors.Is(e.Err, io.ErrUnexpectedEOF):
			return r.fail(path, nil, "the JSON ends too early: a record is one line, and whole", err)
		}
		return r.fail(path, nil, plain(e.Err)+fmt.Sprintf(" (byte %d of the record)", e.ByteOffset+1), err)
	}
	e, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return r.fail("", nil, plain(err), err)
	}
	path := dotted(r.Bytes(), e.JSONPointer)
	value := valueAt(r.Bytes(), e.JSONPointer)
	switch {
	case errors.Is(e.Err, json.ErrUnknownName):
		return r.fail(path, nil, "the struct has no such member: add it, or set IgnoreUnknown to pass such members over", err)
	case errors.Is(e.Err, ErrNull):
		return r.fail(path, value, fmt.Sprintf("is not %s: only a pointer holds null", wanted(e.GoType)), err)
	case errors.Is(e.Err, ErrInexact):
		return r.fail(path, value, fmt.Sprintf("would be changed by a %v: use an integer, a string or json.Number", e.GoType), err)
	case errors.Is(e.Err, strconv.ErrRange):
		return r.fail(path, value, fmt.Sprintf("does not fit %v", e.GoType), err)
	case e.Err == nil || errors.Is(e.Err, strconv.ErrSyntax) || errors.Is(e.Err, errNoTime):
		return r.fail(path, value, "is not "+wanted(e.GoType), err)
	}
	return r.fail(path, value, "cannot be read: "+plain(e.Err), err)
}

// wanted names what a type wants.
func wanted(t reflect.Type) string {
	if t == nil {
		return "what is wanted there"
	}
	if t == typeTime {
		return "a time in RFC 3339"
	}
	switch k := derefed(t).Kind(); {
	case hasMethod(t):
	case k >= reflect.Int && k <= reflect.Uintptr:
		return "an integer"
	case k == reflect.Float32 || k == reflect.Float64:
		return "a number"
	case k == reflect.Bool:
		return "true or false"
	case k == reflect.String:
		return "a string"
	case k == reflect.Struct || k == reflect.Map:
		return "an object"
	case k == reflect.Slice || k == reflect.Array:
		return "an array"
	}
	return "a " + t.String()
}

// plain is an error's text on one line, without the package's name.
func plain(err error) string {
	s := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "jsontext: "), "json: ")
	return strings.ReplaceAll(s, "\n", " ")
}

// dotted writes a pointer into a record as items[2].price.
func dotted(record []byte, p jsontext.Pointer) string {
	var b strings.Builder
	at := record
	for name := range p.Tokens() {
		array := len(at) > 0 && at[0] == '['
		at, _ = child(at, name)
		switch {
		case array:
			b.WriteString("[" + name + "]")
		case strings.ContainsAny(name, ".[]\" ") || name == "":
			fmt.Fprintf(&b, "[%q]", name)
		case b.Len() > 0:
			b.WriteString("." + name)
		default:
			b.WriteString(name)
		}
	}
	return cleantext.Clean(b.String())
}

// valueAt returns the value that a pointer leads to; nil if it leads to the record or nowhere.
func valueAt(record []byte, p jsontext.Pointer) []byte {
	if p == "" {
		return nil
	}
	for name := range p.Tokens() {
		var ok bool
		if record, ok = child(record, name); !ok {
			return nil
		}
	}
	return record
}

// child returns the member or element of that name.
func child(value []byte, name string) ([]byte, bool) {
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	open, err := dec.ReadToken()
	if err != nil || open.Kind() != '{' && open.Kind() != '[' {
		return nil, false
	}
	for i := 0; dec.PeekKind() != '}' && dec.PeekKind() != ']'; i++ {
		is := strconv.Itoa(i) == name
		if open.Kind() == '{' {
			key, err := dec.ReadToken()
			if err != nil {
				return nil, false
			}
			is = key.String() == name
		}
		v, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		if is {
			return bytes.Clone(v), true
		}
	}
	return nil, false
}
