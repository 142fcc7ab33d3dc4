package pipeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// String is a table of the stages, in words before it how the run went. It has the time of each stage from its start to
// its end, and what of it the stage did not spend waiting for others: since stages run side by side, that is what tells
// the slow one. Beneath it is what the stages warned of.
func (r Report) String() string {
	var b strings.Builder
	end := r.EndedAt
	if end.IsZero() {
		end = time.Now()
	}
	fmt.Fprintf(&b, "%s %s", r.Pipeline, r.State)
	if !r.StartedAt.IsZero() {
		fmt.Fprintf(&b, " in %v", short(end.Sub(r.StartedAt)))
	}
	if r.Rejects > 0 {
		fmt.Fprintf(&b, ", %s rejects", thousands(r.Rejects))
	}
	b.WriteString("\n\n")
	r.table(&b, end)
	between := "\n"
	for _, s := range r.Stages {
		for _, warning := range s.Warnings {
			b.WriteString(between + s.Name + ": warning: " + warning + "\n")
			between = ""
		}
	}
	if r.Error != "" {
		b.WriteString("\n" + r.Error + "\n")
	}
	return b.String()
}

func (r Report) table(b *strings.Builder, end time.Time) {
	rows := [][]string{{"stage", "rows in", "rows out", "time", "working", "rows/s"}}
	for _, s := range r.Stages {
		in, out := thousands(s.RecordsIn), thousands(s.RecordsOut)
		switch s.Kind {
		case KindSource, KindRejects:
			in = ""
		case KindSink:
			out = ""
		case KindStep:
			in, out = "", ""
		case KindTransform:
		}
		took, rate := time.Duration(0), int64(0)
		if !s.StartedAt.IsZero() {
			until := s.EndedAt
			if until.IsZero() {
				until = end
			}
			took = until.Sub(s.StartedAt)
		}
		if took > 0 {
			rate = int64(float64(max(s.RecordsIn, s.RecordsOut)) / took.Seconds())
		}
		rows = append(rows, []string{s.Name, in, out, short(took).String(), short(s.Working).String(), thousands(rate)})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 { // names to the left, figures to the right
				b.WriteString(" " + cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteString("\n")
		if n == 0 {
			whole := 1
			for _, w := range widths {
				whole += w + 2
			}
			b.WriteString(strings.Repeat("─", whole-1) + "\n")
		}
	}
}

// short rounds a time to what a reader wants to know of it.
func short(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}

// thousands writes a number with a comma after each three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
