package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// side is one way to do the work. run returns what it produced, in a form that can be
// compared: a count, a sum.
type side struct {
	name string
	run  func(ctx context.Context) (result string, err error)
	// measure is instead of run for what is not one run: it tells the time itself.
	measure func(ctx context.Context) (took time.Duration, result string, err error)
	// goal is the ratio that is aimed at: the side's time by ours. Zero for ours.
	goal float64
}

func (s side) time(ctx context.Context) (time.Duration, string, error) {
	if s.measure != nil {
		return s.measure(ctx)
	}
	began := time.Now()
	result, err := s.run(ctx)
	return time.Since(began), result, err
}

// comparison is a piece of work and the ways to do it, ours first.
type comparison struct {
	name  string
	ready func(ctx context.Context) error // before each run, not timed; may be nil
	sides []side
}

// missing says that a peer is not installed.
type missing struct{ what string }

func (m *missing) Error() string { return m.what + " is not installed" }

// row is a line of the result.
type row struct {
	work, peer       string
	ours, theirs     time.Duration // medians
	ratio, low, high float64       // theirs by ours: median, least, greatest
	goal             float64
	mallocs          uint64 // of our last round; 0 where we are another process
}

// compare measures a comparison.
func compare(ctx context.Context, c comparison, rounds int, log io.Writer) ([]row, error) {
	times := make([][]time.Duration, len(c.sides))
	skipped := make([]bool, len(c.sides))
	var mallocs uint64
	for round := range rounds + 1 { // the first one warms up
		want := ""
		for i, s := range c.sides {
			if skipped[i] {
				continue
			}
			if c.ready != nil {
				if err := c.ready(ctx); err != nil {
					return nil, fmt.Errorf("%s: making ready: %w", c.name, err)
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			took, got, err := s.time(ctx)
			runtime.ReadMemStats(&after)
			var m *missing
			if errors.As(err, &m) {
				fmt.Fprintf(log, "%s: passed over %s: %v\n", c.name, s.name, err)
				skipped[i] = true
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.name, s.name, err)
			}
			if i == 0 {
				want = got
				if s.measure == nil {
					mallocs = after.Mallocs - before.Mallocs
				}
			} else if got != want {
				return nil, fmt.Errorf("%s: %s produced %s, Millrace %s", c.name, s.name, got, want)
			}
			if round > 0 {
				times[i] = append(times[i], took)
			}
		}
		fmt.Fprintf(log, "%s: round %d of %d\n", c.name, round, rounds)
	}
	var rows []row
	for i, s := range c.sides[1:] {
		if skipped[i+1] {
			continue
		}
		r := row{work: c.name, peer: s.name, ours: median(times[0]), theirs: median(times[i+1]), goal: s.goal, mallocs: mallocs}
		var ratios []float64
		for k, theirs := range times[i+1] {
			ratios = append(ratios, theirs.Seconds()/times[0][k].Seconds())
		}
		r.ratio, r.low, r.high = median(ratios), slices.Min(ratios), slices.Max(ratios)
		rows = append(rows, r)
	}
	return rows, nil
}

func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// show prints the table; records is how many each round of ours had, by which allocations are told.
func show(w io.Writer, rows []row, records int) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"work", "against", "Millrace", "peer", "ratio", "spread", "goal", "our allocations a row"})
	for _, r := range rows {
		t.AppendRow(table.Row{
			r.work, r.peer, round(r.ours), round(r.theirs),
			fmt.Sprintf("%.2f", r.ratio), fmt.Sprintf("%.2f-%.2f", r.low, r.high), fmt.Sprintf("%.2f", r.goal),
			fmt.Sprintf("%.4f", float64(r.mallocs)/float64(records)),
		})
	}
	t.RenderMarkdown()
	fmt.Fprintln(w)
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond / 10).String()
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}
