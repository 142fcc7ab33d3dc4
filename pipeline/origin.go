package pipeline

import (
	"reflect"
	"unsafe"
)

// Origin says where a record comes from. A record type that embeds it, by value, gets it
// filled by the sources of files:
//
//	type Sale struct {
//		pipeline.Origin
//		Product  string `csv:"product" db:"product"`
//		Quantity int    `csv:"quantity" db:"quantity"`
//	}
//
// Whatever stage then sets such a record aside, its [Reject] says which line of which file it was. It is no
// column and no member of any form that records are written in; types without it cost nothing.
//
// A transform that makes records of another type hands it on by assigning it. It is part of ==, so a
// whole record is no key to group by.
type Origin struct {
	Source string `csv:"-" db:"-" json:"-" parquet:"-"` // a file's name; empty if the record comes from no file
	Line   int64  `csv:"-" db:"-" json:"-" parquet:"-"` // from 1, of the record's first line; 0 unknown
	Offset int64  `csv:"-" db:"-" json:"-" parquet:"-"` // in bytes, from the (unpacked) file's start
}

// OriginField returns a function that finds the [Origin] in a record, for sources that fill it. It is nil
// if T does not embed one by value. Ask once and not for each record:
//
//	at := pipeline.OriginField[T]()
//	...
//	if at != nil {
//		*at(&record) = pipeline.Origin{Source: name, Line: line, Offset: offset}
//	}
func OriginField[T any]() func(record *T) *Origin {
	offset, ok := originOffset(reflect.TypeFor[T]())
	if !ok {
		return nil
	}
	return func(record *T) *Origin { return (*Origin)(unsafe.Add(unsafe.Pointer(record), offset)) }
}

// originOffset is where in a struct the outermost embedded Origin lies.
func originOffset(t reflect.Type) (offset uintptr, ok bool) {
	if t.Kind() != reflect.Struct {
		return 0, false
	}
	var found []int
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous && f.Type == reflect.TypeFor[Origin]() && (found == nil || len(f.Index) < len(found)) && inside(t, f.Index) {
			found = f.Index
		}
	}
	for _, i := range found {
		f := t.Field(i)
		offset += f.Offset
		t = f.Type
	}
	return offset, found != nil
}

// inside tells whether the field lies in the struct itself: no pointer stands between.
func inside(t reflect.Type, index []int) bool {
	for _, i := range index {
		if t.Kind() != reflect.Struct {
			return false
		}
		t = t.Field(i).Type
	}
	return true
}
