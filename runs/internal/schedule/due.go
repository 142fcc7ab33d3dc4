package schedule

import "time"

// CatchUp says what becomes of due dates that were missed.
type CatchUp string

// The policies.
const (
	Last CatchUp = "last" // one run, for the newest missed date
	Skip CatchUp = "skip" // none
	All  CatchUp = "all"  // one for each, up to a limit
)

// lateAfter is how long after its time a due date still counts as met, for Skip.
const lateAfter = time.Minute

// Due returns the dates for which runs are to be made at the moment now, the earliest first, when the one that was due
// first is known, and the due date after that, which is the zero time if there is none. Of more than most missed
// dates, at least one, the oldest are left out.
func (s *Schedule) Due(first, now time.Time, missed CatchUp, most int) (dates []time.Time, next time.Time) {
	most = max(1, most)
	for next = first; !next.IsZero() && !next.After(now); next = s.Next(next) {
		if len(dates) == most { // a minute's schedule after a year: not all in memory
			copy(dates, dates[1:])
			dates = dates[:most-1]
		}
		dates = append(dates, next)
	}
	if len(dates) == 0 || missed == All {
		return dates, next
	}
	newest := dates[len(dates)-1]
	if missed == Skip && now.Sub(newest) > lateAfter {
		return nil, next
	}
	return []time.Time{newest}, next
}

// Dates returns the due dates from a moment to another, both included; without a schedule (nil) every midnight UTC.
// It stops after most of them, and then tells that there are more.
func (s *Schedule) Dates(from, to time.Time, most int) (dates []time.Time, more bool) {
	next := func(t time.Time) time.Time { return t.Truncate(24 * time.Hour).Add(24 * time.Hour) }
	if s != nil {
		next = s.Next
	}
	for t := next(from.UTC().Add(-time.Nanosecond)); !t.IsZero() && !t.After(to); t = next(t) {
		if len(dates) == most {
			return dates, true
		}
		dates = append(dates, t)
	}
	return dates, false
}
