package pipelinetest

import "testing"

func TestDiffer(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want []int
		unordered bool
		says      string
	}{
		{"nothing is nothing", nil, []int{}, false, ""},
		{"the same is the same", []int{1, 2}, []int{1, 2}, false, ""},
		{"another record", []int{1, 3}, []int{1, 2}, false, "record 2 is 3, and not 2"},
		{"another order", []int{2, 1}, []int{1, 2}, false, "record 1 is 2, and not 1"},
		{"another order is forgiven", []int{2, 1, 2}, []int{1, 2, 2}, true, ""},
		{"one is missing", []int{1}, []int{1, 2}, false, "there are 1 records, and not 2: 2 is missing"},
		{"one is too many", []int{1, 2, 3}, []int{1, 2}, false, "there are 3 records, and not 2: 3 is too many"},
		{"one is missing somewhere", []int{3, 1}, []int{1, 2, 3}, true, "record 2 is 3, and not 2"},
		{"one is doubled somewhere", []int{3, 2, 1, 2}, []int{1, 2, 3}, true, "there are 4 records, and not 3: 2 is too many"},
		{"one is another somewhere", []int{3, 9, 1}, []int{1, 2, 3}, true, "record 2 is 9, and not 2"},
		{"all is missing", nil, []int{1}, true, "there are 0 records, and not 1: 1 is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if says := differ("record", c.got, c.want, c.unordered); says != c.says {
				t.Errorf("says %q, and not %q", says, c.says)
			}
		})
	}
}
