package api_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	metricName   = regexp.MustCompile(`\bmillrace_[a-z_]+[a-z]\b`)
	metricInUse  = regexp.MustCompile(`\b(millrace_[a-z_]+[a-z])(\{([^}]*)\})?`)
	labelInUse   = regexp.MustCompile(`^([a-z_]+)(?:="([^"]*)")?$`)
	metricSample = regexp.MustCompile(`(?m)^(millrace_[a-z_]+)(?:\{(.*)\})? \S+$`)
	metricLabel  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
	codeInText   = regexp.MustCompile("`[^`]+`")
	kindOfMetric = regexp.MustCompile(`(?m)^# TYPE (\S+) \S+$`)
)

// exposed are the metrics of a scrape: by their name the values that each label has.
func exposed(body string) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	for _, m := range kindOfMetric.FindAllStringSubmatch(body, -1) {
		all[m[1]] = map[string][]string{}
	}
	for _, m := range metricSample.FindAllStringSubmatch(body, -1) {
		name := m[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			if base, ok := strings.CutSuffix(name, suffix); ok && all[base] != nil {
				name = base
			}
		}
		for _, l := range metricLabel.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" && !slices.Contains(all[name][l[1]], l[2]) {
				all[name][l[1]] = append(all[name][l[1]], l[2])
			}
		}
	}
	return all
}

// What the documentation tells to watch and to be woken by is there, under these names, with these labels, from a
// replica's start; and what is there is documented.
func TestTheDocumentedMetricsAreThoseOfTheServer(t *testing.T) {
	r := newReplica(t, options{})
	r.want(200, "GET", "/metrics", "") // which is a request that the next one tells of
	all := exposed(r.want(200, "GET", "/metrics", "").body)

	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(documents) < 3 {
		t.Fatalf("%d documents: %v", len(documents), err)
	}
	for _, path := range append(documents, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			if all[name] == nil {
				t.Errorf("%s names %s, which the server does not expose", path, name)
			}
		}
	}

	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	seen, rules := map[string]bool{}, 0
	for _, code := range codeInText.FindAllString(string(text), -1) {
		for _, m := range metricInUse.FindAllStringSubmatch(code, -1) {
			name, labels := m[1], m[3]
			seen[name] = true
			if strings.ContainsAny(code, "<>=") && strings.Contains(code, "(") {
				rules++
			}
			var named []string
			for label := range strings.SplitSeq(labels, ",") {
				if label == "" {
					continue
				}
				l := labelInUse.FindStringSubmatch(label)
				if l == nil {
					t.Errorf("%s: %q is no label", code, label)
					continue
				}
				named = append(named, l[1])
				values, ok := all[name][l[1]]
				// The pipelines are the test's own.
				if !ok || l[2] != "" && l[1] != "pipeline" && !slices.Contains(values, l[2]) {
					t.Errorf("%s: %s has the labels %v", code, name, all[name])
				}
			}
			// In the table all labels are named.
			if has := slices.Sorted(maps.Keys(all[name])); code == "`"+m[0]+"`" {
				if slices.Sort(named); !slices.Equal(named, has) {
					t.Errorf("%s: the labels are %q", code, has)
				}
			}
		}
	}
	if rules < 7 {
		t.Errorf("only %d uses of metrics in expressions were found", rules)
	}
	for name := range all {
		if strings.HasPrefix(name, "millrace_") && !seen[name] {
			t.Errorf("docs/operations.md does not tell of %s", name)
		}
	}
}
