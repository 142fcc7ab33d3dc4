package transforms

import (
	"reflect"
	"strings"
	"testing"
)

type name string

type place struct {
	Country string
	City    name
	Codes   [2]string
	Zip     int
	note    string
}

func TestKeysThatAreKeptPinNoOtherText(t *testing.T) {
	text := strings.Repeat("the text of a whole batch ", 100)
	part := text[4:8]
	apart := func(a, b string) bool {
		return a == b && reflect.ValueOf(a).UnsafePointer() != reflect.ValueOf(b).UnsafePointer()
	}

	if got := keyClone[string]()(part); !apart(got, part) {
		t.Error("a string is not copied")
	}
	if got := keyClone[name]()(name(part)); !apart(string(got), part) {
		t.Error("a string of another type is not copied")
	}
	if got := keyClone[[2]string]()([2]string{part, part}); !apart(got[0], part) || !apart(got[1], part) {
		t.Error("the strings of an array are not copied")
	}
	key := place{part, name(part), [2]string{"", part}, 7, part}
	got := keyClone[place]()(key)
	if got != key {
		t.Errorf("the copy of %+v is %+v", key, got)
	}
	if !apart(got.Country, part) || !apart(string(got.City), part) || !apart(got.Codes[1], part) {
		t.Error("the strings of a struct are not copied")
	}
	if keyClone[int]() != nil || keyClone[struct{ a string }]() != nil || keyClone[[3]float64]() != nil {
		t.Error("keys without strings that can be copied are copied")
	}

	if kept := newTable[string, int](newKeys[string]()).push(part); !apart(kept.key, part) {
		t.Error("a table keeps the key it was given")
	}
}
