package spill

import (
	"strings"
	"testing"
	"time"
)

func sizeBy[T any](v T) int64 {
	if size := Sizer[T](); size != nil {
		return size(&v)
	}
	return -1
}

func TestSizes(t *testing.T) {
	text := strings.Repeat("x", 10)
	list := make([]string, 1000)
	for i := range list {
		list[i] = text
	}
	many := map[int]string{}
	for i := range 1000 {
		many[i] = text
	}
	type row struct {
		N    int
		Text string
		note *string
	}
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"a number holds nothing", sizeBy(5), -1},
		{"a time holds nothing", sizeBy(time.Now()), -1},
		{"nor does a struct of such", sizeBy(struct {
			A int
			B [2]time.Time
		}{}), -1},
		{"text", sizeBy(text), 10},
		{"a struct's fields, exported or not", sizeBy(row{1, text, &text}), 10 + 16 + 10},
		{"a nil pointer", sizeBy((*int)(nil)), 0},
		{"a list with its capacity", sizeBy(make([]int64, 3, 5)), 40},
		{"a short list of texts", sizeBy(list[:2:2]), 2 * (16 + 10)},
		{"a long list of texts", sizeBy(list), 1000 * (16 + 10)},
		{"an array of texts", sizeBy([2]string{text}), 10},
		{"a map", sizeBy(map[int64]int64{1: 1, 2: 2}), 2 * (16 + entryOfMap)},
		{"a large map of texts", sizeBy(many), 1000 * (24 + entryOfMap + 10)},
		{"something of its own kind within", sizeBy(tree{make([]tree, 1)}), 24},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}
