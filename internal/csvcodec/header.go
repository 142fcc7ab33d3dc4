package csvcodec

import (
	"bytes"
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
	if err := s.Identify(); err != nil {
		return nil, err
	}
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
		if !rec.Quoted(i) && bytes.IndexByte(field, '\r') >= 0 {
			return nil, &InputError{What: "the lines end in CR alone", Advice: "convert them to LF, for instance with tr '\\r' '\\n'"}
		}
		header[i] = string(field)
	}
	// A column alone is NULL where its line is blank.
	s.keepBlank = len(header) == 1
	return header, nil
}

// matchHeader says for each name of the header which column it is, -1 for none.
// As in gocsv the first field that answers to a name gets it.
func matchHeader(s *shape, header []string, o DecodeOptions) ([]int, error) {
	columns := s.columns
	match := make([]int, len(header))
	from := make([]int, len(columns)) // the header's column of each, counted from 1
	// Matching compares every name with every field; a name seen exactly is
	// looked up instead, which keeps a wide header from costing its square.
	exact := make(map[string]int, len(columns))
	scan := false
	for i, c := range columns {
		scan = scan || c.partial
		if c.position > 0 {
			continue
		}
		for _, name := range c.names {
			if _, ok := exact[name]; !ok {
				exact[name] = i
			}
		}
	}
	folded := foldedNames(columns, o.Dialect.AnyCase)
	byPosition := map[int]int{}
	for i := range columns {
		if columns[i].position > 0 {
			byPosition[columns[i].position] = i
		}
	}
	for i, name := range header {
		match[i] = -1
		if k, ok := byPosition[i+1]; ok {
			folds := func(own string) bool { return o.Dialect.AnyCase && fold(own) == fold(name) }
			if c := &columns[k]; c.named && !c.matches(name) && !slices.ContainsFunc(c.names, folds) {
				return nil, fmt.Errorf("field %s: column %d is %s in the header, not %q",
					c.field, c.position, quoteValue([]byte(name)), c.name())
			}
			match[i], from[k] = k, i+1
			continue
		}
		k, ok := exact[name]
		if !ok || scan {
			k = slices.IndexFunc(columns, func(c column) bool { return c.position == 0 && c.matches(name) })
		} else {
			// A field further up may answer to the name with its spaces trimmed.
			k = firstLenient(columns[:k], name, k)
		}
		if k < 0 && folded != nil {
			var ok bool
			if k, ok = folded[fold(name)]; !ok {
				k = -1
			}
		}
		if k < 0 {
			continue
		}
		if from[k] > 0 {
			return nil, &HeaderError{Duplicate: name, Present: header, Hint: "rename all but one of them"}
		}
		match[i] = k
		from[k] = i + 1
	}
	if o.OnlyColumns {
		if err := unknownColumns(header, match); err != nil {
			return nil, err
		}
	}
	if o.AllowMissing {
		return match, nil
	}
	if err := checkNests(s, from); err != nil {
		err.Present = header
		return nil, err
	}
	e := &HeaderError{Present: header}
	for i, c := range columns {
		if from[i] > 0 || !c.tagged && c.position == 0 {
			continue
		}
		e.Missing = append(e.Missing, c.name())
		e.Nearest = append(e.Nearest, nearest(c.name(), header))
	}
	if len(e.Missing) == 0 {
		return match, nil
	}
	e.Hint = headerHint(header, e.Missing)
	return nil, e
}

// headerHint guesses why columns are missing.
func headerHint(header, missing []string) string {
	for _, h := range header {
		if !utf8.ValidString(h) {
			return fmt.Sprintf("%s is not UTF-8: convert the file, for instance with iconv -f WINDOWS-1252 -t UTF-8", quoteValue([]byte(h)))
		}
	}
	if len(header) > 1 {
		return ""
	}
	for _, other := range []string{";", "\t", "|", ","} {
		if strings.Contains(header[0], other) {
			return fmt.Sprintf("is the delimiter %q? set Dialect.Delimiter", other)
		}
	}
	return ""
}

// checkNests finds a struct field that a tag names of whose columns the header has none:
// it would stay zero without a word.
func checkNests(s *shape, from []int) *HeaderError {
	for n, nest := range s.nests {
		var names []string
		found := false
		for i, c := range s.columns {
			if c.nest == n {
				names = append(names, c.name())
				found = found || from[i] > 0
			}
		}
		if found || len(names) == 0 || slices.ContainsFunc(s.columns, func(c column) bool { return c.nest == n && c.tagged }) {
			continue
		}
		e := &HeaderError{Missing: names, Nearest: make([]string, len(names))}
		e.Hint = fmt.Sprintf("field %s is a %s, which has neither UnmarshalText, UnmarshalCSV nor Scan to fill it from a column %q",
			nest.field, nest.typ, nest.name)
		return e
	}
	return nil
}

// firstLenient finds a field before k that answers to a name which is exactly
// k's. Only a name with spaces or invisible characters can have one.
func firstLenient(before []column, name string, k int) int {
	if strings.TrimSpace(name) == name && withoutZeroWidth(name) == name {
		return k
	}
	if i := slices.IndexFunc(before, func(c column) bool { return c.position == 0 && c.matches(name) }); i >= 0 {
		return i
	}
	return k
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

// HintHeader looks for a header behind lines that are none, as titles of reports are, when
// the first record lacks columns. It reads on in s, which is of no use afterwards.
func HintHeader(s *Scanner, e *HeaderError) {
	if len(e.Missing) == 0 || e.Hint != "" && len(e.Present) > 1 {
		return
	}
	for range 20 {
		rec, err := s.Next()
		if _, bad := errors.AsType[*Error](err); bad {
			continue
		}
		if err != nil {
			return
		}
		names := make(map[string]bool, rec.Len())
		for i := range rec.Len() {
			names[strings.TrimSpace(string(rec.Field(i)))] = true
		}
		if !slices.ContainsFunc(e.Missing, func(name string) bool { return !names[name] }) {
			e.Hint = fmt.Sprintf("line %d has them: set Dialect.SkipLines to %d", rec.Line(), rec.Line()-1)
			return
		}
	}
}
