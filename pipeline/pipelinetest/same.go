package pipelinetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/millrace/millrace/pipeline"
)

// outcome is all that a run showed of a stage.
type outcome[T any] struct {
	records []T
	rejects []pipeline.Reject
	loaded  any // of Loaded
}

// differs says where a run came out other than it should have, "" if nowhere.
func (o outcome[T]) differs(want outcome[T], unordered bool) string {
	if d := differ("record", o.records, want.records, unordered); d != "" {
		return d
	}
	// Rejects of several lanes, or of a source behind the stage, have no order.
	if d := differ("reject", o.rejects, want.rejects, true); d != "" {
		return d
	}
	if !reflect.DeepEqual(o.loaded, want.loaded) {
		return fmt.Sprintf("it loaded %+v, and not %+v", o.loaded, want.loaded)
	}
	return ""
}

// differ says where got is not want.
func differ[T any](what string, got, want []T, unordered bool) string {
	if unordered {
		got = arrange(got, want)
	}
	for i := range min(len(got), len(want)) {
		if !same(got[i], want[i]) {
			return fmt.Sprintf("%s %d is %+v, and not %+v", what, i+1, got[i], want[i])
		}
	}
	switch {
	case len(got) < len(want):
		return fmt.Sprintf("there are %d %ss, and not %d: %+v is missing", len(got), what, len(want), want[len(got)])
	case len(got) > len(want):
		return fmt.Sprintf("there are %d %ss, and not %d: %+v is too many", len(got), what, len(want), got[len(want)])
	}
	return ""
}

// arrange returns got in the order of want, as far as they hold the same; the
// rest comes where want has something else, or at the end.
func arrange[T any](got, want []T) []T {
	buckets := map[string][]int{} // so that it does not take the square of the length
	for i := range got {
		b := bucket(got[i])
		buckets[b] = append(buckets[b], i)
	}
	partner := make([]int, len(want)) // the place in got, or -1
	used := make([]bool, len(got))
	for w := range want {
		partner[w] = -1
		b := bucket(want[w])
		for k, i := range buckets[b] {
			if same(got[i], want[w]) {
				partner[w], used[i] = i, true
				buckets[b] = slices.Delete(buckets[b], k, k+1)
				break
			}
		}
	}
	var rest []T
	for i := range got {
		if !used[i] {
			rest = append(rest, got[i])
		}
	}
	arranged := make([]T, 0, len(got))
	for _, i := range partner {
		if i >= 0 {
			arranged = append(arranged, got[i])
		} else if len(rest) > 0 {
			arranged, rest = append(arranged, rest[0]), rest[1:]
		}
	}
	return append(arranged, rest...)
}

// bucket is the same for records that are. It looks through pointers, and not at
// unexported fields.
func bucket(record any) string {
	text, err := json.Marshal(record)
	if err != nil {
		return "" // a NaN, a channel
	}
	return string(text)
}

// same compares by value. Text decides where DeepEqual is too strict for records:
// a NaN, a time with another pointer to the same zone.
func same(a, b any) bool {
	return reflect.DeepEqual(a, b) || fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}
