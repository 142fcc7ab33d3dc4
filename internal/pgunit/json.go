package pgunit

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// sameJSON compares two documents by value, as jsonb does: one that went through
// the server has other spaces and another order of keys. nil is no document.
func sameJSON(a, b json.RawMessage) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := decodeJSON(a)
	y, errY := decodeJSON(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func decodeJSON(document []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // a float64 would take two large integers for one
	err = d.Decode(&v)
	return v, err
}
