package csvcodec

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// ReadHeader reads the first record as the names of the columns. An input that
// ends before it is [ErrEmpty].
func ReadHeader(s *Scanner) ([]string, error) {
	rec, err := s.Next()
	if errors.Is(err, io.EOF) {
		return nil, ErrEmpty
	}
	if err != nil {
		return nil, err
	}
	header := make([]string, rec.Len())
	for i := range header {
		field := rec.Field(i)
		if !utf8.Valid(field) {
			reason := fmt.Sprintf("%s is not valid UTF-8", quoteValue(field))
			if i == 0 && (strings.HasPrefix(string(field), "\xff\xfe") || strings.HasPrefix(string(field), "\xfe\xff")) {
				reason = "the input is UTF-16; convert it to UTF-8"
			}
			return nil, rec.fail(i, "", reason, ErrInvalidUTF8)
		}
		header[i] = string(field)
	}
	return header, nil
}

// matchHeader says for each name of the header which column it is, -1 for none.
// As in gocsv the first field that answers to a name gets it.
func matchHeader(columns []column, header []string, allowMissing bool) ([]int, error) {
	match := make([]int, len(header))
	from := make([]int, len(columns)) // the header's column of each, counted from 1
	// Matching compares every name with every field; a name seen exactly is
	// looked up instead, which keeps a wide header from costing its square.
	exact := make(map[string]int, len(columns))
	scan := false
	for i, c := range columns {
		scan = scan || c.partial
		for _, name := range c.names {
			if _, ok := exact[name]; !ok {
				exact[name] = i
			}
		}
	}
	for i, name := range header {
		match[i] = -1
		k, ok := exact[name]
		if !ok || scan {
			k = slices.IndexFunc(columns, func(c column) bool { return c.matches(name) })
		} else {
			// A field further up may answer to the name with its spaces trimmed.
			k = firstLenient(columns[:k], name, k)
		}
		if k < 0 {
			continue
		}
		if from[k] > 0 {
			return nil, &HeaderError{Duplicate: name, Present: header}
		}
		match[i] = k
		from[k] = i + 1
	}
	if allowMissing {
		return match, nil
	}
	e := &HeaderError{Present: header}
	for i, c := range columns {
		if from[i] > 0 || !c.tagged || shadowed(columns, from, i) {
			continue
		}
		e.Missing = append(e.Missing, c.name())
		e.Nearest = append(e.Nearest, nearest(c.name(), header))
	}
	if len(e.Missing) == 0 {
		return match, nil
	}
	if len(header) == 1 {
		for _, other := range []string{";", "\t", "|", ","} {
			if strings.Contains(header[0], other) {
				e.Hint = fmt.Sprintf("is the delimiter %q?", other)
				break
			}
		}
	}
	return nil, e
}

// firstLenient finds a field before k that answers to a name which is exactly
// k's. Only a name with spaces or invisible characters can have one.
func firstLenient(before []column, name string, k int) int {
	if strings.TrimSpace(name) == name && withoutZeroWidth(name) == name {
		return k
	}
	if i := slices.IndexFunc(before, func(c column) bool { return c.matches(name) }); i >= 0 {
		return i
	}
	return k
}

// shadowed reports whether another field of the same name has the column, as
// an outer field has before an embedded one.
func shadowed(columns []column, from []int, i int) bool {
	for j, c := range columns {
		if j != i && from[j] > 0 && slices.ContainsFunc(c.names, func(n string) bool { return slices.Contains(columns[i].names, n) }) {
			return true
		}
	}
	return false
}

// nearest finds the name in the header that is spelled most like name; none
// when more than half of it would have to change.
func nearest(name string, header []string) string {
	best, at := len(name)/2+1, ""
	folded := strings.ToLower(name)
	for _, h := range header {
		if len(h) > 4*len(name)+16 {
			continue // far off, and costly to compare
		}
		if d := levenshtein.ComputeDistance(folded, strings.ToLower(strings.TrimSpace(h))); d < best {
			best, at = d, h
		}
	}
	return at
}
